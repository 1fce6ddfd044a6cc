"""Netlink sockets for what a host holds by the ten thousand (netlink(7), rtnetlink(7)).

A flight is many messages in one sendmsg. The kernel answers every message that fails, and the last of a flight
answers in any case, so one acknowledgement covers a thousand successes and no failure goes unseen.
"""

from __future__ import annotations

import errno
import socket
import sys
import time
from contextlib import suppress
from fcntl import ioctl
from struct import Struct, pack
from typing import TYPE_CHECKING, NamedTuple, Self

from laneway.errors import HostRefused
from laneway.kernel.reasons import refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_DUMP_INTR = 0x10
NLM_F_REPLACE = 0x100
NLM_F_EXCL = 0x200
NLM_F_DUMP = 0x300
NLM_F_CREATE = 0x400
NLM_F_APPEND = 0x800

CREATE = NLM_F_CREATE | NLM_F_EXCL
"""Flags of a request that fails when the object is there already."""

NETFILTER = 12

_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_NLM_F_ACK_TLVS = 0x200
_NLMSGERR_ATTR_MSG = 1
_SOL_NETLINK = 270
_NETLINK_CAP_ACK = 10
_NETLINK_EXT_ACK = 11
_NETLINK_GET_STRICT_CHK = 12
_SO_SNDBUFFORCE = 32
_SO_RCVBUFFORCE = 33
_SIOCGIFINDEX = 0x8933

_BUFFER = 8 << 20  # bytes; a flight's worth of refusals must fit
_FLIGHT_MESSAGES = 1000
_FLIGHT_BYTES = 96 << 10  # below the send buffer that an unprivileged user gets
_RECEIVE = 64 << 10  # bytes; the kernel fills dumps up to 32 KiB when it sees that so much is read
_TIMEOUT = 60  # seconds
_DUMP_PAUSES = (0.0,) * 5 + (0.05,) * 5 + (1.0,) * 15
"""Seconds before each further try of a dump: thousands of new links get their link-local addresses for seconds."""

_FEW_TRIES = 3

HEADER = Struct("=IHHII")
_ERRNO = Struct("=i")
_ATTRIBUTE = Struct("=HH")
_U32 = Struct("=HHI")
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")
_TYPE_MASK = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER
_NESTED = 0x8000


class Request(NamedTuple):
    """A message to the kernel, without its header."""

    type: int
    flags: int
    body: bytes


class Refusal(NamedTuple):
    """The kernel's no to one request of many."""

    place: int  # of the request among those sent
    errno: int
    text: str  # the extended acknowledgement, where the kernel gave one


def attribute(kind: int, payload: bytes) -> bytes:
    """Return a netlink attribute with its padding."""
    length = 4 + len(payload)
    return _ATTRIBUTE.pack(length, kind) + payload + _PADDING[length & 3]


def u32(kind: int, value: int) -> bytes:
    """Return an attribute that holds one 32-bit number in the host's byte order."""
    return _U32.pack(8, kind, value)


def text(kind: int, value: str) -> bytes:
    """Return an attribute that holds a string."""
    return attribute(kind, value.encode() + b"\0")


def nested(kind: int, *parts: bytes) -> bytes:
    """Return an attribute that holds attributes."""
    return attribute(kind | _NESTED, b"".join(parts))


