"""The flows that connection tracking knows, with their marks (linux/netfilter/nfnetlink_conntrack.h)."""

from __future__ import annotations

import socket
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple, Self

from laneway.kernel.netlink import NETFILTER, NetlinkSocket, attributes
from laneway.kernel.reasons import refused

if TYPE_CHECKING:
    from collections.abc import Iterator

_GET = 1 << 8 | 1  # of NFNL_SUBSYS_CTNETLINK
_ALL_FAMILIES = bytes(4)
_NEW_FLOWS = 1  # the group that is told of each new one
_HEADER = Struct("=IHHII")
_SO_RCVBUFFORCE = 33
_ROOM = 8 << 20  # bytes
_TUPLE, _STATUS, _MARK, _COUNTED, _COUNTED_BACK, _ID = 1, 3, 8, 9, 10, 12
_IP, _PROTO = 1, 2
_SOURCES, _TARGETS = (1, 3), (2, 4)  # IPv4, IPv6
_NUMBER, _SOURCE_PORT, _PORT = 1, 2, 3
_PACKETS, _BYTES = 1, 2
_SEEN_REPLY = 1 << 1
_U32 = Struct(">I")
_U16 = Struct(">H")
_U64 = Struct(">Q")


class Flow(NamedTuple):
    """A flow as its first packet was, before any translation."""

    number: int  # its identity while it lives
    source: bytes
    to: bytes
    protocol: int
    source_port: int  # 0 where there is none
    port: int
    mark: int
    answered: bool
    packets: int  # both directions; 0 unless net.netfilter.nf_conntrack_acct was 1 when it began
    bytes: int


def flows() -> list[Flow]:
    """Return every flow of this network namespace; raises HostRefused."""
    with NetlinkSocket(NETFILTER) as kernel:
        return list(_flows(kernel.dump(_GET, _ALL_FAMILIES)))


class NewFlows:
    """Hears of the flows that begin while it is open.

    A look afterwards would miss some: one that is refused with a TCP reset is forgotten at once.
    """

    def __enter__(self) -> Self:
        """Begin to listen, in the network namespace of the calling thread; raises HostRefused."""
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETFILTER)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM)
            self._socket.bind((0, _NEW_FLOWS))
        except OSError as error:
            self._socket.close()
            raise refused("cannot listen for new flows", error) from error
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self._socket.close()

    def heard(self) -> list[Flow]:
        """Return the flows that began; raises HostRefused when there were too many to hear of them all."""
        bodies = []
        try:
            while True:
                told = self._socket.recv(1 << 16, socket.MSG_DONTWAIT)
                length = _HEADER.unpack_from(told)[0]
                bodies.append(told[_HEADER.size : length])  # each is told of on its own
        except BlockingIOError:
            return list(_flows(bodies))
        except OSError as error:
            raise refused("too many flows begin at once to find one among them", error) from error


def _flows(bodies: list[bytes]) -> Iterator[Flow]:
    for body in bodies:
        found = attributes(body, 4)
        parts = attributes(found[_TUPLE])
        ip, proto = attributes(parts[_IP]), attributes(parts[_PROTO])
        there, back = _counted(found.get(_COUNTED)), _counted(found.get(_COUNTED_BACK))
        yield Flow(
            _number(found.get(_ID)),
            next((ip[each] for each in _SOURCES if each in ip), b""),
            next((ip[each] for each in _TARGETS if each in ip), b""),
            proto[_NUMBER][0],
            _port(proto.get(_SOURCE_PORT)),
            _port(proto.get(_PORT)),
            _number(found.get(_MARK)),
            bool(_number(found.get(_STATUS)) & _SEEN_REPLY),
            there[0] + back[0],
            there[1] + back[1],
        )


def _number(payload: bytes | None) -> int:
    return int(_U32.unpack(payload)[0]) if payload else 0


def _port(payload: bytes | None) -> int:
    return int(_U16.unpack(payload)[0]) if payload else 0


def _counted(payload: bytes | None) -> tuple[int, int]:
    if payload is None:
        return 0, 0
    found = attributes(payload)
    return int(_U64.unpack(found[_PACKETS])[0]), int(_U64.unpack(found[_BYTES])[0])
