"""Routes and FIB rules as rtnetlink messages, both ways (rtnetlink(7), linux/rtnetlink.h, linux/fib_rules.h)."""

from __future__ import annotations

import socket
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from laneway.kernel import route_extras, rule_selectors
from laneway.kernel.netlink import (
    CREATE,
    NLM_F_APPEND,
    NLM_F_CREATE,
    NLM_F_REPLACE,
    Request,
    attribute,
    attributes,
    u32,
)
from laneway.plan.steps import Op
from laneway.state.links import HOST
from laneway.state.marks import FwMark
from laneway.state.prefix import ANY, IPV4, IPV6, Prefix, family_of
from laneway.state.routing import MAIN_TABLE, PLACE, PROTOCOL, FibRule, Route, RouteKey, RouteKind, RuleAction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

RTM_NEWROUTE = 24
RTM_DELROUTE = 25
RTM_GETROUTE = 26
RTM_NEWRULE = 32
RTM_DELRULE = 33
RTM_GETRULE = 34

_RTA_DST = 1
_RTA_SRC = 2
_RTA_OIF = 4
_RTA_GATEWAY = 5
_RTA_PRIORITY = 6
_RTA_MULTIPATH = 9
_RTA_TABLE = 15
_RTA_VIA = 18
_RTNH_F_ONLINK = 4
_SCOPE_UNIVERSE = 0
_SCOPE_LINK = 253
_SCOPE_HOST = 254
_SCOPE_NOWHERE = 255
_RTM_F_CLONED = 0x200
_RTM_F_FIB_MATCH = 0x2000

_RESERVED = (253, 254, 255)  # default, main, local

_FRA_GOTO = 4
_FRA_PRIORITY = 6
_FRA_FWMARK = 10
_FRA_TABLE = 15
_FRA_FWMASK = 16
_FRA_PROTOCOL = 21

_OURS = bytes([PROTOCOL])
_ROUTE = Struct("=BBBBBBBBI")  # family, to, from, tos, table, protocol, scope, type, flags
_RULE = Struct("=BBBBBxxBI")  # family, to, from, tos, table, action, flags
_FIB_RULE_INVERT = 2
_HOP = Struct("=HBBi")  # length, flags, weight, link index
_NUMBER = Struct("=I")
_AF = Struct("=H")

AF = {IPV4: socket.AF_INET, IPV6: socket.AF_INET6}
FAMILY = {number: family for family, number in AF.items()}

ROUTE_TYPES = {
    RouteKind.UNICAST: 1,
    RouteKind.LOCAL: 2,
    RouteKind.BROADCAST: 3,
    RouteKind.ANYCAST: 4,
    RouteKind.MULTICAST: 5,
    RouteKind.BLACKHOLE: 6,
    RouteKind.UNREACHABLE: 7,
    RouteKind.PROHIBIT: 8,
    RouteKind.THROW: 9,
}
_REFUSALS = frozenset((RouteKind.BLACKHOLE, RouteKind.UNREACHABLE, RouteKind.PROHIBIT, RouteKind.THROW))
_KINDS = {number: kind for kind, number in ROUTE_TYPES.items()}
RULE_ACTIONS = {
    RuleAction.LOOKUP: 1,
    RuleAction.GOTO: 2,
    RuleAction.NOP: 3,
    RuleAction.UNREACHABLE: 7,
    RuleAction.PROHIBIT: 8,
}
_ACTIONS = {number: action for action, number in RULE_ACTIONS.items()}


def dump_routes(*, protocol: int = 0, table: int = 0, link: int = 0) -> bytes:
    """Return the body of a request for the routes of both families: of one protocol, table and link, or of all."""
    parts = [u32(_RTA_TABLE, table)] if table else []
    if link:
        parts.append(u32(_RTA_OIF, link))
    return _ROUTE.pack(0, 0, 0, 0, 0, protocol, 0, 0, 0) + b"".join(parts)


def ask_for_way(source: bytes, to: bytes) -> bytes:
    """Return the body of a request (RTM_GETROUTE) for the route that a packet between two addresses takes."""
    bits = len(to) * 8
    family = AF[family_of(to)]
    header = _ROUTE.pack(family, bits, bits, 0, 0, 0, 0, 0, _RTM_F_FIB_MATCH)
    return header + attribute(_RTA_DST, to) + attribute(_RTA_SRC, source)


DUMP_RULES = _RULE.pack(0, 0, 0, 0, 0, 0, 0)


def in_reserved_table(body: bytes) -> bool:
    """Return whether a route of a dump is in main, local or default, from its header alone."""
    return body[4] in _RESERVED


