"""What ip rules and chains of others do to tenants' packets: the part of the doctor that every plan asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.doctor import gates, ip_rules
from laneway.state.diagnosis import Diagnosis

if TYPE_CHECKING:
    from laneway.doctor.finding import Finding
    from laneway.policy.model import PolicySet
    from laneway.state.facts import Foreign, Variant


def refusing(policy: PolicySet, foreign: Foreign, variant: Variant) -> list[Finding]:
    """Return what ip rules and chains of others do to tenants' packets, of what is known already."""
    seen = Diagnosis(variant=variant, foreign=foreign)
    return [*ip_rules.judge(seen, policy), *gates.judge(seen, policy)]
