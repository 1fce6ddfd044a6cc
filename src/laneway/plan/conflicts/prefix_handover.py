"""A prefix does not pass from one tenant to another in one apply."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.compile.names import src_set
from laneway.lanes.rebuild import resident_tenants
from laneway.plan.conflicts.collision import Collision
from laneway.state.prefix import FAMILIES, ByPrefix

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from laneway.state.host import HostState
    from laneway.state.prefix import Prefix

_WAY_ROUND = "take it away in one apply, and give it to the other in the next; a tenant that is renamed is another"
_HOMES = frozenset(map(src_set, FAMILIES))


class _Home(NamedTuple):
    """Where a prefix is at home; a tenant has one bridge."""

    prefix: Prefix
    bridge: str


def prefix_handovers(observed: HostState, desired: HostState) -> Iterator[Collision]:
    """Yield the addresses that are a tenant's on the host and would be another's.

    The flows that conntrack knows of them keep their lane and their translation until the change is done, and what the
    one that has them next, or others for it, send of the same ports meanwhile would be part of those.
    """
    before, after = _homes(observed), _homes(desired)
    coming = after - before
    passed_on = sorted(pair for pair in {*_around(coming, before), *_inside(coming, before)} if _differ(*pair))
    for old, new in passed_on:
        was, will_be = (_named(resident_tenants(state), each) for state, each in ((observed, old), (desired, new)))
        also = "" if old.prefix == new.prefix else f"{new.prefix}, which overlaps it, "
        what = f"{old.prefix} is {was} on this host, and {also}would be {will_be}"
        yield Collision("prefix-handover", what, _WAY_ROUND)


def _homes(state: HostState) -> set[_Home]:
    """Return what the set says, and where it was flushed the routes."""
    homes = {_Home(entry.net, entry.iface) for entry in state.entries if entry.set in _HOMES}
    bridges = resident_tenants(state)
    return homes | {_Home(key.to, route.dev) for key, route in state.routes.items() if route.dev in bridges}


def _around(homes: set[_Home], others: set[_Home]) -> Iterator[tuple[_Home, _Home]]:
    """Yield the others whose prefix has the first address of one of the homes, and that home."""
    known = _by_prefix(others)
    return ((other, home) for home in homes for found in known.around(home.prefix.address) for other in found)


def _inside(homes: set[_Home], others: set[_Home]) -> Iterator[tuple[_Home, _Home]]:
    """Yield the others whose first address a home has, and that home."""
    known = _by_prefix(homes)
    return ((other, home) for other in others for found in known.around(other.prefix.address) for home in found)


def _by_prefix(homes: set[_Home]) -> ByPrefix[list[_Home]]:
    found: dict[Prefix, list[_Home]] = {}
    for home in homes:
        found.setdefault(home.prefix, []).append(home)
    return ByPrefix(found.items())


def _differ(one: _Home, other: _Home) -> bool:
    return one.bridge != other.bridge


def _named(tenants: Mapping[str, str], home: _Home) -> str:
    return f"tenant {tenants[home.bridge]}'s" if home.bridge in tenants else f"bridge {home.bridge}'s"
