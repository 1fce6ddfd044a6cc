"""Jump, goto and return among hand-made chains, as iptables(8) has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from laneway.explain.chains import Hook
from laneway.explain.hop import Trail
from laneway.explain.packet import Flow, Skb
from laneway.explain.terrain import Terrain
from laneway.state.chains import (
    BaseJump,
    Chain,
    ChainKey,
    ChainRule,
    ConnMark,
    CtState,
    Dscp,
    ForeignRule,
    FromPrefix,
    InInterface,
    Jump,
    JumpKey,
    MapMark,
    Mark,
    Match,
    Protocol,
    RestoreMark,
    SaveMark,
    SetConnMark,
    SetMark,
    ToPorts,
    ToPrefix,
    Verdict,
    XtTable,
)
from laneway.state.host import HostState
from laneway.state.marks import FwMark
from laneway.state.prefix import Prefix, prefix
from laneway.state.sets import IpSet, SetEntry, SetType
from laneway.state.underlay import Underlay

if TYPE_CHECKING:
    from laneway.state.chains import Target

MASK = 0xFFFF0000


def rule(target: Target, *matches: Match) -> ChainRule:
    return ChainRule(matches, target, "")


def mark(value: int) -> ChainRule:
    return rule(SetMark(FwMark(value, 0xFFFFFFFF)))


def tcp(**values: object) -> Skb:
    skb = Skb(4, 6, prefix("10.20.0.10").address, prefix("203.0.113.9").address, port=443)
    skb.arrives = "lwb-acme"
    for name, value in values.items():
        setattr(skb, name, value)
    return skb


def passed(chains: dict[str, Chain], skb: Skb, **state: object) -> object:
    """Return what ends a packet's walk through mangle PREROUTING, which jumps to LANEWAY-A."""
    host = HostState(**state)  # type: ignore[arg-type]
    host.chains = {ChainKey(4, XtTable.MANGLE, name): chain for name, chain in chains.items()}
    host.jumps = {JumpKey(4, XtTable.MANGLE, "PREROUTING", "LANEWAY-A"): BaseJump()}
    return Hook(Terrain(host, Underlay()), skb, Trail(), XtTable.MANGLE, "PREROUTING").passes()


def test_a_jump_comes_back_and_goes_on() -> None:
    skb = tcp()

    passed({"LANEWAY-A": (rule(Jump("LANEWAY-B")), mark(2)), "LANEWAY-B": (mark(1),)}, skb)

    assert skb.mark == 2


def test_a_goto_does_not_come_back() -> None:
    skb = tcp()

    passed({"LANEWAY-A": (rule(Jump("LANEWAY-B", goto=True)), mark(2)), "LANEWAY-B": (mark(1),)}, skb)

    assert skb.mark == 1


def test_what_was_gone_to_returns_to_the_chain_before() -> None:
    skb = tcp()
    chains: dict[str, Chain] = {
        "LANEWAY-A": (rule(Jump("LANEWAY-B")), mark(4)),
        "LANEWAY-B": (rule(Jump("LANEWAY-C", goto=True)), mark(2)),
        "LANEWAY-C": (rule(Verdict.RETURN), mark(1)),
    }

    passed(chains, skb)

    assert skb.mark == 4


def test_return_ends_one_chain() -> None:
    skb = tcp()
    chains: dict[str, Chain] = {
        "LANEWAY-A": (rule(Jump("LANEWAY-B")), mark(2)),
        "LANEWAY-B": (rule(Verdict.RETURN), mark(1)),
    }

    passed(chains, skb)

    assert skb.mark == 2


def test_accept_ends_all_of_them() -> None:
    skb = tcp()
    chains: dict[str, Chain] = {
        "LANEWAY-A": (rule(Jump("LANEWAY-B")), mark(2)),
        "LANEWAY-B": (rule(Verdict.ACCEPT),),
    }

    assert (passed(chains, skb), skb.mark) == (None, 0)


def test_drop_ends_the_packet() -> None:
    assert passed({"LANEWAY-A": (rule(Verdict.DROP),)}, tcp()) == "dropped"


def test_marking_does_not_end_the_walk() -> None:
    skb = tcp()

    passed({"LANEWAY-A": (mark(1), mark(2))}, skb)

    assert skb.mark == 2


def test_a_rule_of_somebody_else_s_is_passed_over() -> None:
    skb = tcp()

    passed({"LANEWAY-A": (ForeignRule("-m statistic -j DROP"), mark(2))}, skb)

    assert skb.mark == 2


