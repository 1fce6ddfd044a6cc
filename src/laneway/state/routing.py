"""Routes and FIB rules (ip-route(8), ip-rule(8))."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from laneway.state.marks import FwMark
from laneway.state.prefix import Prefix

if TYPE_CHECKING:
    from collections.abc import Iterable

MAIN_TABLE = 254
MAIN_PRIORITY = 32766
"""The priority of the rule that looks up table main (ip-rule(8))."""

ANSWERS_PRIORITY = 32768
REVERSE_PATH_PRIORITY = 32769
"""Of the rules that are asked when main has no route: behind the kernel's own last one, for table default."""

PROTOCOL = 147
"""The routing protocol number on every route, FIB rule and address of laneway's (rt_protos)."""

TERMINATOR_METRIC = 4294967294
"""Metric of a lane's last word. One less than the largest: `ip -6 route flush` skips that one."""

IPV6_METRIC = 1024
"""The metric the kernel gives an IPv6 route that names none; IPv4 has 0."""


class RouteKind(StrEnum):
    """Types of route, as ip-route(8) names them."""

    UNICAST = "unicast"
    UNREACHABLE = "unreachable"
    BLACKHOLE = "blackhole"
    PROHIBIT = "prohibit"
    THROW = "throw"
    # Laneway makes none of these.
    LOCAL = "local"
    BROADCAST = "broadcast"
    ANYCAST = "anycast"
    MULTICAST = "multicast"


ROUTED = (RouteKind.UNICAST, RouteKind.BLACKHOLE, RouteKind.UNREACHABLE, RouteKind.PROHIBIT)
"""The types of which it is known here what becomes of a packet."""

FOREIGN = "proto"
"""In the `more` of a route in a table of ours: the protocol of whoever else put it there."""

PLACE = "place"
"""In the `more` of a route or rule: which it is of several that are alike, routes but for where they lead."""


class RouteKey(NamedTuple):
    """A route's identity in the kernel: one table holds one route of ours per destination and metric."""

    netns: str
    table: int
    to: Prefix
    metric: int
    more: str = ""  # what sets it apart from all of laneway's, as ip-route(8) writes it: "tos 0x10", "mtu 1280"


class Route(NamedTuple):
    """Where a route leads."""

    kind: RouteKind
    dev: str = ""
    via: bytes = b""  # a gateway, always with the onlink flag; empty: the destination is on the link


def add_routes(present: dict[RouteKey, Route], more: Iterable[tuple[RouteKey, Route]]) -> None:
    """Add routes in the kernel's order; those with one key, which IPv4 allows (`ip route prepend`), get their place."""
    several: dict[RouteKey, list[Route]] = {}
    for key, route in more:
        if key in present:
            several.setdefault(key, [present[key]]).append(route)
        else:
            present[key] = route
    for key, routes in several.items():
        del present[key]
        for place, route in enumerate(routes, 1):
            present[key._replace(more=f"{key.more} {PLACE} {place}".strip())] = route


class RuleAction(StrEnum):
    """What a FIB rule does with a packet it matches."""

    LOOKUP = "lookup"
    GOTO = "goto"
    UNREACHABLE = "unreachable"
    PROHIBIT = "prohibit"
    NOP = "nop"


class FibRule(NamedTuple):
    """One `ip rule`; all of it is its identity, since the kernel has no other."""

    family: int
    priority: int
    action: RuleAction
    mark: FwMark | None = None
    target: int = 0  # of LOOKUP the table id, of GOTO the priority
    inverted: bool = False  # `not`: the rule is for packets the mark does not match (FIB_RULE_INVERT)
    more: str = ""  # what else it asks, as ip-rule(8) writes it: "iif eth0"; of laneway's, those behind main alone


def add_rules(present: dict[FibRule, None], more: Iterable[FibRule]) -> None:
    """Add rules; one that is there again, as a program may have it that does not say NLM_F_EXCL, gets its place."""
    for rule in more:
        again, place = rule, 1
        while again in present:
            place += 1
            again = rule._replace(more=f"{rule.more} {PLACE} {place}".strip())
        present[again] = None


def lane_tables(rules: Iterable[FibRule]) -> frozenset[int]:
    """Return the tables that laneway's rules lead to: whatever else stands there is not as laneway left it."""
    return frozenset(rule.target for rule in rules if rule.action is RuleAction.LOOKUP) - {253, MAIN_TABLE, 255}
