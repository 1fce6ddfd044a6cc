"""A host's state, arranged for looking things up as the kernel does."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.explain.hop import OnWay
from laneway.state.links import HOST, LinkKey, LinkKind
from laneway.state.prefix import IPV4, IPV6, Prefix
from laneway.state.routing import MAIN_TABLE

if TYPE_CHECKING:
    from laneway.state.chains import BaseJump, Chain, ChainKey, JumpKey
    from laneway.state.host import HostState
    from laneway.state.marks import FwMark
    from laneway.state.routing import FibRule
    from laneway.state.sets import SetEntry
    from laneway.state.underlay import MainRoute, Underlay

SMALLEST_WITH_BROADCAST = 30
"""The longest IPv4 prefix with a broadcast address (RFC 3021)."""

SMALLEST_WITH_ANYCAST = 126
"""The longest IPv6 prefix with an address of all its routers (RFC 6164)."""


class Found(NamedTuple):
    """An entry of a set, and the mark it carries."""

    entry: SetEntry
    mark: FwMark | None


class Place(NamedTuple):
    """A workload on its bridge."""

    netns: str
    port: LinkKey  # the host's end of its veth pair
    bridge: str


def holds(prefix: Prefix, address: bytes) -> bool:
    """Return whether an address is inside a prefix."""
    if len(prefix.address) != len(address):
        return False
    below = len(address) * 8 - prefix.length
    return int.from_bytes(prefix.address) >> below == int.from_bytes(address) >> below


class Terrain:
    """Answers from a `HostState` and the network under it; changes neither."""

    def __init__(self, state: HostState, underlay: Underlay) -> None:
        """Arrange both."""
        self.state = state
        self.underlay = underlay
        self._local = {each.address.address for each in underlay.addresses}
        self._broadcast = {_last(each.address) for each in underlay.addresses if _has_broadcast(each.address)}
        self._anycast = _anycast(underlay)
        self._sets = _by_set(state)
        self._tables = _by_table(state, underlay)
        self._rules: dict[int, list[FibRule]] = {}
        for rule in sorted(state.fib_rules, key=lambda each: each.priority):
            self._rules.setdefault(rule.family, []).append(rule)
        self.places = _places(state)
        self._bridges = {place.bridge for place in self.places.values()}
        self._bridges |= {key.name for key, each in state.links.items() if each.kind is LinkKind.BRIDGE}
        self._homes = {
            (self.places[key.netns].bridge, key.address.address): key.netns
            for key in state.addresses
            if key.netns in self.places
        }

    def group(self, link: str) -> int:
        """Return the group of a link of the host; links that are not laneway's are in none."""
        found = self.state.links.get(LinkKey(HOST, link))
        return found.group if found else 0

    def is_local(self, address: bytes, link: str = "") -> bool:
        """Return whether an address is the host's, or with `link` the host's on that link."""
        if not link:
            return address in self._local or (len(address) == IPV4 and address[0] == 127)  # noqa: PLR2004
        return any(each.link == link and each.address.address == address for each in self.underlay.addresses)

    def is_broadcast(self, address: bytes) -> bool:
        """Return whether packets for an address are for everybody on a link of the host's."""
        return address in self._broadcast

    def is_anycast(self, address: bytes, link: str = "") -> bool:
        """Return whether an address is the IPv6 one of all routers of a subnet of the host's, or of one on that link.

        A host that forwards is one of them, and takes what is for that address (RFC 4291, 2.6.1).
        """
        links = self._anycast.get(address)
        return links is not None and (not link or link in links)

    def is_bridge(self, link: str) -> bool:
        """Return whether a link is a tenant's bridge."""
        return link in self._bridges

    def neighbour(self, bridge: str, address: bytes) -> str:
        """Return the netns of the workload that has an address on a bridge; none: an empty name."""
        return self._homes.get((bridge, address), "")

    def rules(self, family: int) -> list[FibRule]:
        """Return laneway's FIB rules in the order of their priorities."""
        return self._rules.get(family, [])

    def route(self, netns: str, table: int, to: bytes, *, link: str = "") -> OnWay | MainRoute | None:
        """Return a table's route for a destination, by `link` if given: the longest prefix, then the lowest metric."""
        routes = self._tables.get((netns, table, len(to)), ())
        return next((each for prefix, each in routes if holds(prefix, to) and link in ("", _link(each))), None)

    def chain(self, key: ChainKey) -> Chain:
        """Return a chain's rules; a chain that is not there has none."""
        return self.state.chains.get(key, ())

    def jumps(self, family: int, table: str, base: str) -> list[tuple[JumpKey, BaseJump]]:
        """Return the jumps to laneway's chains from a base chain."""
        return sorted(item for item in self.state.jumps.items() if item[0][:3] == (family, table, base))

    def entry(self, name: str, address: bytes, key: tuple[str, int, int], second: bytes = b"") -> Found | None:
        """Return the entry of a set that holds an element: interface, protocol and port are exact, prefixes are not.

        Of several the longest prefix counts: ipset tries the lengths from the longest on.
        """
        for entry, mark in self._sets.get(name, {}).get(key, ()):
            if holds(entry.net, address) and (entry.net2 is None or holds(entry.net2, second)):
                return Found(entry, mark)
        return None


