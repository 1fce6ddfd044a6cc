"""What of the flows for the host's own addresses its own services answer."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from laneway.kernel import listeners
from laneway.kernel.netlink import NetlinkSocket
from laneway.kernel.route_messages import RTM_GETROUTE, dump_routes, routes
from laneway.state.prefix import ByPrefix

if TYPE_CHECKING:
    from laneway.state.flows import Ends

_LOCAL_TABLE = 255
_LOCAL = 2  # RTN_LOCAL
_UDP = 17


class OwnServices:
    """The host's addresses and the sockets at them, read when they are first asked for."""

    @cached_property
    def _addresses(self) -> ByPrefix[bool]:
        # With every prefix of which all addresses are the machine's own (AnyIP), as nat's addrtype asks.
        with NetlinkSocket() as kernel:
            found = list(routes(kernel.dump(RTM_GETROUTE, dump_routes(table=_LOCAL_TABLE))))
        return ByPrefix((each.to, True) for each in found if each.table == _LOCAL_TABLE and each.type == _LOCAL)

    @cached_property
    def _sockets(self) -> dict[int, set[bytes]]:
        found: dict[int, set[bytes]] = {}
        for each in listeners.read():
            if each.protocol == "udp":
                found.setdefault(each.port, set()).add(each.address)
        return found

    def leave(self, flow: Ends) -> bool:
        """Return whether the flow is for an address of the host, and no service there is in talks with its sender.

        A connection that is established stays, and so does what a UDP socket has answered that is still there.
        """
        if next(self._addresses.around(flow.to), None) is None:
            return False
        if flow.protocol != _UDP:
            return not flow.assured
        at = self._sockets.get(flow.port, set())
        return not (flow.answered and any(each == flow.to or not any(each) for each in at))
