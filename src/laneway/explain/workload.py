"""The beginning of a workload's packet: its own network namespace, and the bridge it is a port of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.explain.hop import OnWay, Trail, Verdict
from laneway.explain.reach import itself, stays_in_netns
from laneway.explain.terrain import holds
from laneway.explain.translation import own_address6
from laneway.state.links import HOST, AddressKey, LinkKey
from laneway.state.prefix import IPV4, address_text
from laneway.state.routing import MAIN_TABLE, RouteKind
from laneway.state.underlay import HostAddress

if TYPE_CHECKING:
    from laneway.explain.packet import Skb
    from laneway.explain.terrain import Place, Terrain


class Departure(NamedTuple):
    """Where a workload's packet goes: to the host, to a neighbour on its bridge, or nowhere."""

    verdict: Verdict | None  # the way ends here
    bridge: str = ""
    to_netns: str = ""  # empty: to the host


def leave(terrain: Terrain, skb: Skb, netns: str, trail: Trail) -> Departure:
    """Take a packet out of a workload, with the source that its network chooses unless it has one."""
    place = terrain.places.get(netns)
    if place is None:
        trail.add("workload", f"there is no {netns} on this host")
        return Departure(Verdict.REFUSED)
    addresses = [key for key in terrain.state.addresses if key.netns == netns]
    nexthop = _nexthop(terrain, skb.to, addresses, netns)
    if stays_in_netns(skb.to) or any(key.address.address == skb.to for key in addresses):
        skb.source = skb.source or itself(skb.to)
        trail.add("workload", f"{netns} sends it to itself")
        return Departure(Verdict.DELIVERED)
    if nexthop is None:
        trail.add("workload", f"{netns} has no route to {address_text(skb.to)}")
        return Departure(Verdict.REFUSED)
    if not skb.source and not _choose_source(skb, addresses, nexthop):
        trail.add("workload", f"{netns} has no IPv{skb.family} address")
        return Departure(Verdict.REFUSED)
    return _onto_bridge(terrain, skb, place, nexthop, trail)


def _nexthop(terrain: Terrain, to: bytes, addresses: list[AddressKey], netns: str) -> bytes | None:
    """Return who on the link gets a packet for `to`: itself, or a gateway."""
    if any(holds(key.address, to) for key in addresses):
        return to
    found = terrain.route(netns, MAIN_TABLE, to)
    if not isinstance(found, OnWay) or found.route.kind is not RouteKind.UNICAST:
        return None
    return found.route.via or to


def _choose_source(skb: Skb, addresses: list[AddressKey], nexthop: bytes) -> bool:
    own = [key.address for key in addresses if key.address.family == skb.family]
    if not own:
        return False
    if skb.family == IPV4:
        skb.source = next((each for each in own if holds(each, nexthop)), own[0]).address
        return True
    # The kernel tries the address that was added last first.
    own.reverse()
    skb.source = own_address6(tuple(HostAddress("", each) for each in own), link="", to=skb.to) or own[0].address
    return True


def _onto_bridge(terrain: Terrain, skb: Skb, place: Place, nexthop: bytes, trail: Trail) -> Departure:
    down = _down(terrain, place)
    if down is not None:
        trail.add("workload", f"link {down.name} is down", down)
        return Departure(Verdict.REFUSED if down.netns else Verdict.DROPPED)
    trail.add("workload", f"{place.netns} sends it as {address_text(skb.source)}", place.port)
    if terrain.is_local(nexthop, place.bridge) or terrain.is_anycast(nexthop, place.bridge):
        return Departure(None, place.bridge)
    neighbour = terrain.neighbour(place.bridge, nexthop)
    if not neighbour:
        trail.add("bridge", f"nobody on {place.bridge} has {address_text(nexthop)}", LinkKey(HOST, place.bridge))
        return Departure(Verdict.DROPPED)
    if _kept_apart(terrain, place, neighbour):
        trail.add("bridge", f"does not reach {neighbour}: the workloads are isolated from each other", place.port)
        return Departure(Verdict.DROPPED)
    trail.add("bridge", f"reaches {neighbour} without the host's routing", LinkKey(HOST, place.bridge))
    return Departure(None, place.bridge, neighbour)


def _kept_apart(terrain: Terrain, place: Place, neighbour: str) -> bool:
    """Return whether both are isolated ports of their bridge (br_skb_isolated)."""
    links = terrain.state.links
    other = terrain.places.get(neighbour)
    return links[place.port].isolated and other is not None and links[other.port].isolated


def _down(terrain: Terrain, place: Place) -> LinkKey | None:
    peer = terrain.state.links[place.port].peer
    links = [*([peer] if peer else []), place.port, LinkKey(HOST, place.bridge)]
    return next((key for key in links if key in terrain.state.links and not terrain.state.links[key].up), None)
