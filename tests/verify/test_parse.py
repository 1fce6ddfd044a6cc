"""Single objects, as ip(8) and ipset(8) of several versions print them."""

from __future__ import annotations

from typing import Any

import pytest

from laneway.state.marks import FwMark
from laneway.state.prefix import prefix
from laneway.state.routing import FibRule, RouteKind, RuleAction
from laneway.state.sets import IpSet, SetEntry, SetType
from laneway.verify import answers, parse_ip, parse_ipset

MASK = 0xFFFF0000


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(
            {"priority": 10000, "src": "all", "fwmark": "0", "fwmask": "0xffff0000", "goto": 19999, "protocol": "147"},
            FibRule(4, 10000, RuleAction.GOTO, FwMark(0, MASK), 19999),
            id="goto",
        ),
        pytest.param(
            {
                "priority": 7,
                "not": None,
                "src": "all",
                "fwmark": "0",
                "fwmask": "0xffff0000",
                "action": "7",
                "protocol": "147",
            },
            FibRule(4, 7, RuleAction.UNREACHABLE, FwMark(0, MASK), inverted=True),
            id="not",
        ),
        pytest.param(
            {"priority": 7, "src": "all", "fwmark": "0x80000", "table": "254", "protocol": "147"},
            FibRule(4, 7, RuleAction.LOOKUP, FwMark(0x80000, 0xFFFFFFFF), 254),
            id="a mark under no mask",
        ),
        pytest.param(
            {"priority": 7, "src": "all", "table": "main", "protocol": 147},
            FibRule(4, 7, RuleAction.LOOKUP, None, 254),
            id="main by its name",
        ),
        pytest.param(
            {"priority": 9, "src": "all", "action": "8", "protocol": "147"},
            FibRule(4, 9, RuleAction.PROHIBIT),
            id="prohibit",
        ),
        pytest.param(
            {
                "priority": 9,
                "src": "10.0.0.0",
                "srclen": 8,
                "dst": "10.1.0.1",
                "tos": "0x10",
                "iif": "lo",
                "oif": "eth9",
                "oif_detached": None,
                "uid_start": 1,
                "uid_end": 2,
                "ipproto": "ipproto-6",
                "dport": 9,
                "table": "77",
                "suppress_prefixlen": 0,
                "protocol": "147",
            },
            FibRule(
                4,
                9,
                RuleAction.LOOKUP,
                target=77,
                more="from 10.0.0.0/8 to 10.1.0.1/32 dport 9 iif lo ipproto 6 oif eth9 suppress_prefixlength 0 "
                "tos 0x10 uidrange 1-2",
            ),
            id="more",
        ),
        pytest.param(
            {"priority": 9, "src": "all", "nop": None, "protocol": "147"}, FibRule(4, 9, RuleAction.NOP), id="nop"
        ),
    ],
)
def test_rule(answer: dict[str, Any], expected: FibRule) -> None:
    assert list(parse_ip.rules([answer], 4)) == [expected]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param({"hairpin": True, "isolated": True}, True, id="isolated"),
        pytest.param({"hairpin": True, "isolated": False}, False, id="not"),
        pytest.param({"hairpin": True}, False, id="before iproute2 4.18"),
    ],
)
def test_whether_a_port_is_isolated(told: dict[str, Any], expected: bool) -> None:  # noqa: FBT001
    info = {"info_kind": "veth", "info_slave_kind": "bridge", "info_slave_data": told}
    port = {"ifindex": 7, "ifname": "lwv1", "group": "27767", "flags": ["UP"], "linkinfo": info}

    ((_, link),) = parse_ip.host_links([port], {})

    assert (link.hairpin, link.isolated) == (True, expected)


def test_rules_of_others_are_passed_over() -> None:
    others = [{"priority": 0, "src": "all", "table": "255"}, {"priority": 5, "table": "7", "protocol": "zebra"}]

    assert list(parse_ip.rules(others, 4)) == []


def test_routes_keep_every_way() -> None:
    answer: list[dict[str, Any]] = [
        {"dst": "default", "metric": 5, "flags": [], "nexthops": [
            {"gateway": "192.0.2.1", "dev": "eth0", "weight": 1},
            {"via": {"family": "inet6", "host": "fe80::1"}, "dev": "eth1"},
        ]},
        {"type": "8", "dst": "10.0.0.0/8", "table": "20017", "flags": []},
        {"dst": "192.0.2.9", "dev": "eth0", "flags": []},
    ]  # fmt: skip

    several, refusal, one = parse_ip.routes(answer, 4)

    assert several.hops == (("eth0", bytes((192, 0, 2, 1))), ("eth1", prefix("fe80::1").address))
    assert (several.table, several.metric) == (254, 5)
    assert (refusal.kind, refusal.table, refusal.hops) == (RouteKind.PROHIBIT, 20017, ())
    assert one.to == prefix("192.0.2.9/32")


