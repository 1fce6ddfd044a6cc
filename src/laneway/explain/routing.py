"""Where the host sends a packet: table local, laneway's FIB rules with their gotos, table main."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from laneway.explain.hop import OnWay, Query, Trail
from laneway.explain.packet import Skb
from laneway.explain.reach import EVERYBODY
from laneway.explain.terrain import holds
from laneway.state.links import HOST
from laneway.state.prefix import IPV4, IPV6, address_text, family_of, prefix
from laneway.state.routing import MAIN_PRIORITY, MAIN_TABLE, ROUTED, RouteKind, RuleAction

if TYPE_CHECKING:
    from laneway.explain.terrain import Terrain
    from laneway.state.routing import FibRule
    from laneway.state.underlay import MainRoute

LOCAL = "local"
LOOPBACK = "lo"
NOT_LOOPBACK = "?"
"""In place of the link by which the answer would leave: any but the loopback one."""

NO_ROUTE = "none"
STRICT = 1


class Decision(NamedTuple):
    """What the host does with a packet."""

    kind: str  # "local", "none", or a route's kind
    dev: str = ""
    via: bytes = b""

    def nexthop(self, to: bytes) -> bytes:
        """Return who gets a packet for `to` next on its link."""
        return self.via or to


def route(terrain: Terrain, skb: Skb, trail: Trail) -> Decision:
    """Return where the packet goes, with every FIB rule that led there noted."""
    decision = _decide(terrain, skb, trail)
    if skb.bound:  # what a query cannot ask
        return decision
    arrives = "" if skb.arrives == "lo" else skb.arrives
    trail.queries.append(
        Query(skb.source, skb.to, skb.mark, arrives, decision.kind, dev=decision.dev, via=decision.via)
    )
    return decision


def _decide(terrain: Terrain, skb: Skb, trail: Trail) -> Decision:
    if terrain.is_local(skb.to) or terrain.is_broadcast(skb.to):
        trail.add("route", f"{address_text(skb.to)} is the host's own")
        return Decision(LOCAL)
    if terrain.is_anycast(skb.to):
        trail.add("route", f"{address_text(skb.to)} is of all routers of its subnet, and so the host's")
        return Decision(LOCAL)
    rules = terrain.rules(family_of(skb.to))
    found = _by_rules(terrain, [each for each in rules if each.priority < MAIN_PRIORITY], skb, trail)
    found = found or _main(terrain, skb, trail)
    found = found or _by_rules(terrain, [each for each in rules if each.priority > MAIN_PRIORITY], skb, trail)
    if found is None:
        trail.add("route", f"main has no route by {skb.bound}" if skb.bound else "no route, main has none either")
    return found or Decision(NO_ROUTE)


def _by_rules(terrain: Terrain, rules: list[FibRule], skb: Skb, trail: Trail) -> Decision | None:
    position = 0
    while position < len(rules):
        rule = rules[position]
        position += 1
        if not _matches(rule, skb):
            continue
        match rule.action:
            case RuleAction.GOTO:
                trail.add("ip rule", f"goes to {rule.target}", rule, minor=True)
                position = _place(rules, rule.target, otherwise=position)
            case RuleAction.LOOKUP:
                trail.add("ip rule", f"looks into table {rule.target}", rule)
                found = terrain.route(HOST, rule.target, skb.to, link=skb.bound)
                if found is not None and not _thrown(found, trail):
                    return _taken(found, trail)
            case RuleAction.NOP:
                trail.add("ip rule", "does nothing", rule, minor=True)
            case RuleAction.UNREACHABLE | RuleAction.PROHIBIT:
                trail.add("ip rule", "refuses it", rule)
                return Decision(rule.action.value)
    return None


def _thrown(found: OnWay | MainRoute, trail: Trail) -> bool:
    """Return whether a route only ends the look-up in its table."""
    thrown = isinstance(found, OnWay) and found.route.kind is RouteKind.THROW
    if thrown:
        trail.add("route", "goes on to the next rule", found)
    return thrown


def _matches(rule: FibRule, skb: Skb) -> bool:
    hit = rule.mark is None or skb.mark & rule.mark.mask == rule.mark.value
    words = rule.more.split()
    for word, value in zip(words[::2], words[1::2], strict=True):
        match word:
            case "from":
                hit = hit and holds(prefix(value), skb.source)
            case "iif":
                hit = hit and value == (skb.arrives or LOOPBACK)
            case _:  # somebody narrowed it to what is not known here
                hit = False
    return hit != rule.inverted


def _place(rules: list[FibRule], priority: int, *, otherwise: int) -> int:
    """Return the position of the first rule of a priority: the kernel passes over a goto that leads to none."""
    return next((number for number, rule in enumerate(rules) if rule.priority == priority), otherwise)


def _main(terrain: Terrain, skb: Skb, trail: Trail) -> Decision | None:
    found = terrain.route(HOST, MAIN_TABLE, skb.to, link=skb.bound)
    return _taken(found, trail) if found is not None else None


def _taken(found: OnWay | MainRoute, trail: Trail) -> Decision:
    taken = found.route if isinstance(found, OnWay) else found
    if taken.kind is RouteKind.UNICAST:
        via = f"via {address_text(taken.via)} " if taken.via else ""
        trail.add("route", f"{via}dev {taken.dev}", found)
        return Decision(taken.kind.value, taken.dev, taken.via)
    word = "drops it" if taken.kind is RouteKind.BLACKHOLE else "refuses it"
    trail.add("route", word, found)
    return Decision((taken.kind if taken.kind in ROUTED else RouteKind.UNREACHABLE).value)


def source_is_valid(terrain: Terrain, skb: Skb, trail: Trail) -> bool:
    """Return whether the host takes a packet with this source, and in IPv4 believes it.

    IPv4: ip_route_input_slow, fib_validate_source; IPv6: ip6_rcv_core, ip6_forward.
    """
    source = ip_address(skb.source)
    many = source.is_multicast or terrain.is_broadcast(skb.source) or skb.source == EVERYBODY
    no_one = source.is_unspecified and not (skb.family == IPV6 and terrain.is_local(skb.to))
    if many or no_one or source.is_loopback or (skb.family == IPV4 and not skb.source[0]):
        trail.add("route", f"drops it: {source} is nobody's address")
        return False
    return skb.family != IPV4 or _is_believed(terrain, skb, trail)


def _is_believed(terrain: Terrain, skb: Skb, trail: Trail) -> bool:
    """Return whether there is a way back; it is looked up without the packet's mark, so it is main's word."""
    if terrain.is_local(skb.source):
        trail.add("rp_filter", f"drops it: {address_text(skb.source)} is the host's own address")
        return False
    level = terrain.underlay.reverse_filter.get(skb.arrives, 0)
    if not level:
        return True
    back = terrain.route(HOST, MAIN_TABLE, skb.source) or _behind_main(terrain, skb)
    way = back.route if isinstance(back, OnWay) else back
    if way is None or way.kind is not RouteKind.UNICAST:
        trail.add("rp_filter", f"drops it: main has no route back to {address_text(skb.source)}", back)
        return False
    if level == STRICT and way.dev != skb.arrives:
        trail.add("rp_filter", f"drops it: main's route back is {way.dev}, and rp_filter is strict", back)
        return False
    trail.add("rp_filter", "passes", back, minor=True)
    return True


def _behind_main(terrain: Terrain, skb: Skb) -> OnWay | MainRoute | None:
    """Return the way back that laneway's rules behind main know; for what ends here, the kernel asks as for its own."""
    asked = Skb(skb.family, skb.protocol, skb.to, skb.source)
    asked.arrives = "" if terrain.is_local(skb.to) else NOT_LOOPBACK
    for rule in terrain.rules(skb.family):
        if rule.priority > MAIN_PRIORITY and rule.action is RuleAction.LOOKUP and _matches(rule, asked):
            found = terrain.route(HOST, rule.target, skb.source)
            if found is not None and not (isinstance(found, OnWay) and found.route.kind is RouteKind.THROW):
                return found
    return None