def leads_by_main(body: bytes) -> bool:
    """Return whether a route of a dump is a unicast one in main and not the default, from its header alone."""
    return body[4] == MAIN_TABLE and body[7] == ROUTE_TYPES[RouteKind.UNICAST] and bool(body[1])


def has_our_protocol(body: bytes) -> bool:
    """Return whether a route of a dump bears our protocol, from its header alone."""
    return body[5] == PROTOCOL


class Hop(NamedTuple):
    """One way of a route."""

    link: int
    via: bytes


class SeenRoute(NamedTuple):
    """A route as the kernel tells it."""

    table: int
    to: Prefix
    metric: int
    protocol: int
    type: int
    hops: tuple[Hop, ...]  # more than one: a multipath route
    more: str  # what it has besides, as ip-route(8) writes it


def route(body: bytes) -> SeenRoute | None:
    """Return the route that a message of a dump tells; None: it is of another family, or one the kernel cached."""
    number = _NUMBER.unpack
    af, length, from_, tos, table, protocol, _, kind, flags = _ROUTE.unpack_from(body)
    family = FAMILY.get(af)
    if family is None or flags & _RTM_F_CLONED:
        return None
    found = attributes(body, _ROUTE.size)
    to = found.get(_RTA_DST)
    if _RTA_TABLE in found:
        table = number(found[_RTA_TABLE])[0]
    return SeenRoute(
        table,
        Prefix(to, length) if to else ANY[family],
        number(found[_RTA_PRIORITY])[0] if _RTA_PRIORITY in found else 0,
        protocol,
        kind,
        _hops(found),
        route_extras.written(route_extras.Header(from_, tos), found),
    )


def routes(
    bodies: list[bytes], read: Callable[[list[bytes]], Iterable[SeenRoute | None]] | None = None
) -> Iterator[SeenRoute]:
    """Yield the IPv4 and IPv6 routes of a dump, without the kernel's cached ones."""
    return filter(None, read(bodies) if read else map(route, bodies))


def _hops(found: dict[int, bytes]) -> tuple[Hop, ...]:
    if _RTA_MULTIPATH in found:
        return tuple(_multipath(found[_RTA_MULTIPATH]))
    if _RTA_OIF in found:
        return (Hop(_NUMBER.unpack(found[_RTA_OIF])[0], _gateway(found)),)
    return ()


def _gateway(found: dict[int, bytes]) -> bytes:
    """Return the gateway; one of the other family (struct rtvia) has an address of that family's length."""
    return found.get(_RTA_GATEWAY) or found.get(_RTA_VIA, b"")[2:]


def _multipath(payload: bytes) -> Iterator[Hop]:
    offset = 0
    while offset + _HOP.size <= len(payload):
        length, _, _, link = _HOP.unpack_from(payload, offset)
        if length < _HOP.size:
            return
        yield Hop(link, _gateway(attributes(payload[offset + _HOP.size : offset + length])))
        offset += (length + 3) & ~3


def as_route(seen: SeenRoute, names: dict[int, str]) -> Route:
    """Return what `seen` is in our terms; a multipath route, which we never make, leads nowhere."""
    kind = _KINDS.get(seen.type, RouteKind.UNICAST)
    # The kernel gives an IPv6 refusal the loopback link.
    if kind in _REFUSALS or len(seen.hops) != 1:
        return Route(kind)
    link, via = seen.hops[0]
    return Route(kind, names.get(link, f"link {link}"), via)


def route_request(op: Op, key: RouteKey, route: Route, link: int) -> Request:
    """Return the request for our route; `link` is the index of its device, 0 without one."""
    family = key.to.family
    (from_, tos, protocol), more = route_extras.read(key.more)
    scope = _scope(route) if family == IPV4 else _SCOPE_UNIVERSE
    if op is Op.DELETE and protocol != PROTOCOL:
        scope = _SCOPE_NOWHERE  # whatever it has
    parts = [u32(_RTA_TABLE, key.table), more]
    if key.to.length:
        parts.append(attribute(_RTA_DST, key.to.address))
    if key.metric:
        parts.append(u32(_RTA_PRIORITY, key.metric))
    if link:
        parts.append(u32(_RTA_OIF, link))
    if route.via:
        parts.append(_gateway_attribute(family, route.via))
    table = key.table if key.table < 256 else 0  # noqa: PLR2004  the header has one byte; RTA_TABLE counts
    flags = _RTNH_F_ONLINK if route.via else 0
    header = _ROUTE.pack(AF[family], key.to.length, from_, tos, table, protocol, scope, ROUTE_TYPES[route.kind], flags)
    kind = RTM_DELROUTE if op is Op.DELETE else RTM_NEWROUTE
    # Inside a workload the way out is laneway's: what somebody there made in its place would stop every apply.
    make = NLM_F_CREATE | NLM_F_REPLACE if key.netns != HOST else CREATE
    make = NLM_F_CREATE | NLM_F_APPEND if PLACE in key.more.split() else make
    how = {Op.CREATE: make, Op.REPLACE: NLM_F_CREATE | NLM_F_REPLACE, Op.DELETE: 0}[op]
    return Request(kind, how, header + b"".join(parts))


