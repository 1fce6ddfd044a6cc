"""Facts of the host that are not laneway's to change, but that shape what it programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.kernel import listeners, sysctls
from laneway.kernel.link_messages import OUR_GROUPS
from laneway.kernel.netns import LOOPBACK
from laneway.kernel.route_messages import ROUTE_TYPES, RTM_GETROUTE, dump_routes, routes
from laneway.state.facts import HostFacts, MainWay, uplink_routes
from laneway.state.routing import MAIN_TABLE, RouteKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from laneway.kernel.link_messages import SeenLink
    from laneway.kernel.netlink import NetlinkSocket
    from laneway.kernel.route_messages import SeenRoute
    from laneway.state.facts import Variant


def read(
    kernel: NetlinkSocket,
    links: Iterable[SeenLink],
    *,
    variant: Variant,
    uplinks: Sequence[str],
    priors: Mapping[str, str],
) -> HostFacts:
    """Return the facts, of the host with these `links`; of a sysctl that laneway changed, its prior value."""
    theirs = [link for link in links if link.group not in OUR_GROUPS]
    indexes = {link.number: link.name for link in theirs if link.name in uplinks}
    by_link = {name: _main_routes(kernel, index) for index, name in sorted(indexes.items(), key=lambda item: item[1])}
    keys = [*sysctls.HOST_KEYS, *(key.format(name) for name in sorted(set(uplinks)) for key in sysctls.UPLINK_KEYS)]
    listening = frozenset(_listening(theirs, priors))
    keys += (sysctls.ACCEPT_RA.format(name) for name in sorted(listening.difference(uplinks)))
    present = sysctls.read(keys)  # of an interface that is gone, there is none to have a prior value
    return HostFacts(
        variant=variant,
        interfaces=frozenset(link.name for link in theirs if link.up),
        gateways=_gateways(by_link),
        uplink_routes=uplink_routes(_ways(by_link)),
        sysctls=present | {key: priors[key] for key in present if key in priors},
        listeners=listeners.read(),
        listening=listening,
    )


def _listening(theirs: Sequence[SeenLink], priors: Mapping[str, str]) -> Iterator[str]:
    """Yield the links of others that may learn from router advertisements, and those that laneway let go on so.

    A router may be heard for the first time after the change, as when a host starts: so it is not asked what a link
    has learnt until now. What a port receives is its bridge's or bond's; in a VRF a link still speaks for itself.
    """
    kinds = {link.number: link.kind for link in theirs}
    alone = [each for each in theirs if not each.master or kinds.get(each.master) == "vrf"]
    without = sysctls.read(sysctls.DISABLE_IPV6.format(each.name) for each in alone)
    for link in alone:
        deaf = link.name == LOOPBACK or without.get(sysctls.DISABLE_IPV6.format(link.name)) != "0"
        if sysctls.ACCEPT_RA.format(link.name) in priors or (link.up and not deaf):
            yield link.name


def _main_routes(kernel: NetlinkSocket, link: int) -> list[SeenRoute]:
    """Return the unicast routes of main by one link, each with its hops by that link alone."""
    bodies = kernel.dump(RTM_GETROUTE, dump_routes(table=MAIN_TABLE, link=link))
    unicast = ROUTE_TYPES[RouteKind.UNICAST]
    found = (seen for seen in routes(bodies) if (seen.table, seen.type) == (MAIN_TABLE, unicast))
    # Where next hop objects tell nothing of themselves (nexthop_compat_mode) there is no hop, and the kernel's word.
    by_link = ((seen, tuple(hop for hop in seen.hops if hop.link == link)) for seen in found)
    return [seen._replace(hops=hops) for seen, hops in by_link if hops or not seen.hops]


def _gateways(by_link: Mapping[str, Sequence[SeenRoute]]) -> dict[tuple[str, int], bytes]:
    """Return the gateway of each link's and family's default route of the lowest metric."""
    found: dict[tuple[str, int], bytes] = {}
    for name, seen in by_link.items():
        for route in sorted(seen, key=lambda each: each.metric):
            via = route.hops[0].via if route.hops else b""
            if not route.to.length and len(via) == len(route.to.address):
                found.setdefault((name, route.to.family), via)
    return found


def _ways(by_link: Mapping[str, Sequence[SeenRoute]]) -> Iterator[MainWay]:
    for name, seen in by_link.items():
        for route in seen:
            yield MainWay(name, route.to, route.metric, tuple(hop.via for hop in route.hops), route.more)
