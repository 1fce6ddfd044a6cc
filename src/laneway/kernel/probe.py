"""One packet sent from inside a workload, and what came of it."""

from __future__ import annotations

import errno
import os
import socket
import threading
from struct import pack
from typing import NamedTuple

from laneway.kernel.flows import NewFlows
from laneway.kernel.netns import RUN
from laneway.kernel.reasons import refused
from laneway.kernel.syscalls import enter_netns
from laneway.state.prefix import IPV4, address_text, family_of

TCP, UDP = 6, 17
ICMP = {4: 1, 6: 58}
_ECHO = {4: 8, 6: 128}
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_DELIVERED = frozenset({errno.ECONNREFUSED, errno.ECONNRESET})  # somebody was there to say no
_TRIES = 2


class Sent(NamedTuple):
    """What came of a packet."""

    answered: bool  # by whoever it was for, be it with a refusal
    refusal: str  # what the sender was told by somebody on the way, in words
    mark: int | None  # of the flow that the host keeps of it; None: the host did not let it out


def send(netns: str, to: bytes, protocol: int, port: int, *, patience: float = 1.0) -> Sent:
    """Send a packet from inside `netns` and wait up to `patience` seconds, twice, for an answer; raises HostRefused."""
    outcome: list[tuple[bool, str, bytes, int] | OSError] = []

    def body() -> None:
        try:
            enter_netns(f"{RUN}/{netns}")
            outcome.append(_ask(to, protocol, port, patience))
        except OSError as error:
            outcome.append(error)

    thread = threading.Thread(target=body, name="laneway-probe")
    with NewFlows() as listener:
        thread.start()
        thread.join()
        begun = listener.heard()
    if isinstance(outcome[0], OSError):
        raise refused(f"cannot send from network namespace {netns}", outcome[0]) from outcome[0]
    answered, refusal, source, source_port = outcome[0]
    known = [
        flow
        for flow in begun
        if (flow.source, flow.to, flow.protocol, flow.source_port) == (source, to, protocol, source_port)
    ]
    return Sent(answered, refusal, known[-1].mark if known else None)


def _ask(to: bytes, protocol: int, port: int, patience: float) -> tuple[bool, str, bytes, int]:
    """Return whether an answer came, the refusal if there was one, and source address and port."""
    family = family_of(to)
    kind = {TCP: socket.SOCK_STREAM, UDP: socket.SOCK_DGRAM}.get(protocol, socket.SOCK_RAW)
    with socket.socket(_FAMILIES[family], kind, 0 if kind != socket.SOCK_RAW else protocol) as sock:
        sock.settimeout(patience)
        try:
            if kind == socket.SOCK_STREAM:
                sock.settimeout(patience * _TRIES)
                sock.connect((address_text(to), port))
            else:
                sock.connect((address_text(to), port if kind == socket.SOCK_DGRAM else 0))
                _exchange(sock, b"laneway\n" if kind == socket.SOCK_DGRAM else _echo(family))
        except TimeoutError:
            return (False, "", *_name(sock, protocol))
        except OSError as error:
            words = os.strerror(error.errno or 0)
            return (error.errno in _DELIVERED, "" if error.errno in _DELIVERED else words, *_name(sock, protocol))
        return (True, "", *_name(sock, protocol))


def _exchange(sock: socket.socket, data: bytes) -> None:
    """Send until something comes back; the first packet may fall to address resolution."""
    for left in range(_TRIES, 0, -1):
        sock.send(data)
        try:
            while not _is_answer(sock, sock.recv(4096)):
                pass
        except TimeoutError:
            if left == 1:
                raise
        else:
            return


def _is_answer(sock: socket.socket, data: bytes) -> bool:
    if sock.type != socket.SOCK_RAW:
        return True
    # A raw socket of IPv4 is given the IP header too.
    six = sock.family == socket.AF_INET6
    body = data if six else data[(data[0] & 15) * 4 :]
    return body[:1] == (b"\x81" if six else b"\0") and body[4:6] == _identity()


def _identity() -> bytes:
    return pack(">H", os.getpid() & 0xFFFF)


def _echo(family: int) -> bytes:
    """Return an echo request (RFC 792, RFC 4443); the kernel fills in the checksum in IPv6."""
    rest = _identity() + pack(">H", 1)
    if family != IPV4:
        return bytes((_ECHO[family], 0, 0, 0)) + rest
    total = (_ECHO[family] << 8) + sum(int.from_bytes(rest[at : at + 2]) for at in (0, 2))
    total = (total & 0xFFFF) + (total >> 16)
    return bytes((_ECHO[family], 0)) + pack(">H", ~total & 0xFFFF) + rest


def _name(sock: socket.socket, protocol: int) -> tuple[bytes, int]:
    address, port, *_ = sock.getsockname()
    return socket.inet_pton(sock.family, address), port if protocol in {TCP, UDP} else 0
