"""FIB rules and routes, hand-made, looked up as the kernel does."""

from __future__ import annotations

import pytest

from laneway.explain.hop import Trail
from laneway.explain.packet import Skb
from laneway.explain.routing import Decision, route
from laneway.explain.terrain import Terrain
from laneway.explain.translation import masquerade_address, own_address
from laneway.state.host import HostState
from laneway.state.links import HOST
from laneway.state.marks import FwMark
from laneway.state.prefix import prefix
from laneway.state.routing import FibRule, Route, RouteKey, RouteKind, RuleAction
from laneway.state.underlay import HostAddress, MainRoute, Underlay

MASK = 0xFFFF0000
GATEWAY = prefix("192.0.2.1").address
MAIN = MainRoute(prefix("0.0.0.0/0"), 1024, RouteKind.UNICAST, "eth0", GATEWAY)
UNDERLAY = Underlay((HostAddress("eth0", prefix("192.0.2.2/24")),), (MAIN,))
BY_MAIN = Decision("unicast", "eth0", GATEWAY)


def rule(priority: int, action: RuleAction, target: int = 0, *, mark: int = -1, inverted: bool = False) -> FibRule:
    return FibRule(4, priority, action, None if mark < 0 else FwMark(mark, MASK), target, inverted)


def unicast(to: str, dev: str, *, table: int = 100, metric: int = 0) -> tuple[RouteKey, Route]:
    return RouteKey(HOST, table, prefix(to), metric), Route(RouteKind.UNICAST, dev)


def decided(rules: list[FibRule], *routes: tuple[RouteKey, Route], to: str = "203.0.113.9", mark: int = 0) -> Decision:
    state = HostState(fib_rules=dict.fromkeys(rules), routes=dict(routes))
    skb = Skb(4, 6, prefix("10.20.0.10").address, prefix(to).address)
    skb.mark = mark
    return route(Terrain(state, UNDERLAY), skb, Trail())


def test_a_goto_passes_over_the_rules_before_its_target() -> None:
    rules = [rule(10, RuleAction.GOTO, 30), rule(20, RuleAction.PROHIBIT), rule(30, RuleAction.LOOKUP, 100)]

    assert decided(rules, unicast("0.0.0.0/0", "eth1")) == Decision("unicast", "eth1")


def test_a_goto_to_nowhere_is_passed_over() -> None:
    assert decided([rule(10, RuleAction.GOTO, 30), rule(20, RuleAction.PROHIBIT)]) == Decision("prohibit")


def test_a_mark_is_compared_under_its_mask() -> None:
    rules = [rule(10, RuleAction.UNREACHABLE, mark=0x90000)]

    assert decided(rules, mark=0x90001) == Decision("unreachable")
    assert decided(rules, mark=0xB0000) == BY_MAIN


def test_an_inverted_rule_is_for_what_the_mark_does_not_match() -> None:
    rules = [rule(10, RuleAction.UNREACHABLE, mark=0, inverted=True)]

    assert (decided(rules), decided(rules, mark=0x90000)) == (BY_MAIN, Decision("unreachable"))


def test_a_table_without_a_route_leaves_it_to_the_next_rule() -> None:
    rules = [rule(10, RuleAction.LOOKUP, 100), rule(20, RuleAction.LOOKUP, 200), rule(30, RuleAction.PROHIBIT)]
    routes = [unicast("198.51.100.0/24", "eth1"), unicast("203.0.113.0/24", "eth2", table=200)]

    assert decided(rules, *routes) == Decision("unicast", "eth2")


def test_the_longest_prefix_wins_then_the_lowest_metric() -> None:
    rules = [rule(10, RuleAction.LOOKUP, 100)]
    wide, narrow = unicast("203.0.0.0/16", "eth1"), unicast("203.0.113.0/24", "eth2", metric=9)
    better = unicast("203.0.113.0/24", "eth3", metric=5)

    assert decided(rules, wide, narrow).dev == "eth2"
    assert decided(rules, narrow, better, wide).dev == "eth3"


def test_a_terminator_is_the_last_word() -> None:
    rules = [rule(10, RuleAction.LOOKUP, 100)]
    terminator = (RouteKey(HOST, 100, prefix("0.0.0.0/0"), 4294967294), Route(RouteKind.UNREACHABLE))

    assert decided(rules, terminator) == Decision("unreachable")
    assert decided(rules, terminator, unicast("0.0.0.0/0", "eth1")).dev == "eth1"


def test_the_host_s_own_addresses_come_before_every_rule() -> None:
    assert decided([rule(1, RuleAction.PROHIBIT)], to="192.0.2.2") == Decision("local")


def test_rules_of_the_other_family_do_not_count() -> None:
    assert decided([FibRule(6, 10, RuleAction.PROHIBIT)]) == BY_MAIN


def test_without_any_route_there_is_none() -> None:
    skb = Skb(4, 6, prefix("10.20.0.10").address, prefix("203.0.113.9").address)

    assert route(Terrain(HostState(), Underlay()), skb, Trail()) == Decision("none")


ADDRESSES = (
    HostAddress("eth0", prefix("192.0.2.2/24")),
    HostAddress("eth0", prefix("192.0.2.7/24")),
    HostAddress("eth0", prefix("198.51.100.9/25")),
    HostAddress("eth1", prefix("fe80::1/64")),
    HostAddress("eth1", prefix("2001:db8:b::7/64"), deprecated=True),
    HostAddress("eth1", prefix("2001:db8:b::2/64")),
    HostAddress("lwb-acme", prefix("fd20::1/64")),
)


@pytest.mark.parametrize(
    ("link", "nexthop", "to", "expected"),
    [
        pytest.param("eth0", "192.0.2.1", "203.0.113.9", "192.0.2.2", id="first of the gateway's network"),
        pytest.param("eth0", "198.51.100.1", "203.0.113.9", "198.51.100.9", id="another network"),
        pytest.param("eth0", "10.0.0.1", "203.0.113.9", "192.0.2.2", id="no network: the first"),
        pytest.param("eth1", "192.0.2.1", "203.0.113.9", None, id="no address"),
        pytest.param("eth1", "fe80::9", "2a00::9", "2001:db8:b::2", id="not the deprecated one"),
        pytest.param("lwb-acme", "fd20::10", "fd20::10", "fd20::1", id="the link's own"),
        pytest.param("eth0", "fe80::9", "fd20::10", "fd20::1", id="no address there: the label decides"),
    ],
)
def test_masquerading_takes_an_address_of_the_link(link: str, nexthop: str, to: str, expected: str | None) -> None:
    terrain = Terrain(HostState(), Underlay(ADDRESSES))

    found = masquerade_address(terrain, link=link, nexthop=prefix(nexthop).address, to=prefix(to).address)

    assert found == (None if expected is None else prefix(expected).address)


def test_to_itself_the_host_speaks_from_the_first_address_of_the_network() -> None:
    terrain = Terrain(HostState(), Underlay(ADDRESSES))
    to = prefix("192.0.2.7").address

    assert own_address(terrain, link="lo", nexthop=to, to=to) == prefix("192.0.2.2").address
