"""Tenants of another host that the policy at hand does not name: they are there by right, and are judged by its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.lanes.rebuild import resident_tenants
from laneway.policy.load import PolicyError, load_text
from laneway.policy.underlay import carried_tenants, carried_uplinks

if TYPE_CHECKING:
    from laneway.policy.model import PolicySet
    from laneway.state.host import HostState


def with_besides(policy: PolicySet, there: HostState, in_force: str) -> tuple[PolicySet, tuple[str, ...]]:
    """Return the policy with the tenants that a host has besides, as the text of the policy in force there has them.

    With it come their names. What that text does not name, or where it is no policy, is left out.
    """
    named = {each.name for each in policy.tenants}
    unknown = set(resident_tenants(there).values()) - named
    try:
        base = load_text(in_force, "the policy in force there") if unknown and in_force else None
    except PolicyError:
        base = None
    if base is None:
        return policy, ()
    tenants = {name: each for name, each in carried_tenants(base, named).items() if name in unknown}
    uplinks = {each.name: each for each in policy.uplinks}
    uplinks |= carried_uplinks(base, uplinks, tenants.values())
    # An uplink that only they had, and that is renamed in the policy, is nobody's: so are they then.
    tenants = {name: each for name, each in tenants.items() if uplinks.keys() >= set(each.uplinks)}
    merged = sorted((*policy.tenants, *tenants.values()), key=lambda each: each.name)
    ways = tuple(uplinks[name] for name in sorted(uplinks))
    return policy._replace(uplinks=ways, tenants=tuple(merged)), tuple(sorted(tenants))
