"""Lane tables: where a lane leads, and that it leads nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.state.links import HOST
from laneway.state.prefix import ANY, FAMILIES, IPV6, Prefix, inside, of_network
from laneway.state.routing import IPV6_METRIC, TERMINATOR_METRIC, Route, RouteKey, RouteKind

if TYPE_CHECKING:
    from laneway.compile.scene import Lane, Resident, Scene, Way
    from laneway.state.facts import HostFacts
    from laneway.state.host import HostState

MOST_BESIDE = 64
"""Routes of main's by an uplink that every lane by it repeats: with more, as a routing daemon has, neighbours alone."""

CLOSED = Route(RouteKind.UNREACHABLE)
ASK_MAIN = Route(RouteKind.THROW)
"""Ends the look-up in this table; the rules that follow lead to main (ip-route(8))."""


def route_lanes(scene: Scene, state: HostState) -> None:
    """Add every lane's routes to `state`."""
    crossing = scene.lanes.table(scene.lanes.field.crossing)
    for family in FAMILIES:
        state.routes[_key(crossing, ANY[family], TERMINATOR_METRIC)] = CLOSED
    for resident in scene.residents:
        _home(resident, crossing, state)
        for lane in resident.lanes:
            _home(resident, lane.table, state)
            _away(resident, lane.table, state)
            _beside(resident, lane, scene.facts, state)
            _default(lane.way, lane.table, state)
            for family in FAMILIES:
                # When the uplink goes down the kernel takes its routes away; what stays must refuse.
                state.routes[_key(lane.table, ANY[family], TERMINATOR_METRIC)] = CLOSED
    for way in scene.ways:
        _host_lane(scene, way, state)


def _home(resident: Resident, table: int, state: HostState) -> None:
    """Add the ways to the tenant's own prefixes: a reply's mark is its lane's, and must find home there."""
    onlink = Route(RouteKind.UNICAST, resident.bridge)
    for family in FAMILIES:
        metric = IPV6_METRIC if family == IPV6 else 0
        for subnet in resident.subnets[family]:
            state.routes[RouteKey(HOST, table, subnet, metric)] = onlink
        for to, via in resident.routed[family]:
            state.routes[RouteKey(HOST, table, to, metric)] = Route(RouteKind.UNICAST, resident.bridge, via)


def _away(resident: Resident, table: int, state: HostState) -> None:
    for family in FAMILIES:
        for route in resident.refusals[family]:
            state.routes[_key(table, of_network(route.to))] = Route(RouteKind(route.kind))


def _beside(resident: Resident, lane: Lane, facts: HostFacts, state: HostState) -> None:
    """Add what main knows by the lane's uplink: neighbours on its link, and what is behind other routers there.

    By the gateway a neighbour's answer would go a way that its question did not come, where a stateful firewall drops
    it. What is the tenant's own stays at home, and what its policy refuses is refused.
    """
    if not lane.way.up:
        return
    known = [each for each in facts.uplink_routes if each.interface == lane.way.uplink.interface]
    known = [each for each in known if each.to.length and not each.by_main]
    if len(known) > MOST_BESIDE:
        known = [each for each in known if not each.via]
    for route in known[:MOST_BESIDE]:
        family = route.to.family
        apart = (*resident.prefixes(family), *(of_network(each.to) for each in resident.refusals[family]))
        if lane.way.gateways[family] is not None and not any(inside(route.to, each) for each in apart):
            state.routes[_key(lane.table, route.to)] = Route(RouteKind.UNICAST, route.interface, route.via)


def _default(way: Way, table: int, state: HostState) -> None:
    for family in FAMILIES:
        gateway = way.gateways[family]
        if way.up and gateway is not None:
            state.routes[_key(table, ANY[family])] = Route(RouteKind.UNICAST, way.uplink.interface, gateway)


def _host_lane(scene: Scene, way: Way, state: HostState) -> None:
    """Add what main knows by this uplink: the host's own services answer neighbours and static routes as before.

    There is no terminator here: when the table is empty, the host's answers go by main, as without laneway.
    """
    table = scene.lanes.table(scene.lanes.host_mark(way.uplink.name))
    _default(way, table, state)
    if not way.up:
        return
    for route in scene.facts.uplink_routes:
        if route.interface == way.uplink.interface and route.to.length:
            knows = Route(RouteKind.UNICAST, route.interface, route.via)
            state.routes[_key(table, route.to)] = ASK_MAIN if route.by_main else knows


def _key(table: int, to: Prefix, metric: int | None = None) -> RouteKey:
    if metric is None:
        metric = IPV6_METRIC if to.family == IPV6 else 0
    return RouteKey(HOST, table, to, metric)
