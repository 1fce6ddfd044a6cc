"""What is inside a network namespace of ours, read so that its root can neither prolong it nor speak for others.

Whoever is root in there can fill it with links, addresses and routes, and change them as fast as they are read. So a
link is asked for by the index that the host's end of its pair tells, a dump is of one link or one protocol, and ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.kernel import advice, ways_out
from laneway.kernel.link_messages import RTM_GETADDR, addresses, dump_addresses
from laneway.kernel.netlink import NetlinkSocket
from laneway.kernel.netns import LOOPBACK, link_at
from laneway.kernel.route_messages import RTM_GETROUTE, as_route, dump_routes, routes
from laneway.state.links import AddressKey, Link, LinkKey, LinkKind
from laneway.state.routing import PROTOCOL, RouteKey, add_routes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from laneway.kernel.link_messages import SeenAddress, SeenLink
    from laneway.kernel.route_messages import SeenRoute
    from laneway.state.host import HostState

MOST = 1000
"""Addresses of a workload's link, and routes of our protocol, that are read: more than a policy gives one."""


class Inside(NamedTuple):
    """What is inside, as the kernel tells it."""

    links: list[SeenLink]  # the far ends of our pairs
    addresses: list[SeenAddress]  # of ours, on them
    routes: list[SeenRoute]  # of our protocol
    names: dict[int, str]  # of links, by index
    cut_short: tuple[str, ...]  # what there is too much of, in words

    def add_to(self, state: HostState, netns: str) -> None:
        """Add what is ours to the state."""
        for link in self.links:
            heeds = advice.heeded(link)
            end = Link(LinkKind.PEER, link.group, mac=link.mac, alias=link.alias, up=link.up, heeds=heeds)
            state.links[LinkKey(netns, link.name)] = end
        for seen in self.addresses:
            state.addresses[AddressKey(netns, self.names[seen.link], seen.address)] = None
        found = (
            (RouteKey(netns, seen.table, seen.to, seen.metric, seen.more), as_route(seen, self.names))
            for seen in self.routes
        )
        add_routes(state.routes, found)

    def not_as_it_seems(self, kernel: NetlinkSocket) -> Iterator[str]:
        """Yield, in words, what keeps workload and policy apart beside the objects that are compared."""
        yield from self.cut_short
        for link in self.links:
            if link.up:
                on_it = [each for each in self.addresses if each.link == link.number]
                yield from ways_out.others_ways(kernel, link.number, on_it, self.routes)


def read(kernel: NetlinkSocket, ends: Iterable[int]) -> Inside:
    """Return what `kernel`, a socket inside, tells of the links of the indexes `ends`; raises HostRefused."""
    found = [link for link in (link_at(kernel, index) for index in ends) if link is not None]
    names = {1: LOOPBACK, **{link.number: link.name for link in found}}
    ours: list[SeenAddress] = []
    cut_short = []
    for link in found:
        bodies, whole = _some(kernel, RTM_GETADDR, dump_addresses(link.number))
        seen = (each for each in addresses(bodies) if each.link == link.number and each.protocol == PROTOCOL)
        ours += seen
        cut_short += [] if whole else [f"its link has more than {MOST} addresses, of which these were read"]
    bodies, whole = _some(kernel, RTM_GETROUTE, dump_routes(protocol=PROTOCOL))
    cut_short += [] if whole else [f"it has more than {MOST} routes of protocol {PROTOCOL}, of which these were read"]
    learnt = [each for each in routes(bodies) if each.protocol == PROTOCOL]
    for index in sorted({hop.link for each in learnt for hop in each.hops} - names.keys()):
        link_there = link_at(kernel, index)
        if link_there is not None:
            names[index] = link_there.name
    return Inside(found, ours, learnt, names, tuple(cut_short))


def _some(kernel: NetlinkSocket, kind: int, body: bytes) -> tuple[list[bytes], bool]:
    """Return what a dump answers, up to its first `MOST` messages, and whether that is all; raises HostRefused."""
    found, whole = kernel.dump_some(kind, body, most=MOST)
    if not whole:  # what is left of it would be in the way of the next one
        kernel.close()
        kernel.reopen()
    return found, whole
