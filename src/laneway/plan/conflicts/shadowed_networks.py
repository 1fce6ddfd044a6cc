"""Whom a tenant's new subnet would cut off from this host: its neighbours on other links, and the operator."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from laneway.compile.names import src_set
from laneway.plan.conflicts.collision import Collision
from laneway.state.links import HOST, LinkKey
from laneway.state.prefix import FAMILIES, Prefix, address_text, is_link_local

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from laneway.state.facts import Foreign
    from laneway.state.host import HostState
    from laneway.state.sessions import Session

_OTHER = "give the tenant another subnet"
_SOURCES = frozenset(map(src_set, FAMILIES))


class _Home(NamedTuple):
    """A tenant's subnet, from its first to its last address."""

    family: int
    first: bytes
    last: bytes
    length: int
    tenant: str

    def __str__(self) -> str:
        return f"{address_text(self.first)}/{self.length} of tenant {self.tenant}"


def nobody() -> tuple[Session, ...]:
    """Return that nobody is logged in."""
    return ()


def shadowed_networks(
    desired: HostState, observed: HostState, foreign: Foreign, sessions: Callable[[], Sequence[Session]] = nobody
) -> Iterator[Collision]:
    """Yield the networks of others that a subnet which is new here would take from them, and who logged in from one.

    What leads further, as the default route does, leads everywhere else as before. A subnet that is here already takes
    nothing from anybody with the next change. The `sessions` are asked for only when there is something new.
    """
    homes = _new_homes(desired, observed)
    if not homes:
        return
    named = set()
    for link, address in sorted(foreign.addresses):
        home = _met(homes, address)
        if home is not None:
            named.add((link, home))
            yield Collision(
                "network-in-use",
                f"link {link} has the address {address}, whose network overlaps {home}",
                f"{_OTHER}; or, where nobody needs that address: ip addr del {address} dev {link}",
            )
    for way in foreign.ways:
        home = _met(homes, way.to)
        if home is not None and home.length <= way.to.length and (way.link, home) not in named:
            yield Collision(
                "route-in-use",
                f"table main leads to a part of {home} by link {way.link}: {way.text}",
                f"{_OTHER}; or, where nobody needs that route: ip route del {way.to} dev {way.link}",
            )
    yield from _logins(homes, foreign, sessions())


def _logins(homes: Sequence[_Home], foreign: Foreign, sessions: Iterable[Session]) -> Iterator[Collision]:
    # A name of another host or of another network namespace says nothing of this one.
    here = {address.address for _, address in foreign.addresses}
    told = set()
    for session in sessions:
        home = _met(homes, session.client)
        if home is not None and session.server.address in here and session.client not in told:
            told.add(session.client)
            who, which = ("you are", "this") if session.own else ("somebody is", "that")
            where = address_text(session.client.address)
            what = f"{who} logged in from {where}, which would be in {home}: {which} session would be lost"
            yield Collision("session-lost", what, f"{_OTHER}, or log in from elsewhere")


def _new_homes(desired: HostState, observed: HostState) -> list[_Home]:
    """Return the subnets, and the prefixes behind workloads, that are not on the host yet."""
    new = desired.addresses.keys() - observed.addresses.keys()
    found = {(key.link, key.address) for key in new if key.netns == HOST and not is_link_local(key.address)}
    # Where somebody flushed the set, the routes say it.
    there = {(route.dev, key.to) for key, route in observed.routes.items()}
    coming = desired.entries.keys() - observed.entries.keys()
    found |= {(entry.iface, entry.net) for entry in coming if entry.set in _SOURCES} - there
    return _outermost({_home(desired.links[LinkKey(HOST, bridge)].alias, network) for bridge, network in found})


def _outermost(homes: Iterable[_Home]) -> list[_Home]:
    """Return the homes in their order but for those inside another: routes of one tenant may lie inside each other."""
    found: list[_Home] = []
    for home in sorted(homes, key=lambda each: (each.family, each.first, each.length)):
        if not found or found[-1].family != home.family or found[-1].last < home.first:
            found.append(home)
    return found


def _home(alias: str, network: Prefix) -> _Home:
    return _Home(network.family, *_ends(network), network.length, alias.rpartition("tenant=")[2])


def _ends(network: Prefix) -> tuple[bytes, bytes]:
    """Return the first and the last address of the network that an address is in."""
    size = len(network.address)
    below = (1 << (size * 8 - network.length)) - 1
    first = int.from_bytes(network.address) & ~below
    return first.to_bytes(size), (first | below).to_bytes(size)


def _met(homes: Sequence[_Home], network: Prefix) -> _Home | None:
    """Return the last of the homes, no two of which overlap, that overlaps a network."""
    first, last = _ends(network)
    place = bisect_right(homes, (network.family, last, b"\xff" * 17))
    home = homes[place - 1] if place else None
    return home if home and home.family == network.family and home.last >= first else None
