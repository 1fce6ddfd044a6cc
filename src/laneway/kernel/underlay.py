"""The host's own network, read: its addresses, table main, and what it does with packets that are not for it."""

from __future__ import annotations

import socket
from struct import Struct
from typing import TYPE_CHECKING

from laneway.kernel import sysctls
from laneway.kernel.link_messages import DUMP_ADDRESSES, DUMP_LINKS, RTM_GETADDR, RTM_GETLINK, links
from laneway.kernel.netlink import NetlinkSocket, attributes
from laneway.kernel.route_messages import ROUTE_TYPES, RTM_GETROUTE, dump_routes, routes
from laneway.state.prefix import IPV4, IPV6, Prefix
from laneway.state.routing import MAIN_TABLE, ROUTED, RouteKind
from laneway.state.underlay import HostAddress, MainRoute, Underlay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.kernel.route_messages import SeenRoute

_ADDRESS = Struct("=BBBBI")  # family, prefix length, flags, scope, link index (linux/if_addr.h)
_IFA_ADDRESS = 1
_IFA_LOCAL = 2
_IFA_F_DEPRECATED = 0x20

_FORWARDING = {IPV4: "net/ipv4/ip_forward", IPV6: "net/ipv6/conf/all/forwarding"}
_BRIDGED = {IPV4: "net/bridge/bridge-nf-call-iptables", IPV6: "net/bridge/bridge-nf-call-ip6tables"}
_REVERSE_FILTER = "net/ipv4/conf/{}/rp_filter"


def read() -> Underlay:
    """Return the network of the host that this process is in; raises HostRefused."""
    with NetlinkSocket() as kernel:
        names = {link.number: link.name for link in links(kernel.dump(RTM_GETLINK, DUMP_LINKS))}
        addresses = tuple(_addresses(kernel, names))
        dumped = routes(kernel.dump(RTM_GETROUTE, dump_routes(table=MAIN_TABLE)))
        main = tuple(_main(seen, names) for seen in dumped if seen.table == MAIN_TABLE)
    return Underlay(
        addresses,
        main,
        forwards=_families(_FORWARDING),
        reverse_filter=_reverse_filters(sorted(names.values())),
        filters_bridged=_families(_BRIDGED),
    )


def _addresses(kernel: NetlinkSocket, names: dict[int, str]) -> Iterator[HostAddress]:
    for body in kernel.dump(RTM_GETADDR, DUMP_ADDRESSES):
        family, length, flags, _, index = _ADDRESS.unpack_from(body)
        if family in (socket.AF_INET, socket.AF_INET6) and index in names:
            found = attributes(body, _ADDRESS.size)
            own = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS, b"")
            yield HostAddress(names[index], Prefix(own, length), bool(flags & _IFA_F_DEPRECATED))


def _main(seen: SeenRoute, names: dict[int, str]) -> MainRoute:
    """Return a route; of a multipath one the first hop, whichever the kernel would choose."""
    kinds = {ROUTE_TYPES[kind]: kind for kind in ROUTED}
    kind = kinds.get(seen.type, RouteKind.UNREACHABLE)
    if kind is not RouteKind.UNICAST or not seen.hops:
        return MainRoute(seen.to, seen.metric, kind)
    link, via = seen.hops[0]
    return MainRoute(seen.to, seen.metric, kind, names.get(link, f"link {link}"), via)


def _families(keys: dict[int, str]) -> frozenset[int]:
    values = sysctls.read(keys.values())
    return frozenset(family for family, key in keys.items() if values.get(key, "0") != "0")


def _reverse_filters(names: list[str]) -> dict[str, int]:
    """Return what is in effect on each link: the larger of its own setting and of `all`'s (kernel ip-sysctl.rst)."""
    values = sysctls.read(_REVERSE_FILTER.format(each) for each in ["all", *names])
    own = {each: values.get(_REVERSE_FILTER.format(each), "0") for each in ["all", *names]}
    return {each: max(int(own["all"]), int(own[each])) for each in names}
