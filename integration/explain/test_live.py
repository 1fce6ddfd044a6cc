"""`laneway explain --live` on a host: the kernel's own lookups beside the walk."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from laneway.cli.wire import carry_out, look_at
from laneway.lab.run import Lab
from laneway.policy.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator

QUICKSTART = Path(__file__).parents[2] / "policies" / "quickstart.toml"
BULK = ("--from", "acme/web", "--to", "203.0.113.9", "--tcp", "443")


@pytest.fixture
def lab() -> Iterator[Lab]:
    policy = load([QUICKSTART])
    with Lab(policy) as made:
        made.call(lambda: (carry_out(look_at(policy)), None)[1])
        yield made


def explained(lab: Lab, *arguments: str) -> Any:
    argv = (sys.executable, "-m", "laneway", "explain", "--policy", str(QUICKSTART), "--live", "--json", *arguments)
    return json.loads(lab.run(*argv))


PACKETS = [
    BULK,
    ("--from", "acme/web", "--to", "2001:db8:ffff::9", "--udp", "53"),
    ("--from", "203.0.113.5", "--in", "south", "--to", "host", "--tcp", "8080"),
    ("--from", "2001:db8:ffff::5", "--in", "south", "--to", "host", "--tcp", "22"),
    ("--from", "acme/web", "--to", "globex/app", "--tcp", "80"),
    ("--from", "host", "--to", "203.0.113.9", "--icmp"),
    ("--from", "host", "--to", "acme/web", "-6", "--tcp", "80"),
]


def test_the_kernel_says_the_same(lab: Lab) -> None:
    lookups = [each for packet in PACKETS for each in explained(lab, *packet)["kernel"]]

    assert len(lookups) >= len(PACKETS)
    assert [each for each in lookups if each["differs"]] == []


def test_a_rule_of_somebody_else_s_is_noticed(lab: Lab) -> None:
    lab.run("ip", "rule", "add", "pref", "100", "lookup", "77")
    lab.run("ip", "route", "add", "default", "via", "192.0.2.1", "dev", "eth0", "table", "77")

    answer = explained(lab, *BULK)

    out = answer["kernel"][0]
    assert (out["differs"], out["walk"], out["kernel"]) == (
        True,
        "dev eth1 via 198.51.100.1",
        "dev eth0 via 192.0.2.1",
    )


def test_what_the_host_holds_is_walked_not_what_it_should_hold(lab: Lab) -> None:
    lab.run("iptables", "-t", "mangle", "-F", "LANEWAY-MARK")

    answer = explained(lab, *BULK)

    assert (answer["verdict"], answer["stopped_by"]["stage"]) == ("dropped", "mangle FORWARD")
    assert "lw:-:unmarked" in answer["stopped_by"]["rule"]


def test_that_the_host_has_drifted_is_said_beside_the_walk(lab: Lab) -> None:
    before = explained(lab, *BULK)
    lab.run("nft", "flush", "ruleset")

    after = explained(lab, *BULK)
    text = lab.run(sys.executable, "-m", "laneway", "explain", str(QUICKSTART), "--live", *BULK)

    assert before["drift"] == 0
    assert after["drift"] > 0
    assert f"drift: {after['drift']} objects differ from the policy on this host" in text


def test_a_rule_put_into_the_operator_s_chain_is_shown(lab: Lab) -> None:
    lab.run("iptables", "-A", "LANEWAY-USER", "-p", "tcp", "--dport", "443", "-j", "DROP")

    answer = explained(lab, *BULK)

    assert (answer["verdict"], answer["stopped_by"]["object"]) == ("dropped", "LANEWAY-USER:1")