def test_routes_keep_what_they_have_besides() -> None:
    answer: list[dict[str, Any]] = [
        {"type": "1", "dst": "default", "tos": "0x10", "gateway": "192.0.2.1", "dev": "eth0", "protocol": "147",
         "scope": "0", "prefsrc": "192.0.2.2", "flags": ["onlink"], "metrics": [{"mtu": 1280, "advmss": 500}]},
        {"type": "2", "dst": "10.0.0.0/8", "dev": "eth0", "protocol": "147", "scope": "254", "flags": []},
    ]  # fmt: skip

    more, local = parse_ip.routes(answer, 4)

    assert more.more == "advmss 500 mtu 1280 src 192.0.2.2 tos 0x10"
    assert (local.kind, local.more) == (RouteKind.LOCAL, "")


def test_of_nothing_iproute2_prints_nothing() -> None:
    assert answers.objects("") == []
    assert answers.objects("[{},{}]") == []


@pytest.mark.parametrize(
    ("header", "element", "expected"),
    [
        pytest.param("hash:net family inet", "10.0.0.0/8", SetEntry("lw-x", prefix("10.0.0.0/8")), id="net"),
        pytest.param(
            "hash:net,iface family inet", "10.0.0.1,lwb-a", SetEntry("lw-x", prefix("10.0.0.1/32"), "lwb-a"), id="iface"
        ),
        pytest.param(
            "hash:net,port family inet", "0.0.0.0/1,tcp:80", SetEntry("lw-x", prefix("0.0.0.0/1"), "", 6, 80), id="port"
        ),
        pytest.param(
            "hash:net,port family inet6",
            "fd20::/64,ipv6-icmp:echo-request",
            SetEntry("lw-x", prefix("fd20::/64"), "", 58, 128 << 8),
            id="ping",
        ),
        pytest.param(
            "hash:net,port family inet",
            "10.0.0.0/8,icmp:13/0",
            SetEntry("lw-x", prefix("10.0.0.0/8"), "", 1, 13 << 8),
            id="icmp",
        ),
        pytest.param(
            "hash:net family inet",
            "10.0.0.0/8 nomatch",
            SetEntry("lw-x", prefix("10.0.0.0/8"), more="nomatch"),
            id="nomatch",
        ),
        pytest.param(
            "hash:net,iface family inet",
            "10.0.0.1,physdev:lwb-a wildcard",
            SetEntry("lw-x", prefix("10.0.0.1/32"), "lwb-a", more="physdev wildcard"),
            id="physdev",
        ),
        pytest.param(
            "hash:ip,port,net family inet6",
            "fd20::10,udp:53,fd30::/64",
            SetEntry("lw-x", prefix("fd20::10"), "", 17, 53, prefix("fd30::/64")),
            id="two prefixes",
        ),
    ],
)
def test_entry(header: str, element: str, expected: SetEntry) -> None:
    found = parse_ipset.parse(f"create lw-x {header} maxelem 65536\nadd lw-x {element}\n")

    assert found.entries == {expected: None}


def test_marks_of_entries() -> None:
    found = parse_ipset.parse(
        "create lw-m hash:net family inet maxelem 1048576 skbinfo\n"
        "add lw-m 10.0.0.0/8 skbmark 0x80000/0xffff0000\n"
        "add lw-m 11.0.0.0/8 skbmark 0x5\n"
        "add lw-m 12.0.0.0/8\n"
    )

    assert found.sets == {"lw-m": IpSet(SetType.NET, 4, marks=True)}
    assert list(found.entries.values()) == [FwMark(0x80000, MASK), FwMark(5, 0xFFFFFFFF), FwMark(0, 0)]


def test_what_a_set_was_created_with() -> None:
    found = parse_ipset.parse("create lw-x hash:net family inet maxelem 9 timeout 300 comment\n")

    assert found.sets == {"lw-x": IpSet(SetType.NET, 4, marks=False, more="comment timeout 300 maxelem 9")}


def test_sets_of_others_are_passed_over() -> None:
    assert parse_ipset.parse("create block hash:net family inet\nadd block 10.0.0.0/8\n") == ({}, {})
