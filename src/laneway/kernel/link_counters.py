"""What the kernel counts of links in any case, asked by netlink (linux/if_link.h)."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from laneway.kernel.link_messages import RTM_GETLINK
from laneway.kernel.netlink import NetlinkSocket, chosen, string

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINK = Struct("=BxHiII")
_STATS = Struct("=4Q")
_IFNAME, _STATS64, _CARRIER = 3, 23, 33
_WANTED = frozenset((_IFNAME, _STATS64, _CARRIER))
_IFF_UP = 1


class LinkCounters(NamedTuple):
    """A link's state and what it has counted since it was made."""

    up: bool
    carrier: bool
    received: tuple[int, int]  # packets, bytes
    sent: tuple[int, int]


def link_counters() -> dict[str, LinkCounters]:
    """Return every link of this network namespace by its name; raises HostRefused."""
    with NetlinkSocket() as kernel:
        return dict(_counters(kernel.dump(RTM_GETLINK, _LINK.pack(0, 0, 0, 0, 0))))


def _counters(bodies: list[bytes]) -> Iterator[tuple[str, LinkCounters]]:
    for body in bodies:
        flags = _LINK.unpack_from(body)[3]
        found = chosen(body, _LINK.size, _WANTED)
        packets_in, packets_out, bytes_in, bytes_out = _STATS.unpack_from(found.get(_STATS64, bytes(_STATS.size)))
        yield (
            string(found.get(_IFNAME, b"")),
            LinkCounters(
                bool(flags & _IFF_UP),
                found.get(_CARRIER) == b"\x01",
                (packets_in, bytes_in),
                (packets_out, bytes_out),
            ),
        )
