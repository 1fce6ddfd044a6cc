"""By which way packets of a workload really leave it: asked of the kernel, whatever is in there in whatever number.

Another default route of a lower metric, halves of the default, one that a router advertised, or an ip rule: to a reader
of our own routes each leaves everything as it was. The kernel's answer to one question has them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.kernel.foreign import route_text
from laneway.kernel.route_messages import RTM_GETROUTE, ask_for_way, route
from laneway.state.prefix import FAMILIES, IPV4, IPV6, Prefix, prefix
from laneway.state.routing import MAIN_TABLE, PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from laneway.kernel.link_messages import SeenAddress
    from laneway.kernel.netlink import NetlinkSocket
    from laneway.kernel.route_messages import SeenRoute

_FAR_AWAY = {
    IPV4: (prefix("6.6.6.6/32").address, prefix("192.88.99.6/32").address),
    IPV6: (prefix("2002:c058:6306::1/128").address,),
}
"""Addresses in either half of the internet that hardly anybody has a route of his own to. Nothing is sent to them."""


def others_ways(
    kernel: NetlinkSocket, link: int, addresses: Sequence[SeenAddress], ours: Sequence[SeenRoute]
) -> Iterator[str]:
    """Yield, in words, by which way packets leave that does not follow our default route by the link of that index."""
    for family in FAMILIES:
        mine = [each for each in ours if _is_default(each, family, link)]
        here = [each.address for each in addresses if each.address.family == family]
        for to in _FAR_AWAY[family] if mine and here else ():
            if any(_holds(each, to) for each in here):
                continue
            body = kernel.get(RTM_GETROUTE, ask_for_way(here[0].address, to))
            taken = None if body is None else route(body)
            if taken is None:
                yield f"IPv{family} packets are refused in there, by an ip rule or a route of its own"
                break
            if taken not in mine:
                names = {link: "its link"}
                yield f"IPv{family} packets leave it by a route of its own: {route_text(taken, names)}"
                break


def _is_default(route: SeenRoute, family: int, link: int) -> bool:
    one = len(route.hops) == 1 and route.hops[0].link == link
    return one and (route.to.family, route.to.length, route.table, route.protocol) == (family, 0, MAIN_TABLE, PROTOCOL)


def _holds(each: Prefix, address: bytes) -> bool:
    shift = len(address) * 8 - each.length
    return int.from_bytes(each.address) >> shift == int.from_bytes(address) >> shift