def attributes(body: bytes, offset: int = 0) -> dict[int, bytes]:
    """Return the attributes of `body` from `offset` on, by type; of a repeated one the last."""
    found = {}
    unpack = _ATTRIBUTE.unpack_from
    end = len(body) - 3
    while offset < end:
        length, kind = unpack(body, offset)
        if length < 4:  # noqa: PLR2004  the size of its own header
            break
        found[kind & _TYPE_MASK] = body[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def chosen(body: bytes, offset: int, wanted: frozenset[int]) -> dict[int, bytes]:
    """Return as `attributes` does those `wanted` alone: of a link's forty, most are not."""
    found = {}
    unpack = _ATTRIBUTE.unpack_from
    end = len(body) - 3
    while offset < end:
        length, kind = unpack(body, offset)
        if length < 4:  # noqa: PLR2004  as above
            break
        if kind & _TYPE_MASK in wanted:
            found[kind & _TYPE_MASK] = body[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def each_attribute(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the attributes of `body` in order, repeated ones too."""
    offset = 0
    while offset + 4 <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, offset)
        if length < 4:  # noqa: PLR2004  as above
            return
        yield kind & _TYPE_MASK, body[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def string(payload: bytes) -> str:
    """Return the string of an attribute, whatever bytes somebody put into it."""
    return payload.rstrip(b"\0").decode(errors="replace")


class NetlinkSocket:
    """A netlink socket of the network namespace in which it is opened, wherever it is used afterwards."""

    def __init__(self, protocol: int = socket.NETLINK_ROUTE, *, timeout: int = _TIMEOUT) -> None:
        """Open the socket, which waits for an answer so many seconds; raises HostRefused."""
        self._protocol, self._timeout = protocol, timeout
        self.reopen()

    def reopen(self) -> None:
        """Open the socket anew, in the network namespace that the thread is in now; raises HostRefused."""
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, self._protocol)
        except OSError as error:
            raise refused("cannot open a netlink socket", error) from error
        # SO_RCVTIMEO, and not settimeout(), which would cost a poll(2) for each receive.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, pack("ll", self._timeout, 0))
        for option in (_NETLINK_CAP_ACK, _NETLINK_EXT_ACK, _NETLINK_GET_STRICT_CHK):
            with suppress(OSError):  # an older kernel tells less and filters less
                self._socket.setsockopt(_SOL_NETLINK, option, 1)
        self._sequence = 0
        self._roomy = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket; while it is open its network namespace stays alive."""
        self._socket.close()

    def link_index(self, name: str) -> int:
        """Return the index of the link `name`, or 0 when there is none."""
        try:
            answer = ioctl(self._socket, _SIOCGIFINDEX, pack("16sI20x", name.encode(), 0))
        except OSError as error:
            if error.errno in (errno.ENODEV, errno.ENXIO):
                return 0
            raise refused(f"cannot look up link {name}", error) from error
        return int.from_bytes(answer[16:20], "little" if pack("=H", 1)[0] else "big")

    def _make_room(self) -> None:
        for force, plain in ((_SO_RCVBUFFORCE, socket.SO_RCVBUF), (_SO_SNDBUFFORCE, socket.SO_SNDBUF)):
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, force, _BUFFER)
            except PermissionError:  # root of a user namespace only
                self._socket.setsockopt(socket.SOL_SOCKET, plain, _BUFFER)
        self._roomy = True

    def send(self, requests: Sequence[Request]) -> list[Refusal]:
        """Send `requests` in order and return what was refused; a refusal does not stop those after it."""
        refusals: list[Refusal] = []
        start = 0
        if len(requests) > 1 and not self._roomy:
            self._make_room()
        try:
            while start < len(requests):
                start = self._flight(requests, start, refusals)
        except OSError as error:
            raise unanswered("the kernel does not answer on a netlink socket", error, self._timeout) from error
        return refusals

    def _flight(self, requests: Sequence[Request], start: int, refusals: list[Refusal]) -> int:
        """Send what fits into one flight, await its end, and return the index of the first request not sent."""
        parts: list[bytes] = []
        size = 0
        first = self._sequence + 1
        stop = min(len(requests), start + _FLIGHT_MESSAGES)
        index = start
        while index < stop and size < _FLIGHT_BYTES:
            request = requests[index]
            length = 16 + len(request.body)
            size += length
            index += 1
            last = index == stop or size >= _FLIGHT_BYTES
            flags = request.flags | NLM_F_REQUEST | (NLM_F_ACK if last else 0)
            self._sequence += 1
            parts.append(HEADER.pack(length, request.type, flags, self._sequence, 0))
            parts.append(request.body + _PADDING[length & 3])
        self._socket.send(b"".join(parts))
        self._acknowledgements(first, start, refusals)
        return index

    def _acknowledgements(self, first: int, start: int, refusals: list[Refusal], *, sole: int = 0) -> None:
        """Collect the refusals of a flight whose first sequence number is `first`, until its last message answers.

        After a refusal of `sole` no other answer follows.
        """
        overrun = 0
        while True:
            try:
                answer = self._socket.recv(_RECEIVE, overrun)
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    # So many refusals that some did not fit: those that did are enough to fail with.
                    overrun = socket.MSG_DONTWAIT
                    continue
                if overrun and error.errno == errno.EAGAIN:
                    return
                raise
            for kind, flags, sequence, body in _messages(answer):
                if kind != _NLMSG_ERROR or sequence < first:
                    continue
                number = -_ERRNO.unpack_from(body)[0]
                if number:
                    refusals.append(Refusal(start + sequence - first, number, _extended(flags, body)))
                if sequence in (self._sequence, sole):
                    return

    def get(self, kind: int, body: bytes) -> bytes | None:
        """Return the body of the one message that the kernel answers with, or None where it refuses."""
        self._sequence += 1
        try:
            self._socket.send(HEADER.pack(16 + len(body), kind, NLM_F_REQUEST, self._sequence, 0) + body)
            while True:
                for answer, _, sequence, part in _messages(self._socket.recv(_RECEIVE)):
                    if sequence == self._sequence:
                        return part if answer > _NLMSG_DONE else None
        except OSError as error:
            raise unanswered("cannot read the kernel's objects by netlink", error, self._timeout) from error

    def dump_some(self, kind: int, body: bytes, *, most: int) -> tuple[list[bytes], bool]:
        """Return up to `most` messages of a dump, as last seen, and whether that is all: else the socket is used up."""
        found: list[bytes] = []
        for _ in range(_FEW_TRIES):
            found.clear()
            if self._dump(kind, body, found, most=most) or len(found) > most:
                break
        return found[:most], len(found) <= most

    def dump(self, kind: int, body: bytes) -> list[bytes]:
        """Return a dump's messages; taken again when objects changed meanwhile: it may lack some and repeat others."""
        for pause in (0.0, *_DUMP_PAUSES):
            time.sleep(pause)
            found: list[bytes] = []
            if self._dump(kind, body, found):
                return found
        msg = "the kernel's objects change faster than they can be read"
        raise HostRefused(msg, "another program is reconfiguring the network: stop it, or try again later")

    def _dump(self, kind: int, body: bytes, found: list[bytes], *, most: int = sys.maxsize) -> bool:
        """Put a dump's answers into `found`, not many more than `most`; return whether nothing changed meanwhile."""
        self._sequence += 1
        header = HEADER.pack(16 + len(body), kind, NLM_F_REQUEST | NLM_F_DUMP, self._sequence, 0)
        interrupted = 0
        try:
            self._socket.send(header + body)
            while len(found) <= most:
                for answer, flags, sequence, part in _messages(self._socket.recv(_RECEIVE)):
                    if sequence != self._sequence:
                        continue
                    interrupted |= flags & NLM_F_DUMP_INTR
                    if answer > _NLMSG_DONE:
                        found.append(part)
                        continue
                    _raise_refusal(flags, part)
                    return not interrupted
        except OSError as error:
            raise unanswered("cannot read the kernel's objects by netlink", error, self._timeout) from error
        return False


def unanswered(what: str, error: OSError, timeout: int) -> HostRefused:
    """Return the error for a conversation that failed; SO_RCVTIMEO ends a wait with EAGAIN (socket(7))."""
    if error.errno != errno.EAGAIN:
        return refused(what, error)
    # Every change of links, addresses and routes on the machine, in any network namespace, takes turns at one lock.
    hint = (
        "another program keeps the kernel busy, such as one that deletes thousands of links: try again when it is done"
    )
    return HostRefused(f"{what}: no answer within {timeout} seconds", hint)


def _messages(datagram: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield type, flags, sequence number and body of each message."""
    unpack = HEADER.unpack_from
    offset = 0
    end = len(datagram) - 15
    while offset < end:
        length, kind, flags, sequence, _ = unpack(datagram, offset)
        if length < HEADER.size:
            return
        yield kind, flags, sequence, datagram[offset + 16 : offset + length]
        offset += (length + 3) & ~3


def _raise_refusal(flags: int, body: bytes) -> None:
    """Raise the error, if it is one, that a dump ended with."""
    number = -_ERRNO.unpack_from(body)[0] if len(body) >= _ERRNO.size else 0
    if number:
        raise OSError(number, _extended(flags, body))


def _extended(flags: int, body: bytes) -> str:
    """Return the text of an extended acknowledgement."""
    if not flags & _NLM_F_ACK_TLVS:
        return ""
    # With NETLINK_CAP_ACK the refused message itself is cut down to its header: error, header, attributes.
    return string(attributes(body, _ERRNO.size + HEADER.size).get(_NLMSGERR_ATTR_MSG, b""))
