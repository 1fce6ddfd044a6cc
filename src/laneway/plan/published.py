"""Flows that began before the port they are for was published: nat looks at a flow's first packet alone.

Whoever goes on sending keeps such a flow known, and never reaches the workload. What is judged is the host as it should
be, not the difference: while somebody's `iptables -t nat -F` lasted, flows began that way too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.compile.names import CROSS, publish_set
from laneway.compile.nat import LOOPBACK
from laneway.lanes.field import HOST_OWNER, NO_UPLINK
from laneway.state.flows import PORTED
from laneway.state.marks import FwMark
from laneway.state.prefix import FAMILIES, IPV6, LINK_LOCAL, family_of, leading

if TYPE_CHECKING:
    from laneway.lanes.field import MarkField
    from laneway.state.flows import Ends
    from laneway.state.host import HostState
    from laneway.state.prefix import Prefix

_CROSSING = {publish_set(family, CROSS) for family in FAMILIES}
_ARRIVING = tuple(publish_set(family, "") for family in FAMILIES)


class Published:
    """The published ports of a host, by whence they are reached."""

    def __init__(self, desired: HostState, field: MarkField) -> None:
        """Sort them by what is known of a flow."""
        self._field = field
        self._at: dict[tuple[int, int, int], list[Prefix]] = {}
        for entry, mark in desired.entries.items():
            if mark is not None and entry.set.startswith(_ARRIVING):
                number = NO_UPLINK if entry.set in _CROSSING else field.uplink_of(mark)
                self._at.setdefault((number, entry.protocol, entry.port), []).append(entry.net)

    def missed(self, flow: Ends) -> bool:
        """Return whether the flow is for a published port and is not translated, if it is for an address of the host.

        Who came by an uplink that the tenant has not is the host's; the host itself, tenants, and those of whom it is
        not known whence they came have every port.
        """
        family = family_of(flow.to)
        bound = family == IPV6 and _holds(LINK_LOCAL, flow.source)
        if flow.answers != flow.to or flow.protocol not in PORTED or bound or _holds(LOOPBACK[family], flow.to):
            return False
        mark = FwMark(flow.mark & self._field.mask, self._field.mask)
        hosts = self._field.owner_of(mark) == HOST_OWNER
        number = self._field.uplink_of(mark) if hosts else NO_UPLINK
        there = self._at.get((number, flow.protocol, flow.port), ())
        return any(_holds(each, flow.to) for each in there)


def _holds(prefix: Prefix, address: bytes) -> bool:
    same_family = len(prefix.address) == len(address)
    return same_family and leading(prefix.address, prefix.length) == leading(address, prefix.length)