MATCHES = [
    (InInterface("lwb-acme"), True),
    (InInterface("eth0"), False),
    (FromPrefix(prefix("10.20.0.0/24")), True),
    (FromPrefix(prefix("10.21.0.0/24")), False),
    (ToPrefix(prefix("203.0.113.0/24")), True),
    (ToPrefix(prefix("203.0.113.0/24"), negated=True), False),
    (ToPrefix(Prefix(bytes(4), 0)), True),
    (Protocol(6), True),
    (Protocol(17), False),
    (ToPorts(400, 443), True),
    (ToPorts(444, 500), False),
    (Dscp(0), True),
    (Dscp(10), False),
    (Mark(FwMark(0x20000, MASK)), True),
    (Mark(FwMark(0, MASK)), False),
    (Mark(FwMark(0, MASK), negated=True), True),
    (ConnMark(FwMark(0x50000, MASK)), True),
    (CtState(("NEW",)), True),
    (CtState(("RELATED", "ESTABLISHED")), False),
    (CtState(("DNAT",)), True),
    (CtState(("DNAT",), negated=True), False),
]


@pytest.mark.parametrize(("match", "holds"), MATCHES, ids=lambda each: str(each)[:40])
def test_a_condition_holds_or_not(match: Match, holds: bool) -> None:  # noqa: FBT001
    flow = Flow(b"", b"", 0, mark=0x50007)
    flow.new_to = (b"", 0)

    assert passed({"LANEWAY-A": (rule(Verdict.DROP, match),)}, tcp(mark=0x20001, flow=flow)) == (
        "dropped" if holds else None
    )


def test_before_connection_tracking_no_flow_is_known() -> None:
    chain = (rule(Verdict.DROP, ConnMark(FwMark(0, MASK))),)

    assert passed({"LANEWAY-A": chain}, tcp()) is None


def test_marks_of_others_survive() -> None:
    flow = Flow(b"", b"", 0, mark=0x30007)
    skb = tcp(mark=0x11, flow=flow)
    chain = (rule(RestoreMark(MASK)), rule(SetMark(FwMark(0x40000, MASK))), rule(SaveMark(MASK)))

    passed({"LANEWAY-A": chain}, skb)

    assert (skb.mark, flow.mark) == (0x40011, 0x40007)


def test_a_flow_is_marked_without_its_packet() -> None:
    flow = Flow(b"", b"", 0, mark=7)
    skb = tcp(flow=flow)

    passed({"LANEWAY-A": (rule(SetConnMark(FwMark(0x90000, MASK))),)}, skb)

    assert (skb.mark, flow.mark) == (0, 0x90007)


SETS = {
    "lw-src4": IpSet(SetType.NET_IFACE, 4, marks=True),
    "lw-allow4": IpSet(SetType.IP_PORT_NET, 4, marks=True),
}
ENTRIES = {
    SetEntry("lw-src4", prefix("10.0.0.0/8"), "lwb-acme"): FwMark(0x10000, MASK),
    SetEntry("lw-src4", prefix("10.20.0.0/16"), "lwb-acme"): FwMark(0x20000, MASK),
    SetEntry("lw-src4", prefix("10.20.0.0/24"), "lwb-globex"): FwMark(0x30000, MASK),
    SetEntry("lw-allow4", prefix("203.0.113.9"), "", 6, 443, prefix("10.20.0.0/24")): FwMark(0x80000, MASK),
}


def test_the_longest_prefix_on_the_arrival_link_gives_the_mark() -> None:
    skb = tcp(mark=5)

    passed({"LANEWAY-A": (rule(MapMark("lw-src4", "src,src")),)}, skb, sets=SETS, entries=ENTRIES)

    assert skb.mark == 0x20005


@pytest.mark.parametrize(
    ("change", "expected"),
    [({}, 0x80000), ({"port": 80}, 0), ({"protocol": 17}, 0), ({"source": prefix("10.21.0.10").address}, 0)],
)
def test_address_port_and_source_must_all_be_in_the_entry(change: dict[str, object], expected: int) -> None:
    skb = tcp(**change)

    passed({"LANEWAY-A": (rule(MapMark("lw-allow4", "dst,dst,src")),)}, skb, sets=SETS, entries=ENTRIES)

    assert skb.mark == expected
