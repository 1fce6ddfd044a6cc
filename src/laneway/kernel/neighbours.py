"""Whether who is next on a link answers: the kernel's own table of neighbours (ip-neighbour(8), linux/neighbour.h)."""

from __future__ import annotations

import time
from struct import Struct
from typing import TYPE_CHECKING

from laneway.kernel.netlink import NLM_F_CREATE, NetlinkSocket, Request, attribute, attributes
from laneway.kernel.route_messages import AF
from laneway.state.prefix import family_of

if TYPE_CHECKING:
    from collections.abc import Iterable

RTM_NEWNEIGH = 28
RTM_GETNEIGH = 30

_NEIGHBOUR = Struct("=BxxxiHBB")  # family, link index, state, flags, type
_NDA_DST = 1
_NTF_USE = 0x01
_NUD_INCOMPLETE = 0x01
_NUD_FAILED = 0x20

A_MOMENT = 0.3
"""Seconds in which a neighbour that is there has answered: who is asked at this instant is not silent."""

Wanted = tuple[str, bytes]


def silent(wanted: Iterable[Wanted], *, ask: bool = False) -> frozenset[Wanted]:
    """Return which of these addresses, each on a link, do not answer for themselves (ARP, neighbour discovery).

    Raises HostRefused. With `ask` the kernel is told to look for those it knows nothing good of, else nothing is sent:
    who was never asked for is not silent.
    """
    with NetlinkSocket() as kernel:
        places = {(kernel.link_index(link), address): (link, address) for link, address in wanted}
        places = {place: one for place, one in places.items() if place[0]}
        if ask and places:
            unknown = places.keys() - _states(kernel).keys() | _bad(kernel, places.keys())
            # One that cannot be asked for is told of by what the kernel knows of it.
            kernel.send([_use(index, address) for index, address in sorted(unknown)])
        deadline = time.monotonic() + (1.5 if ask else A_MOMENT)
        while (bad := _bad(kernel, places.keys())) and time.monotonic() < deadline:
            time.sleep(0.05)
        return frozenset(places[place] for place in bad)


def _bad(kernel: NetlinkSocket, places: Iterable[tuple[int, bytes]]) -> set[tuple[int, bytes]]:
    states = _states(kernel)
    return {place for place in places if states.get(place, 0) & (_NUD_INCOMPLETE | _NUD_FAILED)}


def _states(kernel: NetlinkSocket) -> dict[tuple[int, bytes], int]:
    found = {}
    for body in kernel.dump(RTM_GETNEIGH, _NEIGHBOUR.pack(0, 0, 0, 0, 0)):
        _, index, state, _, _ = _NEIGHBOUR.unpack_from(body)
        address = attributes(body, _NEIGHBOUR.size).get(_NDA_DST, b"")
        found[index, address] = state
    return found


def _use(index: int, address: bytes) -> Request:
    """Return what has the kernel look for a neighbour, as it does when it has a packet for it (neigh_event_send)."""
    header = _NEIGHBOUR.pack(AF[family_of(address)], index, 0, _NTF_USE, 0)
    return Request(RTM_NEWNEIGH, NLM_F_CREATE, header + attribute(_NDA_DST, address))
