"""Those who answer: everybody on the internet, the workloads, and the host; and those who watch the providers' wires.

An answer is one line of JSON that says who gives it and which source address it saw. A question that looks like HTTP
gets it as an HTTP response, so that curl serves in the lab's shell.
"""

from __future__ import annotations

import json
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from laneway.lab.reactor import READ, Reactor
from laneway.lab.syscalls import inside
from laneway.lab.wire import Seen, address_pair, parse, token_of

if TYPE_CHECKING:
    from collections.abc import Callable

IP_PKTINFO = 8
IPV6_RECVPKTINFO = 49
IPV6_PKTINFO = 50
ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD
PATIENCE = 5.0
"""Seconds that a caller who says nothing is kept."""

FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
HTTP = (b"GET ", b"HEAD ", b"POST ", b"PUT ")
HTTP_HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"


class Place(NamedTuple):
    """Where somebody listens, and as whom."""

    netns: int  # a descriptor
    by: str  # "internet", "host" or "tenant/workload"
    provider: str = ""  # of the internet: whose customers it listens to
    device: str = ""  # listen on this link alone
    mark: int = 0  # the mark of its own packets


class Arrival(NamedTuple):
    """A datagram that reached somebody who listens."""

    token: int
    by: str


class Responders:
    """Listens and watches on behalf of a loop, and remembers what came."""

    def __init__(self, reactor: Reactor) -> None:
        """Keep the loop."""
        self._reactor = reactor
        self.arrivals: list[Arrival] = []
        self.seen: list[tuple[str, Seen]] = []  # by uplink

    def listen(self, place: Place, protocol: str, port: int) -> list[socket.socket]:
        """Answer at a port in both families; a port somebody else has is left to them."""
        opened = []
        for family in FAMILY.values():
            kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
            with inside(place.netns):
                try:
                    sock = socket.socket(family, kind | socket.SOCK_NONBLOCK)
                except OSError:  # a kernel without IPv6
                    continue
            try:
                self._open(sock, place, port)
            except OSError:
                sock.close()
                continue
            opened.append(sock)
        return opened

    def _open(self, sock: socket.socket, place: Place, port: int) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if place.device:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, place.device.encode())
        if place.mark:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, place.mark)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(("", port))
        if sock.type == socket.SOCK_STREAM:
            sock.listen(512)
            self._reactor.watch(sock, READ, lambda: self._accept(sock, place))
        else:
            self._ask_for_destination(sock)
            self._reactor.watch(sock, READ, lambda: self._datagram(sock, place))

    def _ask_for_destination(self, sock: socket.socket) -> None:
        # A reply must come from the address that was asked, which a wildcard socket would not remember.
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)

    def _accept(self, listener: socket.socket, place: Place) -> None:
        with suppress(BlockingIOError, ConnectionError):
            while True:
                caller, peer = listener.accept()
                caller.setblocking(False)  # noqa: FBT003  its own name for it
                self._reactor.watch(caller, READ, self._serve(caller, peer, place))
                self._reactor.after(PATIENCE, lambda caller=caller: self._reactor.drop(caller))  # type: ignore[misc]

    def _serve(self, caller: socket.socket, peer: tuple[object, ...], place: Place) -> Callable[[], None]:
        def serve() -> None:
            with suppress(OSError):
                question = caller.recv(4096)
                head = HTTP_HEAD if question.startswith(HTTP) else b""
                if question:
                    caller.send(head + answer(place, peer))
            self._reactor.drop(caller)

        return serve

    def _datagram(self, sock: socket.socket, place: Place) -> None:
        with suppress(BlockingIOError):
            while True:
                try:
                    question, extra, _, peer = sock.recvmsg(2048, 256)
                except ConnectionError:  # the ICMP error that an earlier answer met
                    continue
                self.arrivals.append(Arrival(token_of(question), place.by))
                if not question.startswith(b"{"):  # two who answer answers would never end
                    with suppress(OSError):
                        sock.sendmsg([answer(place, peer)], _from_same(extra), 0, peer)

    def tap(self, netns: int, uplink: str, link: str) -> None:
        """Watch what arrives at a provider by its end of an uplink, before the provider judges it."""
        for protocol in (ETH_P_IP, ETH_P_IPV6):
            with inside(netns):
                # Created for no protocol, or it would take packets of every link before it is bound to one.
                sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, 0)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
                sock.bind((link, protocol))
            self._reactor.watch(sock, READ, lambda sock=sock: self._look(sock, uplink))  # type: ignore[misc]

    def _look(self, sock: socket.socket, uplink: str) -> None:
        with suppress(BlockingIOError):
            while True:
                packet = parse(sock.recv(2048))
                if packet is not None:
                    self.seen.append((uplink, packet))


def answer(place: Place, peer: tuple[object, ...]) -> bytes:
    """Return what somebody answers to `peer`."""
    source, port = address_pair(peer)
    provider = {"provider": place.provider} if place.provider else {}
    return json.dumps({"by": place.by, **provider, "source": str(source), "port": port}).encode() + b"\n"


def _from_same(extra: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """Return the control message that sends an answer from the address its question was for (ip(7), RFC 3542)."""
    for level, kind, data in extra:
        if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
            _, _, to = struct.unpack("I4s4s", data[:12])
            return [(level, kind, struct.pack("I4s4s", 0, to, bytes(4)))]
        if (level, kind) == (socket.IPPROTO_IPV6, IPV6_PKTINFO):
            return [(level, kind, data[:16] + struct.pack("I", 0))]
    return []
