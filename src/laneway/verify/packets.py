"""The policy's own tests with real packets, sent from inside the workloads of a live host."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from laneway.errors import HostRefused
from laneway.explain.packet import FromWorkload
from laneway.explain.question import packet_of

if TYPE_CHECKING:
    from laneway.explain.packet import Packet
    from laneway.lanes.allocate import Lanes
    from laneway.policy.model import Expect, PolicySet


class Sent(Protocol):
    """What came of a packet (`laneway.kernel.probe`)."""

    @property
    def answered(self) -> bool:
        """Return whether whoever it was for has answered."""

    @property
    def refusal(self) -> str:
        """Return what somebody on the way said."""

    @property
    def mark(self) -> int | None:
        """Return the mark of the flow that the host keeps of it."""


class Sender(Protocol):
    """What sends a packet from inside a workload (`laneway.kernel.probe.send`)."""

    def __call__(self, netns: str, to: bytes, protocol: int, port: int) -> Sent:
        """Send it."""


class Trial(NamedTuple):
    """A test of the policy's, and what became of its packet."""

    expect: Expect
    outcome: str  # for a person
    holds: bool
    sent: bool = True  # what comes from outside the host cannot be sent here


def try_out(policy: PolicySet, lanes: Lanes, send: Sender) -> tuple[Trial, ...]:
    """Send the packet of each test and return what became of it."""
    return tuple(_tried(policy, lanes, each, send) for each in policy.expects)


def _tried(policy: PolicySet, lanes: Lanes, expect: Expect, send: Sender) -> Trial:
    packet: Packet = packet_of(policy, expect)
    if not isinstance(packet.sender, FromWorkload):
        return Trial(expect, "not sent: it comes from outside this host", holds=True, sent=False)
    try:
        sent = send(packet.sender.netns, packet.to, packet.protocol, packet.port)
    except HostRefused as error:  # its network namespace is gone, which is drift; the others are still tried
        return Trial(expect, f"not sent: {error}", holds=False, sent=False)
    way = _uplink(lanes, sent.mark)
    return Trial(expect, _words(sent, way), _holds(expect, sent, way))


def _uplink(lanes: Lanes, mark: int | None) -> str | None:
    """Return the uplink of a flow: by its mark, and the filter lets none leave by another."""
    number = ((mark or 0) & lanes.field.uplink_mask) >> lanes.field.shift
    return next((name for name, each in lanes.uplinks.items() if each == number), None)


def _holds(expect: Expect, sent: Sent, way: str | None) -> bool:
    passed = sent.mark is not None or sent.answered
    if expect.result == "refused":
        return not passed
    return passed and expect.uplink in (None, way)


def _words(sent: Sent, way: str | None) -> str:
    if sent.mark is None and not sent.answered:
        return f"refused: {sent.refusal}" if sent.refusal else "dropped"
    by = f" by {way}" if way else ""
    if sent.answered:
        return f"answered{by}"
    return f"left{by}, {sent.refusal or 'no answer'}"