def _gateway_attribute(family: int, via: bytes) -> bytes:
    """Return the attribute of a gateway: one of the other family says so (RFC 8950)."""
    if family_of(via) == family:
        return attribute(_RTA_GATEWAY, via)
    return attribute(_RTA_VIA, _AF.pack(AF[family_of(via)]) + via)


def _scope(route: Route) -> int:
    """Return the scope that IPv4 wants of such a route."""
    if route.kind is RouteKind.LOCAL:
        return _SCOPE_HOST
    return _SCOPE_LINK if route.kind not in _REFUSALS and not route.via else _SCOPE_UNIVERSE


class SeenRule(NamedTuple):
    """A FIB rule as the kernel tells it: what laneway uses of it, and all of it."""

    rule: FibRule
    ours: bool  # our protocol, and an action laneway uses
    body: bytes


def rule(body: bytes) -> SeenRule | None:
    """Return the FIB rule that a message of a dump tells; None: it is of neither IPv4 nor IPv6."""
    number = _NUMBER.unpack
    af, to, from_, tos, table, action, flags = _RULE.unpack_from(body)
    family = FAMILY.get(af)
    if family is None:
        return None
    found = attributes(body, _RULE.size)
    known = _ACTIONS.get(action, RuleAction.NOP)
    target = 0
    if known is RuleAction.LOOKUP:
        target = number(found[_FRA_TABLE])[0] if _FRA_TABLE in found else table
    elif known is RuleAction.GOTO:
        target = number(found[_FRA_GOTO])[0]
    mark = None
    if _FRA_FWMASK in found:  # of mark 0 under a mask the kernel tells the mask alone
        value = number(found[_FRA_FWMARK])[0] if _FRA_FWMARK in found else 0
        mark = FwMark(value, number(found[_FRA_FWMASK])[0])
    priority = number(found[_FRA_PRIORITY])[0] if _FRA_PRIORITY in found else 0
    ours = found.get(_FRA_PROTOCOL) == _OURS and action in _ACTIONS
    more = rule_selectors.written(rule_selectors.Header(to, from_, tos), found)
    told = FibRule(family, priority, known, mark, target, bool(flags & _FIB_RULE_INVERT), more)
    return SeenRule(told, ours, body)


def rules(
    bodies: list[bytes], read: Callable[[list[bytes]], Iterable[SeenRule | None]] | None = None
) -> Iterator[SeenRule]:
    """Yield the FIB rules of a dump, of IPv4 and IPv6."""
    return filter(None, read(bodies) if read else map(rule, bodies))


def rule_request(op: Op, rule: FibRule, *, alone: bool = True) -> Request:
    """Return the request for our FIB rule, with every selector: a deletion takes the first rule that fits.

    Whether a rule is there already the kernel finds out by a comparison with all, which is asked of one that is made
    `alone`. Of many it is seen when they are read back.
    """
    parts = [u32(_FRA_PRIORITY, rule.priority), attribute(_FRA_PROTOCOL, _OURS)]
    if rule.mark is not None:
        parts += [u32(_FRA_FWMARK, rule.mark.value), u32(_FRA_FWMASK, rule.mark.mask)]
    if rule.action is RuleAction.LOOKUP:
        parts.append(u32(_FRA_TABLE, rule.target))
    elif rule.action is RuleAction.GOTO:
        parts.append(u32(_FRA_GOTO, rule.target))
    flags = _FIB_RULE_INVERT if rule.inverted else 0
    (to, from_, tos), more = rule_selectors.read(rule.more)
    parts.append(more)
    header = _RULE.pack(AF[rule.family], to, from_, tos, 0, RULE_ACTIONS[rule.action], flags)
    if op is Op.DELETE:
        return Request(RTM_DELRULE, 0, header + b"".join(parts))
    made = CREATE if alone and PLACE not in rule.more.split() else NLM_F_CREATE
    return Request(RTM_NEWRULE, made, header + b"".join(parts))
