"""The netlink socket: flights, refusals, and dumps that are disturbed."""

from __future__ import annotations

import errno
import struct
import threading
from typing import TYPE_CHECKING

import pytest

from integration.kernel.samples import TABLE
from laneway.errors import HostRefused
from laneway.kernel.link_messages import RTM_GETLINK
from laneway.kernel.netlink import NetlinkSocket, Refusal, Request, attribute, attributes, chosen, each_attribute, u32
from laneway.kernel.route_messages import RTM_GETROUTE, dump_routes, route_request, routes
from laneway.plan.steps import Op
from laneway.state.links import HOST
from laneway.state.prefix import Prefix
from laneway.state.routing import PROTOCOL, Route, RouteKey, RouteKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from integration.throwaway import Throwaway

_DUMP_INTR = 0x10
_ERROR = 2
_DONE = 3


def message(kind: int, body: bytes, *, sequence: int = 1, flags: int = 0) -> bytes:
    """Return a message as the kernel sends it."""
    return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 0) + body


def error(number: int, sequence: int) -> bytes:
    """Return the kernel's answer to a request."""
    return message(_ERROR, struct.pack("=i", -number) + bytes(16), sequence=sequence)


class Scripted:
    """A socket whose kernel answers what a test says."""

    def __init__(self, answers: Iterable[bytes | int]) -> None:
        self._answers: Iterator[bytes | int] = iter(answers)
        self.sent: list[bytes] = []

    def send(self, data: bytes) -> int:
        self.sent.append(data)
        return len(data)

    def recv(self, _size: int, _flags: int = 0) -> bytes:
        answer = next(self._answers)
        if isinstance(answer, int):
            raise OSError(answer, "scripted")
        return answer

    def setsockopt(self, *_: object) -> None:
        """Take any option."""


def scripted(*answers: bytes | int) -> tuple[NetlinkSocket, Scripted]:
    """Return a netlink socket to a kernel that answers so."""
    netlink = NetlinkSocket()
    netlink.close()
    kernel = Scripted(answers)
    netlink._socket = kernel  # type: ignore[assignment]
    return netlink, kernel


def test_a_dump_is_what_came_before_its_end() -> None:
    netlink, _ = scripted(message(16, b"aaaa") + message(16, b"bbbb"), message(16, b"cccc") + message(_DONE, bytes(4)))

    assert netlink.dump(RTM_GETLINK, b"") == [b"aaaa", b"bbbb", b"cccc"]


def test_an_interrupted_dump_is_taken_again() -> None:
    netlink, kernel = scripted(
        message(16, b"aaaa", flags=_DUMP_INTR),
        message(_DONE, bytes(4)),
        message(16, b"bbbb", sequence=2) + message(_DONE, bytes(4), sequence=2),
    )

    assert netlink.dump(RTM_GETLINK, b"") == [b"bbbb"]
    assert len(kernel.sent) == 2


def test_a_dump_is_given_time_and_one_that_is_always_interrupted_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[float] = []
    monkeypatch.setattr("laneway.kernel.netlink.time.sleep", paused.append)
    netlink, _ = scripted(*(message(_DONE, bytes(4), sequence=each, flags=_DUMP_INTR) for each in range(1, 27)))

    with pytest.raises(HostRefused, match="change faster than they can be read"):
        netlink.dump(RTM_GETLINK, b"")

    assert 10 < sum(paused) < 20


def test_a_dump_that_fails_is_refused_in_words() -> None:
    netlink, _ = scripted(error(errno.EOPNOTSUPP, 1))

    with pytest.raises(HostRefused, match="this kernel does not support it"):
        netlink.dump(RTM_GETLINK, b"")


def test_answers_to_an_earlier_question_are_passed_over() -> None:
    netlink, _ = scripted(message(16, b"old!", sequence=0), message(16, b"aaaa") + message(_DONE, bytes(4)))

    assert netlink.dump(RTM_GETLINK, b"") == [b"aaaa"]


def test_only_the_last_of_a_flight_asks_for_an_answer() -> None:
    netlink, kernel = scripted(error(0, 3))

    assert netlink.send([Request(16, 0, b"aaaa")] * 3) == []

    flags = [struct.unpack_from("=H", kernel.sent[0], place * 20 + 6)[0] for place in range(3)]
    assert flags == [1, 1, 5]


def test_refusals_tell_which_request_they_are_of() -> None:
    netlink, _ = scripted(error(errno.EEXIST, 2), error(errno.ENODEV, 3))

    assert netlink.send([Request(16, 0, b"")] * 3) == [Refusal(1, errno.EEXIST, ""), Refusal(2, errno.ENODEV, "")]


