"""All the doctor's judgements together."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.doctor import (
    capacity,
    claims,
    closed,
    flushing,
    gates,
    ip_rules,
    link_managers,
    neighbours,
    own,
    platform,
    software,
    switches,
    unrouted,
    uplinks,
)
from laneway.doctor.finding import APPLY, ORDER

if TYPE_CHECKING:
    from laneway.doctor.finding import Finding
    from laneway.doctor.own import Damage
    from laneway.plan.answers import Unheard
    from laneway.plan.conflicts.collision import Collision
    from laneway.plan.taken import Forwarded, Taken
    from laneway.policy.model import PolicySet
    from laneway.state.closed import ClosedLane
    from laneway.state.diagnosis import Diagnosis


class Besides(NamedTuple):
    """What others than the doctor find: of others' in the way, and of laneway's own."""

    collisions: tuple[Collision, ...] = ()  # by `laneway.plan.conflicts`
    taken: tuple[Taken | Forwarded, ...] = ()  # by `laneway.plan.taken`
    unheard: tuple[Unheard, ...] = ()  # by `laneway.plan.answers`
    damage: tuple[Damage, ...] = ()  # what of laneway's is not as it was applied
    closed: tuple[ClosedLane, ...] = ()  # by `laneway.plan.closed`
    silent: frozenset[tuple[str, bytes]] = frozenset()  # gateways that do not answer for themselves, by their links
    apply: str = APPLY  # what applies the policy on this host


NOTHING = Besides()


def judge(seen: Diagnosis, policy: PolicySet | None = None, besides: Besides = NOTHING) -> list[Finding]:
    """Return what of the host would break `policy`, the worst first; without one, what would break any."""
    found = [
        *closed.judge(besides.closed),
        *own.judge(besides.damage),
        *platform.judge(seen),
        *software.judge(seen, policy),
        *link_managers.judge(seen),
        *flushing.judge(seen),
        *switches.judge(seen, policy),
        *unrouted.judge(seen, policy),
        *ip_rules.judge(seen, policy),
        *claims.judge(seen, policy, besides.collisions, besides.taken),
        *ip_rules.answers(besides.unheard),
        *neighbours.judge(besides.silent, policy),
    ]
    if policy is not None:
        found += [*gates.judge(seen, policy), *uplinks.judge(seen, policy), *capacity.judge(seen, policy)]
    told = (each.with_apply(besides.apply) for each in found)
    return sorted(dict.fromkeys(told), key=lambda each: ORDER[each.severity])
