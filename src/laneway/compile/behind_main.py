"""What is asked when table main has no route: each uplink goes on when the one with main's only default fails.

Two look-ups of the kernel's are made without a lane's mark. An answer of the host's own is routed before mangle gives
it its flow's mark (ip_queue_xmit, ip6_xmit), and a packet for which there is no route is none that could be given one.
And rp_filter asks whether there is a way back to whoever sent a packet (fib_validate_source). Both are main's to
decide, and laneway's rules for them come behind it: while main has a default they are not reached, and cost nothing.

What has an uplink's address as its source goes by the host's own lane by that uplink. Nothing else that the host sends
finds a way here that main does not know. The way back to a sender is of no consequence but that there is one, so that
the route leads nowhere: a packet of others' that is routed by it comes back on the loopback link, where nothing here
matches it, and is refused as before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.state.links import HOST
from laneway.state.prefix import ANY, IPV4, Prefix, inside, is_link_local, network_of
from laneway.state.routing import (
    ANSWERS_PRIORITY,
    REVERSE_PATH_PRIORITY,
    FibRule,
    Route,
    RouteKey,
    RouteKind,
    RuleAction,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from laneway.compile.scene import Scene
    from laneway.state.host import HostState

LOOPBACK = "lo"


def follow_main(scene: Scene, state: HostState) -> None:
    """Add what is looked up behind main to `state`."""
    interfaces = {way.uplink.interface for way in scene.ways}
    networks = uplink_networks(each for each in scene.facts.addresses if each[0] in interfaces)
    for way in scene.ways:
        table = scene.lanes.table(scene.lanes.host_mark(way.uplink.name))
        for interface, network in networks:
            if interface == way.uplink.interface:
                asks = f"from {network} iif {LOOPBACK}"
                rule = FibRule(network.family, ANSWERS_PRIORITY, RuleAction.LOOKUP, target=table, more=asks)
                state.fib_rules[rule] = None
    table = scene.lanes.reverse_path
    # The link of a packet that is looked up backwards is the one that it would leave by, for the host itself `lo`.
    asks = f"iif {LOOPBACK}"
    backwards = FibRule(IPV4, REVERSE_PATH_PRIORITY, RuleAction.LOOKUP, target=table, inverted=True, more=asks)
    state.fib_rules[backwards] = None
    state.routes[RouteKey(HOST, table, ANY[IPV4], 0)] = Route(RouteKind.UNICAST, LOOPBACK)


def uplink_networks(addresses: Iterable[tuple[str, Prefix]]) -> tuple[tuple[str, Prefix], ...]:
    """Return the networks of these addresses of uplinks by interface; of one that two uplinks share, the addresses."""
    known = {(link, address) for link, address in addresses if not is_link_local(address)}
    networks = {(link, network_of(address)) for link, address in known}
    found = set()
    for link, address in known:
        network = network_of(address)
        shared = any(inside(network, each) or inside(each, network) for other, each in networks if other != link)
        found.add((link, Prefix(address.address, len(address.address) * 8) if shared else network))
    return tuple(
        sorted(
            (link, network)
            for link, network in found
            if not any(inside(network, each) and network != each for other, each in found if other == link)
        )
    )
