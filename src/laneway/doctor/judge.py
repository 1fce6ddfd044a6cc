"""All the doctor's judgements together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.doctor import capacity, claims, ip_rules, platform, software, switches, uplinks
from laneway.doctor.finding import ORDER

if TYPE_CHECKING:
    from laneway.doctor.finding import Finding
    from laneway.plan.answers import Unheard
    from laneway.plan.conflicts import Collision
    from laneway.plan.taken import Taken
    from laneway.policy.model import PolicySet
    from laneway.state.diagnosis import Diagnosis


def judge(
    seen: Diagnosis,
    policy: PolicySet | None = None,
    collisions: tuple[Collision, ...] = (),
    taken: tuple[Taken, ...] = (),
    unheard: tuple[Unheard, ...] = (),
) -> list[Finding]:
    """Return what of the host would break `policy`, the worst first; without one, what would break any.

    `collisions` is what `laneway.plan.conflicts` finds of others' in the way, `taken` and `unheard` what
    `laneway.plan.taken` and `laneway.plan.answers` find.
    """
    found = [
        *platform.judge(seen),
        *software.judge(seen, policy),
        *switches.judge(seen, policy),
        *ip_rules.judge(seen, policy),
        *claims.judge(seen, policy, collisions, taken),
        *ip_rules.answers(unheard),
    ]
    if policy is not None:
        found += [*uplinks.judge(seen, policy), *capacity.judge(seen, policy)]
    return sorted(dict.fromkeys(found), key=lambda each: ORDER[each.severity])
