"""A workload that sends from the moment its network namespace is there, and what leaves the host meanwhile."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from integration.hitless.flood import PAUSE, TARGETS
from laneway.state.prefix import address_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.lab.run import Lab

_ETH_P_ALL = 0x0003
_OUTGOING = 4  # PACKET_OUTGOING of packet(7)
_SO_RCVBUFFORCE = 33
_ROOM = 32 << 20  # bytes
_UDP = 17
_HEADERS = {4: (20, 9, slice(12, 16)), 6: (40, 6, slice(8, 24))}  # length, place of the protocol, the source


def send_from_the_first_moment(lab: Lab, netns: str, port: int) -> None:
    """Let a process wait for the namespace, enter it and send to `port` of the internet until the lab ends.

    Every other packet begins a flow.
    """
    lab.sandbox.spawn(lambda: _early_bird(netns, port))


def _early_bird(netns: str, port: int) -> None:
    from laneway.lab.syscalls import NEW_NET, setns
    from laneway.lab.world import open_netns

    while True:
        with suppress(OSError):  # not there, or not mounted yet
            setns(open_netns(netns), NEW_NET)
            break
        time.sleep(PAUSE)
    kinds = {4: socket.AF_INET, 6: socket.AF_INET6}
    known = {family: socket.socket(kind, socket.SOCK_DGRAM) for family, kind in kinds.items()}
    while True:
        for family, kind in kinds.items():
            with socket.socket(kind, socket.SOCK_DGRAM) as new:
                for sender in (known[family], new):
                    with suppress(OSError):  # no way out yet, or a refusal
                        sender.sendto(b"early", (TARGETS[family], port))
        time.sleep(PAUSE)


class Tap:
    """Hears what leaves by an interface of the calling process's network namespace."""

    def __init__(self, interface: str) -> None:
        """Begin to listen."""
        # Of protocol 0 until it is bound: it would hear every interface until then (packet(7)).
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM)
        self._socket.bind((interface, _ETH_P_ALL))

    def sources(self, port: int) -> set[str]:
        """Return who sent to this UDP port."""
        return {address_text(source) for source, to in self._heard() if to == port}

    def _heard(self) -> Iterator[tuple[bytes, int]]:
        """Yield source and port of what went out as UDP."""
        with suppress(BlockingIOError):
            while True:
                packet, (_, _, kind, _, _) = self._socket.recvfrom(2048, socket.MSG_DONTWAIT)
                length, place, source = _HEADERS.get(packet[0] >> 4, (0, 0, slice(0)))
                if kind == _OUTGOING and length and len(packet) >= length + 4 and packet[place] == _UDP:
                    yield bytes(packet[source]), int.from_bytes(packet[length + 2 : length + 4])
