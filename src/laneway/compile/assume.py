"""Facts for when there is no host to ask: a host as most are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.compile.sysctls import FORWARD4, FORWARD6, RP_FILTER_ALL, accept_ra, rp_filter
from laneway.state.facts import HostFacts, Variant

if TYPE_CHECKING:
    from laneway.policy.model import PolicySet


def assumed_facts(policy: PolicySet) -> HostFacts:
    """Return the facts of a host that has every uplink, forwards nothing, and filters strictly."""
    interfaces = [uplink.interface for uplink in policy.uplinks]
    sysctls = {FORWARD4: "0", FORWARD6: "0", RP_FILTER_ALL: "1"}
    for interface in interfaces:
        sysctls[rp_filter(interface)] = "1"
        sysctls[accept_ra(interface)] = "1"
    variant: Variant = "legacy" if policy.host.iptables == "legacy" else "nft"
    return HostFacts(variant, frozenset(interfaces), sysctls=sysctls)
