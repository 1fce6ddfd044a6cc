"""The policy's own tests, `[[expect]]`, answered by the walk."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.explain.explanation import explain
from laneway.explain.hop import Verdict
from laneway.explain.packet import FromOutside
from laneway.explain.question import packet_of, presumed_host

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.explain.explanation import Explanation, Ground
    from laneway.policy.model import Address, Expect, PolicySet


class Failure(NamedTuple):
    """A test that does not hold, in words and with the packet's walk."""

    expect: Expect
    reason: str
    explanation: Explanation


def failed(policy: PolicySet, ground: Ground | None = None) -> list[Failure]:
    """Return the tests of the policy that do not hold on `ground`, by default on the host that is assumed for it."""
    if not policy.expects:
        return []
    if ground is None:
        from laneway.explain.assume import assumed_host

        ground = assumed_host(policy, *_presumed(policy))
    return [failure for expect in policy.expects if (failure := _judged(ground, policy, expect))]


def _presumed(policy: PolicySet) -> Iterator[Address]:
    """Yield what the tests' packets from outside are for, as far as it must be the host's."""
    for expect in policy.expects:
        own = presumed_host(policy, packet_of(policy, expect))
        if own is not None:
            yield own


def _judged(ground: Ground, policy: PolicySet, expect: Expect) -> Failure | None:
    told = explain(ground, packet_of(policy, expect))
    reason = _reason(expect, told)
    return Failure(expect, reason, told) if reason else None


def _reason(expect: Expect, told: Explanation) -> str:
    """Return why the test fails, or nothing."""
    refused = told.verdict is not Verdict.DELIVERED
    if expect.result == "refused":
        return "" if refused else f"should be refused, but {told.by} gets it"
    if refused:
        return f"should be delivered, but is {told.verdict}"
    if not told.walk.answered:
        return f"{told.by} gets it, but the answer is {told.walk.reply.verdict if told.walk.reply else 'lost'}"
    way = told.reply_uplink if isinstance(told.packet.sender, FromOutside) else told.uplink
    if expect.uplink not in (None, way):
        return f"should go by {expect.uplink}, but goes by {way or 'no uplink'}"
    return ""
