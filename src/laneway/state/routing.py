"""Routes and FIB rules (ip-route(8), ip-rule(8))."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from laneway.state.marks import FwMark
from laneway.state.prefix import Prefix

MAIN_TABLE = 254
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


class RouteKey(NamedTuple):
    """A route's identity in the kernel: one table holds one route per destination and metric."""

    netns: str
    table: int
    to: Prefix
    metric: int


class Route(NamedTuple):
    """Where a route leads."""

    kind: RouteKind
    dev: str = ""
    via: bytes = b""  # a gateway, always with the onlink flag; empty: the destination is on the link


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
