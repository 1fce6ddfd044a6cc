"""What somebody gave a rule, a route or a set entry of ours is read, and written back, as it was."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from laneway.errors import HostRefused
from laneway.kernel import route_extras, rule_selectors, set_messages
from laneway.kernel.foreign import rule_text
from laneway.kernel.netlink import attribute, attributes, nested, text
from laneway.kernel.route_messages import route_request, routes, rule_request, rules
from laneway.plan.plan import plan
from laneway.plan.steps import Op
from laneway.plan.words import command, route_text
from laneway.state.host import HostState
from laneway.state.marks import FwMark
from laneway.state.prefix import ANY, prefix
from laneway.state.routing import FibRule, Route, RouteKey, RouteKind, RuleAction, add_routes
from laneway.state.sets import MAX_ENTRIES, IpSet, SetEntry, SetType

if TYPE_CHECKING:
    from collections.abc import Callable

LEAF = FibRule(4, 10589, RuleAction.LOOKUP, FwMark(0x110000, 0xFFFF0000), 20017)
DEFAULT = RouteKey("", 20017, ANY[4], 0)
NORTH = Route(RouteKind.UNICAST, "eth0", prefix("192.0.2.1").address)
SOUTH = Route(RouteKind.UNICAST, "eth1", prefix("198.51.100.1").address)
NET = SetEntry("lw-net4", prefix("10.20.0.0/24"))


@pytest.mark.parametrize(
    "more",
    [
        "",
        "from 10.0.0.0/8 to 10.1.0.1/32 tos 0x10",
        "iif lo suppress_ifgroup 4 suppress_prefixlength 0 oif eth9 uidrange 1-2 ipproto 6 sport 5-7 dport 9-9",
        "attribute12 0000000000000004",
    ],
)
def test_a_rule(more: str) -> None:
    rule = LEAF._replace(more=more)

    (seen,) = rules([rule_request(Op.CREATE, rule).body])

    assert seen.rule == rule
    assert (seen.rule == LEAF) is (more == "")


def test_the_name_of_a_link_is_one_word_to_the_shell() -> None:
    state = HostState(fib_rules={LEAF._replace(more="iif a;b"): None})

    (step,) = plan(HostState(), state)

    assert command(step) == ("ip -4 rule del pref 10589 iif 'a;b' fwmark 0x110000/0xffff0000 lookup 20017 protocol 147")


def test_of_others_a_suppressor_is_told_after_the_table() -> None:
    (seen,) = rules([rule_request(Op.CREATE, LEAF._replace(more="iif lo suppress_prefixlength 0")).body])

    assert rule_text(seen) == ("10589: from all fwmark 0x110000/0xffff0000 iif lo lookup 20017 suppress_prefixlength 0")


def test_a_suppressor_that_is_not_set_is_told_of_every_rule() -> None:
    assert rule_selectors.written(rule_selectors.Header(), {14: b"\xff\xff\xff\xff", 21: b"\x93"}) == ""


@pytest.mark.parametrize(
    "more",
    ["", "tos 0x10", "from 10.20.0.0/24", "src 192.0.2.2 mtu 1280 advmss 500", "attribute11 00000003"],
)
def test_a_route(more: str) -> None:
    key = DEFAULT._replace(more=more)

    (seen,) = routes([route_request(Op.CREATE, key, NORTH, 7).body])

    assert seen.more == more


def test_what_the_kernel_tells_of_every_route_is_nothing_more() -> None:
    assert route_extras.written(route_extras.Header(), dict.fromkeys((1, 4, 5, 6, 12, 15, 20), b"\0")) == ""


def test_of_routes_that_differ_in_where_they_lead_each_is_named() -> None:
    present: dict[RouteKey, Route] = {}

    add_routes(present, [(DEFAULT, SOUTH), (DEFAULT, NORTH)])

    first, second = DEFAULT._replace(more="place 1"), DEFAULT._replace(more="place 2")
    assert present == {first: SOUTH, second: NORTH}
    assert route_text(first, SOUTH) == "default via 198.51.100.1 dev eth1 onlink"
    steps = plan(HostState(routes={DEFAULT: NORTH}), HostState(routes=present))
    assert [(step.op, step.key) for step in steps] == [(Op.DELETE, second), (Op.DELETE, first), (Op.CREATE, DEFAULT)]
    back = plan(HostState(routes=present), HostState(routes={DEFAULT: NORTH}))
    assert [command(step) for step in back] == [
        "ip -4 route del default via 192.0.2.1 dev eth0 onlink table 20017 proto 147",
        "ip -4 route append default via 198.51.100.1 dev eth1 onlink table 20017 proto 147",
        "ip -4 route append default via 192.0.2.1 dev eth0 onlink table 20017 proto 147",
    ]


def message(flags: int, *header: bytes, entry: bytes = b"") -> bytes:
    created = nested(7, attribute(8, flags.to_bytes(4)), *header)
    kind = text(2, "lw-net4") + text(3, "hash:net") + attribute(5, bytes([socket.AF_INET]))
    return bytes(4) + kind + created + (nested(8, entry) if entry else b"")


@pytest.mark.parametrize("more", ["", "nomatch", "physdev", "physdev nomatch wildcard"])
def test_a_set_entry(more: str) -> None:
    entry = NET._replace(more=more)
    request = attributes(set_messages.entry_request(Op.CREATE, entry, None).body, 4)

    seen = set_messages.parse_set("lw-net4", [message(0, entry=nested(7, request[7]))])

    assert seen.entries == {entry: None}


def test_what_a_set_was_created_with() -> None:
    ours = message(0, attribute(19, MAX_ENTRIES.to_bytes(4)))
    theirs = message(1 << 3 | 1 << 4, attribute(6, (300).to_bytes(4)), attribute(19, (9).to_bytes(4)))

    headers = [set_messages.parse_set("lw-net4", [each]).header for each in (ours, theirs)]

    more = "counters comment timeout 300 maxelem 9"
    assert headers == [IpSet(SetType.NET, 4, marks=False), IpSet(SetType.NET, 4, marks=False, more=more)]


def test_an_entry_that_excepts_goes_before_ours_comes() -> None:
    excepted = NET._replace(more="nomatch")

    steps = plan(HostState(entries={NET: None}), HostState(entries={excepted: None}))

    assert [command(step) for step in steps] == ["ipset del lw-net4 10.20.0.0/24", "ipset add lw-net4 10.20.0.0/24"]
    back = plan(HostState(entries={excepted: None}), HostState(entries={NET: None}))
    assert [(step.op, step.key) for step in back] == [(Op.DELETE, NET), (Op.CREATE, excepted)]


@pytest.mark.parametrize("reader", [rule_selectors.read, route_extras.read], ids=["rule", "route"])
@pytest.mark.parametrize("words", ["odd", "foo bar", "from zz", "sport 1", "tos x", "mtu -1", "attribute99999999 00"])
def test_what_the_kernel_never_said_is_refused(reader: Callable[[str], object], words: str) -> None:
    with pytest.raises(HostRefused, match="of the kernel's says"):
        reader(words)
