"""Those who ask: each probe is a socket of its own, in the sender's network namespace."""

from __future__ import annotations

import errno
import json
import os
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from laneway.lab.reactor import READ, WRITE, Reactor
from laneway.lab.responders import FAMILY
from laneway.lab.syscalls import inside
from laneway.lab.wire import FORGED_PORT, GRE, ICMPV4, ICMPV6, datagram, echo, is_reply, payload

if TYPE_CHECKING:
    from laneway.lab.trial import Probe
    from laneway.policy.model import Address

IP_FREEBIND = 15
IPV6_FREEBIND = 78
IPV6_TCLASS = 67
AGAIN = (0.25, 0.6)
"""Seconds after which a datagram is sent once more: the first may fall to address resolution."""

FORGED = (0.05, 0.25)
"""Seconds after which a packet with a forged source is sent, twice for the same reason."""

DISCARD = 9

ONE_WAY = 0.5
"""Seconds for a packet that nobody answers to be seen, or not."""


class Desk(NamedTuple):
    """Where a probe is sent from."""

    netns: int  # a descriptor
    device: str = ""
    mark: int = 0


class Answer(NamedTuple):
    """What came back: an answer, or a refusal in words; neither: silence."""

    by: str = ""
    provider: str = ""
    source: Address | None = None
    refusal: str = ""


class Attempt:
    """One probe under way."""

    def __init__(self, reactor: Reactor, desk: Desk, *, probe: Probe, token: int, victim: int | None = None) -> None:
        """Keep what is to be sent, and from where; `victim` is the netns of the one whose address is forged."""
        self._reactor = reactor
        self._victim = victim
        self._desk = desk
        self.probe = probe
        self.token = token
        self.source_port = 0
        self.answer: Answer | None = None

    def start(self, patience: float) -> None:
        """Send the probe; after `patience` seconds no answer is expected any more."""
        try:
            sock = self._open()
        except OSError as error:
            self.answer = Answer(refusal=_reason(error.errno or 0))
            return
        self._sock = sock
        answered = self.probe.protocol in {"tcp", "udp", "icmp"} and not self.probe.spoofed
        self._reactor.after(patience if answered else min(patience, ONE_WAY), lambda: self._finish(Answer()))
        try:
            self._send(sock)
        except OSError as error:
            self._finish(Answer(refusal=_reason(error.errno or 0)))

    def _finish(self, answer: Answer) -> None:
        if self.answer is None:
            self.answer = answer
            self._reactor.drop(self._sock)

    def _open(self) -> socket.socket:
        probe = self.probe
        family = FAMILY[probe.family]
        if probe.spoofed:
            kind, protocol = socket.SOCK_RAW, socket.IPPROTO_RAW
        elif probe.protocol in {"tcp", "udp"}:
            kind, protocol = (socket.SOCK_STREAM if probe.protocol == "tcp" else socket.SOCK_DGRAM), 0
        else:
            number = (ICMPV4 if probe.family == 4 else ICMPV6) if probe.protocol == "icmp" else int(probe.protocol)  # noqa: PLR2004
            kind, protocol = socket.SOCK_RAW, number
        with inside(self._desk.netns):
            sock = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
        try:
            self._prepare(sock)
        except OSError:
            sock.close()
            raise
        return sock

    def _prepare(self, sock: socket.socket) -> None:
        six = sock.family == socket.AF_INET6
        if self._desk.device:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._desk.device.encode())
            # Everybody's address is this machine's own, but in IPv6 it must be told to believe so.
            sock.setsockopt(*((socket.IPPROTO_IPV6, IPV6_FREEBIND) if six else (socket.IPPROTO_IP, IP_FREEBIND)), 1)
        if self._desk.mark:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, self._desk.mark)
        if self.probe.dscp:
            option = (socket.IPPROTO_IPV6, IPV6_TCLASS) if six else (socket.IPPROTO_IP, socket.IP_TOS)
            sock.setsockopt(*option, self.probe.dscp << 2)
        if self.probe.source is not None and not self.probe.spoofed:
            sock.bind((str(self.probe.source), 0))

    def _send(self, sock: socket.socket) -> None:
        probe = self.probe
        to = (str(probe.to), probe.port)
        if probe.spoofed and probe.source is not None:
            self._forge(sock, datagram(probe.source, probe.to, probe.port, payload(self.token)))
        elif probe.protocol == "tcp":
            code = sock.connect_ex(to)
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, os.strerror(code))
            self.source_port = sock.getsockname()[1]
            self._reactor.watch(sock, WRITE, self._connected)
        else:
            sock.connect(to if probe.protocol == "udp" else (to[0], 0))
            self._reactor.watch(sock, READ, self._readable)
            self._say()
            for delay in AGAIN:
                self._reactor.after(delay, self._say)

    def _forge(self, sock: socket.socket, packet: bytes) -> None:
        """Send a packet with a source that is not the sender's."""

        def send() -> None:
            if self.answer is None:
                try:
                    sock.sendto(packet, (str(self.probe.to), 0))
                except OSError as error:
                    self._finish(Answer(refusal=_reason(error.errno or 0)))

        # IPv6 does not look for a neighbour on behalf of an address that is not its own, while its link-local one is
        # not ready: an honest packet without a token goes before, and finds it.
        with inside(self._desk.netns), socket.socket(sock.family, socket.SOCK_DGRAM) as honest:
            honest.sendto(b"\n", (str(self.probe.to), DISCARD))
        self._open_flow()
        for delay in FORGED:
            self._reactor.after(delay, send)

    def _open_flow(self) -> None:
        """Have the one whose address is forged send the same packet: a forged one must not pass as part of its flow."""
        if self._victim is not None:
            with inside(self._victim), socket.socket(self._sock.family, socket.SOCK_DGRAM) as true:
                true.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                true.bind((str(self.probe.source), FORGED_PORT))
                true.sendto(b"\n", (str(self.probe.to), self.probe.port))

    def _say(self) -> None:
        if self.answer is not None:
            return
        data = payload(self.token)
        if self.probe.protocol == "icmp":
            data = echo(self.probe.family, self.token & 0xFFFF, data)
        elif self.probe.protocol == str(GRE):
            data = bytes(4) + data  # a header that connection tracking finds nothing wrong with (RFC 2784)
        try:
            self._sock.send(data)
        except OSError as error:
            self._finish(Answer(refusal=_reason(error.errno or 0)))

    def _connected(self) -> None:
        code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._finish(Answer(refusal=_reason(code)))
            return
        self._reactor.watch(self._sock, READ, self._readable)
        self._say()

    def _readable(self) -> None:
        try:
            data = self._sock.recv(4096)
        except BlockingIOError:
            return
        except OSError as error:
            self._finish(Answer(refusal=_reason(error.errno or 0)))
            return
        if self.probe.protocol == "icmp":
            if is_reply(self.probe.family, data, self.token):
                self._finish(Answer(by="echo"))
        elif self.probe.protocol in {"tcp", "udp"}:
            self._finish(_read(data))


def _read(data: bytes) -> Answer:
    try:
        said = json.loads(data)
        return Answer(said["by"], said.get("provider", ""), ip_address(said["source"]))
    except (ValueError, KeyError, TypeError):
        return Answer(by="a stranger" if data else "", refusal="" if data else "closed without an answer")


def _reason(code: int) -> str:
    return f"{errno.errorcode.get(code, code)}: {os.strerror(code)}"
