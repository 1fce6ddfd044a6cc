"""The leases read back out of the kernel, for when their file is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.lanes.field import FIRST_TENANT, MarkField
from laneway.lanes.leases import Leases
from laneway.state.chains import ChainKey, ChainRule, Mark, XtTable
from laneway.state.links import LinkKind
from laneway.state.prefix import IPV4

if TYPE_CHECKING:
    from laneway.state.host import HostState

BRIDGE_ALIAS = "laneway tenant="


def rebuild(observed: HostState, field: MarkField) -> Leases:
    """Return the leases that the marks in the sets and the pins among the chains still show."""
    tenants = resident_tenants(observed)
    owners = {
        tenants[entry.iface]: field.owner_of(mark)
        for entry, mark in observed.entries.items()
        if mark is not None and entry.iface in tenants
    }
    uplinks = {}
    for rule in observed.chains.get(ChainKey(IPV4, XtTable.FILTER, "LANEWAY-FORWARD"), ()):
        if isinstance(rule, ChainRule) and rule.comment.endswith(":pin"):
            for match in rule.matches:
                if isinstance(match, Mark) and match.mark.mask == field.uplink_mask:
                    uplinks[rule.comment.split(":")[1]] = field.uplink_of(match.mark)
    return Leases(owners, uplinks, max(owners.values(), default=FIRST_TENANT - 1) + 1)


def resident_tenants(observed: HostState) -> dict[str, str]:
    """Return the tenant of every bridge on the host, as the bridge's alias says."""
    return {
        key.name: link.alias.removeprefix(BRIDGE_ALIAS)
        for key, link in observed.links.items()
        if link.kind == LinkKind.BRIDGE and link.alias.startswith(BRIDGE_ALIAS)
    }
