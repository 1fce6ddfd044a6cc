"""What belongs to others is named, with a remedy, and left alone."""

from __future__ import annotations

import pytest

from laneway.apply.target import target
from laneway.errors import Conflict, Exit
from laneway.plan.conflicts.collision import refuse
from laneway.plan.conflicts.foreign import collisions
from laneway.policy.model import HostSettings
from laneway.state.facts import Foreign, ForeignFibRule, ForeignRoute, MarkUse, TableName
from laneway.state.host import HostState
from laneway.state.links import HOST, LinkKey
from laneway.state.marks import FwMark
from tests.worlds import FACTS, tenant, world

AIM = target(world(tenant("acme", 1)), HostState(), FACTS)


def refusal(foreign: Foreign) -> str:
    with pytest.raises(Conflict) as conflict:
        refuse(list(collisions(AIM.desired, foreign, HostSettings(), AIM.lanes.field)))
    assert conflict.value.exit_code == Exit.CONFLICT
    return f"{conflict.value}\n{conflict.value.hint}"


@pytest.mark.parametrize(
    ("foreign", "words"),
    [
        pytest.param(
            Foreign(links=frozenset({LinkKey(HOST, "lwb-acme")})),
            "link lwb-acme exists and is not laneway's",
            id="link",
        ),
        pytest.param(Foreign(netns=frozenset({"acme-web"})), "network namespace acme-web exists", id="netns"),
        pytest.param(
            Foreign(fib_rules=(ForeignFibRule(4, 10005, "10005: from all lookup 7"),)),
            "10005: from all lookup 7",
            id="rule",
        ),
        pytest.param(Foreign(routes=(ForeignRoute(20017, "default via 10.0.0.1"),)), "routing table 20017", id="table"),
        pytest.param(
            Foreign(table_names=(TableName(20017, "isp", "/etc/iproute2/rt_tables"),)), "is named isp there", id="name"
        ),
        pytest.param(
            Foreign(marks=(MarkUse(FwMark(0x40000, 0xFF0000), "-A ts-forward -m mark --mark 0x40000/0xff0000"),)),
            'host.marks = "0x0000ffff" is free (16 bits)',
            id="mark",
        ),
    ],
)
def test_a_collision_is_named(foreign: Foreign, words: str) -> None:
    assert words in refusal(foreign)


@pytest.mark.parametrize(
    "harmless",
    [
        pytest.param(FwMark(0x4000, 0x4000), id="other bits"),
        pytest.param(FwMark(0x1, 0xFFFFFFFF), id="the whole mark, without our bits"),
    ],
)
def test_a_match_that_asks_nothing_of_our_bits_is_no_collision(harmless: FwMark) -> None:
    foreign = Foreign(marks=(MarkUse(harmless, "-m mark --mark"),))

    assert not list(collisions(AIM.desired, foreign, HostSettings(), AIM.lanes.field))
    assert not harmless.value & AIM.lanes.field.mask


def test_whoever_sets_the_whole_mark_sets_ours() -> None:
    use = MarkUse(FwMark(0x1, 0xFFFFFFFF), "-A PREROUTING -j MARK --set-xmark 0x1/0xffffffff", writes=True)

    assert "mark bits 0xffff0000 (host.marks) are in use" in refusal(Foreign(marks=(use,)))


@pytest.mark.parametrize(
    "where",
    [
        "iptables-nft filter INPUT: -m set --match-set trusted src -m mark --mark 0x1 -j ACCEPT",
        "iptables-legacy filter asset-in: mark --mark 0x1 ACCEPT",
        "nft inet fw set-mark-1: handle 7",
    ],
)
def test_a_rule_that_only_reads_a_mark_is_in_nobodys_way(where: str) -> None:
    foreign = Foreign(marks=(MarkUse(FwMark(0x1, 0xFFFFFFFF), where),))

    assert not list(collisions(AIM.desired, foreign, HostSettings(), AIM.lanes.field))


@pytest.mark.parametrize(
    ("masked", "remedy"),
    [
        ("--set-mark 0x1/0x1", "it writes all 32 bits, laneway's too: let it write its own alone, --set-mark 0x1/0x1"),
        (
            "--restore-mark --nfmask OTHERS --ctmask OTHERS",
            "let it write its own alone, --restore-mark --nfmask 0xffff --ctmask 0xffff",
        ),
    ],
)
def test_who_writes_all_bits_is_told_how_to_write_its_own(masked: str, remedy: str) -> None:
    use = MarkUse(FwMark(0x1, 0xFFFFFFFF), "a rule", writes=True, masked=masked)

    assert remedy in refusal(Foreign(marks=(use,)))


def test_no_bits_are_called_free_that_somebody_sets() -> None:
    whole = MarkUse(FwMark(0x1, 0xFFFFFFFF), "-A PREROUTING -j MARK --set-xmark 0x1/0xffffffff", writes=True)
    upper = MarkUse(FwMark(0x10000, 0xFFFF0000), "-A PREROUTING -j MARK --set-xmark 0x10000/0xffff0000")

    assert "no contiguous field of marks is free" in refusal(Foreign(marks=(whole,)))
    assert 'host.marks = "0x0000ffff" is free' in refusal(Foreign(marks=(upper,)))


def test_every_collision_is_told_at_once() -> None:
    foreign = Foreign(links=frozenset({LinkKey(HOST, "lwb-acme")}), netns=frozenset({"acme-web"}))

    assert refusal(foreign).count("hint:") == 2


@pytest.mark.parametrize(
    ("foreign", "remedy"),
    [
        pytest.param(
            Foreign(
                fib_rules=(ForeignFibRule(4, 10005, "10005: lookup 7"), ForeignFibRule(4, 5270, "5270: lookup 52"))
            ),
            'host.priorities = "10006-20005" is free',
            id="priorities",
        ),
        pytest.param(
            Foreign(routes=(ForeignRoute(20017, "default"), ForeignRoute(70000, "default"))),
            'host.tables = "131072-196607" is free',
            id="tables",
        ),
    ],
)
def test_a_free_range_is_proposed(foreign: Foreign, remedy: str) -> None:
    assert remedy in refusal(foreign)


@pytest.mark.parametrize(
    ("where", "mark", "owner"),
    [
        ("-A ts-forward -m mark --mark 0x40000/0xff0000", FwMark(0x40000, 0xFF0000), "Tailscale"),
        ("-A x -m mark --mark 0x40000/0xff0000", FwMark(0x40000, 0xFF0000), "Tailscale"),
        ("-A cali-PREROUTING -j MARK --set-xmark 0x10000/0x10000", FwMark(0x10000, 0x10000), "Calico"),
        ("-A KUBE-POSTROUTING -j MARK --xor-mark 0x40000", FwMark(0x40000, 0x40000), "kube-proxy"),
        ("-A mwan3_hook -j CONNMARK --restore-mark --ctmask 0x3f0000", FwMark(0, 0x3F0000), "mwan3"),
    ],
)
def test_the_likely_owner_of_a_mark_is_named(where: str, mark: FwMark, owner: str) -> None:
    assert f"(likely {owner})" in refusal(Foreign(marks=(MarkUse(mark, where),)))