def _link(way: OnWay | MainRoute) -> str:
    return way.route.dev if isinstance(way, OnWay) else way.dev


def _last(prefix: Prefix) -> bytes:
    below = (1 << (len(prefix.address) * 8 - prefix.length)) - 1
    return (int.from_bytes(prefix.address) | below).to_bytes(len(prefix.address))


def _first(prefix: Prefix) -> bytes:
    size = len(prefix.address)
    below = (1 << (size * 8 - prefix.length)) - 1
    return (int.from_bytes(prefix.address) & ~below).to_bytes(size)


def _has_anycast(prefix: Prefix) -> bool:
    return prefix.family == IPV6 and prefix.length <= SMALLEST_WITH_ANYCAST


def _has_broadcast(prefix: Prefix) -> bool:
    return prefix.family == IPV4 and prefix.length <= SMALLEST_WITH_BROADCAST


def _anycast(underlay: Underlay) -> dict[bytes, set[str]]:
    """Return the links on which the host is one of a subnet's routers, by the address of them all."""
    found: dict[bytes, set[str]] = {}
    # The kernel joins the address when it begins to forward, and leaves it when it ends (addrconf_join_anycast).
    if IPV6 in underlay.forwards:
        for each in underlay.addresses:
            if _has_anycast(each.address):
                found.setdefault(_first(each.address), set()).add(each.link)
    return found


def _by_set(state: HostState) -> dict[str, dict[tuple[str, int, int], list[Found]]]:
    found: dict[str, dict[tuple[str, int, int], list[Found]]] = {}
    for entry, mark in state.entries.items():
        key = (entry.iface, entry.protocol, entry.port)
        found.setdefault(entry.set, {}).setdefault(key, []).append(Found(entry, mark))
    for elements in found.values():
        for several in elements.values():
            several.sort(key=lambda each: (-each.entry.net.length, -(each.entry.net2.length if each.entry.net2 else 0)))
    return found


def _by_table(
    state: HostState, underlay: Underlay
) -> dict[tuple[str, int, int], list[tuple[Prefix, OnWay | MainRoute]]]:
    found: dict[tuple[str, int, int], list[tuple[int, int, Prefix, OnWay | MainRoute]]] = {}
    for key, route in state.routes.items():
        place = (key.netns, key.table, len(key.to.address))
        found.setdefault(place, []).append((-key.to.length, key.metric, key.to, OnWay(key, route)))
    for main in underlay.routes:
        place = (HOST, MAIN_TABLE, len(main.to.address))
        found.setdefault(place, []).append((-main.to.length, main.metric, main.to, main))
    return {
        place: [each[2:] for each in sorted(several, key=lambda each: each[:2])] for place, several in found.items()
    }


def _places(state: HostState) -> dict[str, Place]:
    return {
        link.peer.netns: Place(link.peer.netns, key, link.master)
        for key, link in state.links.items()
        if link.kind is LinkKind.VETH and link.peer is not None
    }
