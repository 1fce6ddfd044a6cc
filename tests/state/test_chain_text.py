"""Rules as text: what iptables-save prints is written, and what is written is read back."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laneway.state.chain_text import canonical, jump_text, parse_rule, rule_text
from laneway.state.chains import (
    BaseJump,
    Bridged,
    ChainRule,
    Confirmed,
    ConnMark,
    CtDirection,
    CtState,
    Dnat,
    Dscp,
    ForeignRule,
    FromGroup,
    FromLocal,
    FromPrefix,
    IcmpType,
    InInterface,
    InSet,
    Jump,
    JumpKey,
    MapMark,
    Mark,
    Masquerade,
    NoTarget,
    OutInterface,
    Protocol,
    Reject,
    Resets,
    RestoreMark,
    SaveMark,
    SetConnMark,
    SetMark,
    Snat,
    ToGroup,
    ToLocal,
    ToPorts,
    ToPrefix,
    Verdict,
    XorMark,
    XtTable,
)
from laneway.state.marks import FwMark
from laneway.state.prefix import Prefix, prefix

PIN = "lw:acme:pin"
MASK = 0xFFFF0000

# Left what a rule says, right how both variants of iptables 1.8.9 print it, without the comment.
PRINTED = [
    (ChainRule((InInterface("eth0"),), Verdict.ACCEPT, PIN), 4, "-i eth0", "-j ACCEPT"),
    (ChainRule((OutInterface("eth0"),), Verdict.DROP, PIN), 4, "-o eth0", "-j DROP"),
    (ChainRule((FromGroup(27767),), Verdict.RETURN, PIN), 4, "-m devgroup --src-group 0x6c77", "-j RETURN"),
    (ChainRule((ToGroup(27767),), NoTarget(), PIN), 4, "-m devgroup --dst-group 0x6c77", ""),
    (ChainRule((FromPrefix(prefix("10.1.2.3")),), NoTarget(), PIN), 4, "-s 10.1.2.3/32", ""),
    (ChainRule((ToPrefix(prefix("fd20::/64"), negated=True),), NoTarget(), PIN), 6, "! -d fd20::/64", ""),
    (ChainRule((Protocol(47),), NoTarget(), PIN), 4, "-p 47", ""),
    (ChainRule((Protocol(6), ToPorts(80, 80)), NoTarget(), PIN), 4, "-p tcp -m tcp --dport 80", ""),
    (ChainRule((Protocol(17), ToPorts(80, 90)), NoTarget(), PIN), 4, "-p udp -m multiport --dports 80:90", ""),
    (ChainRule((Protocol(136), ToPorts(8, 9)), NoTarget(), PIN), 4, "-p udplite -m multiport --dports 8:9", ""),
    (ChainRule((Protocol(1), IcmpType(8)), NoTarget(), PIN), 4, "-p icmp -m icmp --icmp-type 8", ""),
    (ChainRule((Protocol(58), IcmpType(135)), NoTarget(), PIN), 6, "-p ipv6-icmp -m icmp6 --icmpv6-type 135", ""),
    (ChainRule((Dscp(0),), NoTarget(), PIN), 4, "-m dscp --dscp 0x00", ""),
    (ChainRule((Mark(FwMark(0, MASK), negated=True),), NoTarget(), PIN), 4, "-m mark ! --mark 0x0/0xffff0000", ""),
    (ChainRule((Mark(FwMark(5, 0xFFFFFFFF)),), NoTarget(), PIN), 4, "-m mark --mark 0x5", ""),
    (ChainRule((ConnMark(FwMark(0x90000, MASK)),), NoTarget(), PIN), 4, "-m connmark --mark 0x90000/0xffff0000", ""),
    (ChainRule((CtState(("NEW", "DNAT"), negated=True),), NoTarget(), PIN), 4, "-m conntrack ! --ctstate NEW,DNAT", ""),
    (ChainRule((InSet("lw-src4", "src,src"),), NoTarget(), PIN), 4, "-m set --match-set lw-src4 src,src", ""),
    (ChainRule((FromLocal(),), NoTarget(), PIN), 6, "-m addrtype --src-type LOCAL,ANYCAST", ""),
    (ChainRule((ToLocal(negated=True),), NoTarget(), PIN), 4, "-m addrtype ! --dst-type LOCAL", ""),
    (
        ChainRule((ToLocal(on_arrival_link=True),), NoTarget(), PIN),
        4,
        "-m addrtype --dst-type LOCAL --limit-iface-in",
        "",
    ),
    (ChainRule((Bridged(negated=True),), NoTarget(), PIN), 4, "-m physdev ! --physdev-is-bridged", ""),
    (ChainRule((), Reject("tcp-reset"), PIN), 4, "", "-j REJECT --reject-with tcp-reset"),
    (ChainRule((), Jump("LANEWAY-USER"), PIN), 4, "", "-j LANEWAY-USER"),
    (ChainRule((), Jump("LANEWAY-CLASS.7", goto=True), PIN), 4, "", "-g LANEWAY-CLASS.7"),
    (ChainRule((), SetMark(FwMark(0x90000, MASK)), PIN), 4, "", "-j MARK --set-xmark 0x90000/0xffff0000"),
    (ChainRule((), SetMark(FwMark(5, 0xFFFFFFFF)), PIN), 4, "", "-j MARK --set-xmark 0x5/0xffffffff"),
    (ChainRule((), SetConnMark(FwMark(0, 0)), PIN), 4, "", "-j CONNMARK --set-xmark 0x0/0x0"),
    (
        ChainRule((), RestoreMark(MASK), PIN),
        4,
        "",
        "-j CONNMARK --restore-mark --nfmask 0xffff0000 --ctmask 0xffff0000",
    ),
    (ChainRule((), SaveMark(MASK), PIN), 4, "", "-j CONNMARK --save-mark --nfmask 0xffff0000 --ctmask 0xffff0000"),
    (ChainRule((), MapMark("lw-src6", "src,src"), PIN), 6, "", "-j SET --map-set lw-src6 src,src --map-mark"),
    (ChainRule((), Dnat(prefix("10.1.2.3").address, 80), PIN), 4, "", "-j DNAT --to-destination 10.1.2.3:80"),
    (ChainRule((), Dnat(prefix("fd20::a").address, 80), PIN), 6, "", "-j DNAT --to-destination [fd20::a]:80"),
    (ChainRule((), Dnat(prefix("fd20::a").address), PIN), 6, "", "-j DNAT --to-destination fd20::a"),
    (ChainRule((), Snat(prefix("192.0.2.7").address), PIN), 4, "", "-j SNAT --to-source 192.0.2.7"),
    (ChainRule((), Snat(prefix("192.0.2.7").address, 5, 9), PIN), 4, "", "-j SNAT --to-source 192.0.2.7:5-9"),
    (ChainRule((), Snat(prefix("2001:db8::7").address, 5, 9), PIN), 6, "", "-j SNAT --to-source [2001:db8::7]:5-9"),
    (ChainRule((), Masquerade(), PIN), 4, "", "-j MASQUERADE"),
    (ChainRule((), Masquerade(5, 9), PIN), 4, "", "-j MASQUERADE --to-ports 5-9"),
]


@pytest.mark.parametrize(("rule", "family", "matches", "target"), PRINTED)
def test_a_rule_is_written_as_iptables_prints_it(rule: ChainRule, family: int, matches: str, target: str) -> None:
    text = " ".join(part for part in (matches, f'-m comment --comment "{PIN}"', target) if part)

    assert rule_text(rule, family=family) == text
    assert parse_rule(text, family=family) == rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("-m devgroup --src-group 27767 -j DROP", ChainRule((FromGroup(27767),), Verdict.DROP, "")),
        ("-m devgroup --src-group 0x1 --dst-group 2", ChainRule((FromGroup(1), ToGroup(2)), NoTarget(), "")),
        ("-m mark --mark 5/7", ChainRule((Mark(FwMark(5, 7)),), NoTarget(), "")),
        ("-m conntrack --ctstate DNAT,NEW", ChainRule((CtState(("NEW", "DNAT")),), NoTarget(), "")),
        ("-p gre -m comment --comment x", ChainRule((Protocol(47),), NoTarget(), "x")),
        ("-p 6 -m tcp", ChainRule((Protocol(6),), NoTarget(), "")),
        ("-p tcp -m multiport --dports 80:90", ChainRule((Protocol(6), ToPorts(80, 90)), NoTarget(), "")),
        ("-d 10.1.2.3 -m dscp --dscp 46", ChainRule((ToPrefix(prefix("10.1.2.3")), Dscp(46)), NoTarget(), "")),
        (
            '-m comment --comment "lw:-:x" -m mark --mark 0x1/0x1',
            ChainRule((Mark(FwMark(1, 1)),), NoTarget(), "lw:-:x"),
        ),
    ],
)
def test_other_ways_to_print_a_rule_are_understood(text: str, rule: ChainRule) -> None:
    assert parse_rule(text, family=4) == rule


@pytest.mark.parametrize(
    "text",
    [
        "! -i eth0 -j DROP",
        "-f -j DROP",
        "-j DOCKER-USER",
        "-g DOCKER",
        "-j LOG",
        "-j TRACE",
        '-j LOG --log-prefix "a -m mark --mark 0x1"',
        "-p tcp -m tcp --sport 80 -j ACCEPT",
        "-p tcp -m tcp ! --dport 80 -j ACCEPT",
        "-p tcp -m tcp --dport 80 --tcp-flags SYN,ACK SYN -j ACCEPT",
        "-p udp -m tcp --dport 80",
        "-p tcp -m multiport --dports 80,90",
        "-m mark --mark nonsense",
        "-m conntrack --ctstate NEW --ctproto 6",
        "-m addrtype --src-type LOCAL",
        "-m addrtype ! --src-type LOCAL,ANYCAST",
        "-m limit --limit 5/sec -j ACCEPT",
        "-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xffff",
        "-j DNAT --to-destination 10.0.0.1-10.0.0.9",
        "-j MASQUERADE --random",
        "-s 10.0.0.0/255.0.255.0",
        "-s fd00::/8 -j DROP",
        r'-m comment --comment "say \"x\"" -j DROP',
        '-m comment --comment "a -j ACCEPT',
        '-m comment --comment "x -m mark --mark 0x1/0x1" -j DROP',
        "-m comment --comment a -m comment --comment b",
    ],
)
def test_what_laneway_does_not_write_stays_text(text: str) -> None:
    rule = parse_rule(text, family=4)

    assert rule == ForeignRule(text)
    assert rule_text(rule, family=4) == text


def test_a_jump_to_a_chain_of_ours_carries_its_conditions() -> None:
    key = JumpKey(4, XtTable.FILTER, "INPUT", "LANEWAY-INPUT")

    text = jump_text(key, BaseJump((FromGroup(27767),)), family=4)

    assert text == "-m devgroup --src-group 0x6c77 -j LANEWAY-INPUT"


def test_the_order_that_iptables_does_not_keep_is_not_the_rules() -> None:
    rule = ChainRule((Mark(FwMark(1, 1)), OutInterface("b"), FromPrefix(prefix("10.1.2.3/8"))), Verdict.DROP, "x")

    plain = canonical(rule)

    assert plain.matches == (FromPrefix(prefix("10.0.0.0/8")), OutInterface("b"), Mark(FwMark(1, 1)))


def test_conditions_that_are_always_true_are_dropped_as_iptables_drops_them() -> None:
    matches = (FromPrefix(prefix("0.0.0.0/0")), ToPrefix(prefix("0.0.0.0/0")), Protocol(6), ToPorts(0, 0xFFFF))

    assert canonical(ChainRule(matches, Verdict.DROP, "x")).matches == (Protocol(6),)


def test_ports_without_a_protocol_that_has_them_are_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="not 47"):
        rule_text(ChainRule((Protocol(47), ToPorts(1, 1)), Verdict.DROP, "x"), family=4)


NAME = st.from_regex(r"[a-z][a-z0-9.-]{0,14}", fullmatch=True)
U32 = st.integers(0, 0xFFFFFFFF)
FWMARK = st.builds(FwMark, U32, U32)
PORTS = st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF)).map(lambda pair: ToPorts(*sorted(pair)))


def _prefixes(family: int) -> st.SearchStrategy[Prefix]:
    size = 4 if family == 4 else 16
    return st.builds(Prefix, st.binary(min_size=size, max_size=size), st.integers(0, size * 8))


def _matches(family: int) -> st.SearchStrategy[tuple]:  # type: ignore[type-arg]
    states = st.lists(st.sampled_from(["INVALID", "NEW", "RELATED", "ESTABLISHED", "DNAT"]), min_size=1, unique=True)
    icmp = 1 if family == 4 else 58
    about = st.one_of(
        st.just(()),
        st.integers(0, 255).map(lambda number: (Protocol(number),)),
        st.tuples(st.sampled_from([6, 17, 33, 132, 136]).map(Protocol), PORTS),
        st.just((Protocol(6), Resets())),
        st.tuples(st.just(Protocol(icmp)), st.builds(IcmpType, st.integers(0, 255))),
    )
    header = [
        st.builds(FromPrefix, _prefixes(family)),
        st.builds(ToPrefix, _prefixes(family), st.booleans()),
        st.builds(InInterface, NAME),
        st.builds(OutInterface, NAME),
    ]
    others = st.one_of(
        st.builds(FromGroup, U32),
        st.builds(ToGroup, U32),
        st.builds(Dscp, st.integers(0, 63)),
        st.builds(Mark, FWMARK, st.booleans()),
        st.builds(ConnMark, FWMARK, st.booleans()),
        st.builds(CtState, states.map(tuple), st.booleans()),
        st.builds(CtDirection, st.sampled_from(["ORIGINAL", "REPLY"])),
        st.builds(Confirmed, negated=st.booleans()),
        st.builds(InSet, NAME, st.sampled_from(["src", "dst,dst", "dst,dst,src"]), st.booleans()),
        st.just(FromLocal()),
        st.builds(ToLocal, st.booleans(), st.booleans()),
        st.builds(Bridged, st.booleans()),
    )
    some_header = st.tuples(*(st.one_of(st.just(()), each.map(lambda match: (match,))) for each in header))
    flat = some_header.map(lambda groups: tuple(match for group in groups for match in group))
    return st.tuples(flat, about, st.lists(others, max_size=4)).map(lambda parts: (*parts[0], *parts[1], *parts[2]))


def _targets(family: int) -> st.SearchStrategy[object]:
    size = 4 if family == 4 else 16
    address = st.binary(min_size=size, max_size=size)
    return st.one_of(
        st.sampled_from(Verdict),
        st.builds(Reject, st.sampled_from(["tcp-reset", "icmp-admin-prohibited", "icmp6-adm-prohibited"])),
        st.builds(Jump, NAME.map("LANEWAY-{}".format), st.booleans()),
        st.builds(SetMark, FWMARK),
        st.builds(SetConnMark, FWMARK),
        st.builds(RestoreMark, U32),
        st.builds(XorMark, st.integers(1, 0xFFFFFFFF)),  # of no bit it is the same as restoring none
        st.builds(SaveMark, U32),
        st.builds(MapMark, NAME, st.just("src,src")),
        st.builds(Dnat, address, st.integers(0, 0xFFFF)),
        address.map(Snat),
        st.builds(Snat, address, st.integers(1, 0xFFFF), st.integers(1, 0xFFFF)),
        st.just(Masquerade()),
        st.builds(Masquerade, st.integers(1, 0xFFFF), st.integers(1, 0xFFFF)),
        st.just(NoTarget()),
    )


COMMENT = st.text(
    st.characters(codec="ascii", exclude_characters='"\\', min_codepoint=33, max_codepoint=126), max_size=60
)


@given(st.data(), st.sampled_from([4, 6]))
def test_every_rule_comes_back_from_its_text(data: st.DataObject, family: int) -> None:
    matches = data.draw(_matches(family))
    rule = ChainRule(matches, data.draw(_targets(family)), "lw:-:" + data.draw(COMMENT))  # type: ignore[arg-type]

    assert parse_rule(rule_text(rule, family=family), family=family) == canonical(rule)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=80))
def test_any_text_is_parsed_to_something(text: str) -> None:
    rule = parse_rule(text, family=4)

    assert isinstance(rule, ForeignRule) or parse_rule(rule_text(rule, family=4), family=4) == canonical(rule)


def test_a_hundred_thousand_lines_are_read_in_a_few_seconds() -> None:
    lines = [
        f'-p tcp -m tcp --dport {n % 60000} -m comment --comment "lw:t{n}:publish-web" -j DNAT --to-destination '
        f"10.{n % 200}.{n // 200 % 250}.2:80"
        for n in range(100_000)
    ]
    start = time.process_time()

    rules = [parse_rule(line, family=4) for line in lines]

    assert time.process_time() - start < 10  # measured: 2
    assert not any(isinstance(rule, ForeignRule) for rule in rules)
