"""The policy's own tests on an observed host, by the walk and by packets."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest

from laneway.errors import Exit, HostRefused, UsageError
from laneway.plan.conflicts.collision import Collision
from laneway.verify.asking import Ask
from laneway.verify.packets import try_out
from tests.verify.recorded import judged, policy, seen

MARK = "-A LANEWAY-MARK"


def test_a_host_that_holds_the_policy() -> None:
    judgement = judged(seen())

    assert (judgement.drift, judgement.failures, judgement.exit_code) == ((), (), Exit.DONE)


def test_drift_that_no_expectation_sees() -> None:
    judgement = judged(seen(("add lw-host4 10.20.0.0/24", "add x 1")))

    assert judgement.exit_code == Exit.PENDING


def test_a_failed_expectation_weighs_more_than_drift() -> None:
    judgement = judged(seen((MARK, "# ")))

    assert judgement.exit_code == Exit.EXPECTATION
    assert {each.reason for each in judgement.failures} == {"should be delivered, but is dropped"}


COLLISION = Collision("priority-in-use", "ip rule 12345 is in use", "move it")


def test_what_is_in_the_way_weighs_more_than_drift_and_less_than_a_failed_expectation() -> None:
    drifted, failing = judged(seen(("add lw-host4 10.20.0.0/24", "add x 1"))), judged(seen((MARK, "# ")))

    codes = [replace(each, in_the_way=(COLLISION,)).exit_code for each in (judged(seen()), drifted, failing)]

    assert codes == [Exit.CONFLICT, Exit.CONFLICT, Exit.EXPECTATION]


def test_from_outside_nobody_looks_for_what_is_in_the_way() -> None:
    assert judged(seen()).in_the_way is None


class Sent(NamedTuple):
    answered: bool = False
    refusal: str = ""
    mark: int | None = None


@pytest.mark.parametrize(
    ("sent", "outcome", "holds"),
    [
        pytest.param(Sent(answered=True, mark=0x110000), "answered by north", [True, False, False], id="north"),
        pytest.param(Sent(mark=0x120000), "left by south, no answer", [False, True, True], id="south, silence"),
        pytest.param(Sent(refusal="No route to host"), "refused: No route to host", [False] * 3, id="refused"),
        pytest.param(Sent(), "dropped", [False] * 3, id="dropped"),
    ],
)
def test_packets(sent: Sent, outcome: str, holds: list[bool]) -> None:
    judgement = judged(seen())

    trials = try_out(policy(), judgement.aim.lanes, lambda *_: sent)

    assert [each.holds for each in trials] == holds
    assert {each.outcome for each in trials} == {outcome}


def test_packets_of_a_workload_that_is_not_there_are_not_sent_and_those_of_others_are() -> None:
    said = "cannot send from network namespace acme-web: there is no such object"

    def send(netns: str, to: bytes, protocol: int, port: int) -> Sent:
        del to, protocol, port
        if netns == "acme-web" and not tried:
            tried.append(netns)
            raise HostRefused(said)
        return Sent(answered=True, mark=0x110000)

    tried: list[str] = []
    trials = try_out(policy(), judged(seen()).aim.lanes, send)

    assert [(each.outcome, each.holds, each.sent) for each in trials[:2]] == [
        (f"not sent: {said}", False, False),
        ("answered by north", False, True),
    ]


def test_a_host_is_asked_in_a_tests_words() -> None:
    laneway = Ask(judged(seen()))

    told = laneway.tenant("acme").egress("198.51.100.9", tcp=443)

    assert (told.uplink, told.lane, told.delivered) == ("south", "acme.south", True)
    assert told.source_seen == "198.51.100.2"
    assert laneway.tenant("globex").workload("app").egress("10.20.0.10", tcp=22).verdict == "refused"
    arrived = laneway.ingress("192.0.2.2", uplink="north", tcp=8080)
    assert (arrived.by, arrived.reply_uplink) == ("acme/web", "north")
    assert laneway.drift == []


def test_what_a_failed_assert_shows_is_the_packets_way() -> None:
    laneway = Ask(judged(seen((MARK, "# "))))

    shown = repr(laneway.tenant("acme").egress("203.0.113.10", tcp=80))

    assert shown.startswith("acme/web → 203.0.113.10 tcp/80: dropped")
    assert "LANEWAY-FORWARD" in shown
    assert any("LANEWAY-MARK" in each for each in laneway.drift)


def test_who_is_not_there_is_not_asked() -> None:
    with pytest.raises(UsageError, match="there is no tenant acne") as raised:
        Ask(judged(seen())).tenant("acne")

    assert raised.value.hint == "tenants: acme, globex"