def test_refusals_that_do_not_fit_the_buffer_are_still_a_failure() -> None:
    netlink, _ = scripted(error(errno.EEXIST, 1), errno.ENOBUFS, error(errno.EEXIST, 2), errno.EAGAIN)

    assert [refusal.place for refusal in netlink.send([Request(16, 0, b"")] * 3)] == [0, 1]


def test_a_kernel_that_does_not_answer_is_refused() -> None:
    netlink, _ = scripted(errno.EAGAIN)

    with pytest.raises(HostRefused, match="does not answer"):
        netlink.send([Request(16, 0, b"")])


@pytest.mark.parametrize(
    "ask", [lambda netlink: netlink.send([Request(16, 0, b"")]), lambda netlink: netlink.dump(18, b"")]
)
def test_a_wait_that_is_over_is_told_with_its_likely_cause(ask: Callable[[NetlinkSocket], object]) -> None:
    netlink, _ = scripted(errno.EAGAIN)

    with pytest.raises(HostRefused, match="no answer within 60 seconds") as refusal:
        ask(netlink)

    assert refusal.value.hint.startswith("another program keeps the kernel busy")


def test_a_thousand_requests_go_in_one_flight_and_more_in_several() -> None:
    netlink, kernel = scripted(error(0, 1000), error(errno.EEXIST, 1500), error(0, 2000), error(0, 2100))

    assert netlink.send([Request(16, 0, b"")] * 2100) == [Refusal(1499, errno.EEXIST, "")]
    assert [len(data) // 16 for data in kernel.sent] == [1000, 1000, 100]


def test_attributes_are_read_as_they_were_written() -> None:
    body = b"head" + u32(1, 7) + attribute(3 | 0x8000, b"abc") + attribute(3, b"de") + b"\0\0\0\0"

    assert attributes(body, 4) == {1: struct.pack("=I", 7), 3: b"de"}
    assert chosen(body, 4, frozenset({3})) == {3: b"de"}
    assert list(each_attribute(body[4:])) == [(1, struct.pack("=I", 7)), (3, b"abc"), (3, b"de")]


def _add_and_read() -> list[int]:
    """Read all our routes again and again while others come and go; return how many were seen each time."""
    stop = threading.Event()

    def churn() -> None:
        with NetlinkSocket() as kernel:
            while not stop.is_set():
                for op in (Op.CREATE, Op.DELETE):
                    kernel.send(
                        [route_request(op, _key(200 + number), Route(RouteKind.BLACKHOLE), 0) for number in range(50)]
                    )

    with NetlinkSocket() as kernel:
        assert not kernel.send(
            [
                route_request(Op.CREATE, _key(byte, third), Route(RouteKind.BLACKHOLE), 0)
                for byte in range(10, 60)
                for third in range(40)
            ]
        )
        thread = threading.Thread(target=churn)
        thread.start()
        try:
            return [_stable(kernel) for _ in range(10)]
        finally:
            stop.set()
            thread.join()


def _key(byte: int, third: int = 0) -> RouteKey:
    return RouteKey(HOST, TABLE, Prefix(bytes((byte % 256, byte // 256, third, 0)), 24), 0)


def _stable(kernel: NetlinkSocket) -> int:
    seen = routes(kernel.dump(RTM_GETROUTE, dump_routes(protocol=PROTOCOL)))
    return sum(10 <= route.to.address[0] < 60 and not route.to.address[1] for route in seen)


def test_a_dump_misses_nothing_while_other_routes_come_and_go(throwaway: Throwaway) -> None:
    assert throwaway.call(_add_and_read) == [2000] * 10


def test_the_kernel_filters_dumps_by_protocol(throwaway: Throwaway) -> None:
    throwaway.sh(
        f"ip route add blackhole 10.0.0.0/24 table {TABLE} proto 147; ip route add blackhole 10.1.0.0/24 table 9"
    )

    def dumped() -> list[bytes]:
        with NetlinkSocket() as kernel:
            return kernel.dump(RTM_GETROUTE, dump_routes(protocol=PROTOCOL))

    assert [str(route.to) for route in routes(throwaway.call(dumped))] == ["10.0.0.0/24"]


def test_link_indexes_are_those_of_the_sockets_own_namespace(throwaway: Throwaway) -> None:
    throwaway.sh("ip link add b7 index 77 type bridge")

    def look() -> tuple[int, int, int]:
        with NetlinkSocket() as kernel:
            return kernel.link_index("lo"), kernel.link_index("b7"), kernel.link_index("nosuch0")

    assert throwaway.call(look) == (1, 77, 0)
