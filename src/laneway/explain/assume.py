"""The host that is assumed when none is asked: the one that `laneway lab` would make for the policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.compile.assume import assumed_facts
from laneway.compile.host import compile_host
from laneway.compile.sysctls import FORWARD4, FORWARD6, RP_FILTER_ALL, rp_filter
from laneway.explain.explanation import Ground
from laneway.explain.origin import Origins
from laneway.explain.terrain import Terrain
from laneway.lab.topology import plan_world
from laneway.lanes.allocate import allocate
from laneway.lanes.leases import Leases
from laneway.state.facts import UplinkRoute
from laneway.state.links import HOST
from laneway.state.prefix import ANY, FAMILIES, IPV4, IPV6, Prefix
from laneway.state.routing import RouteKind
from laneway.state.underlay import HostAddress, MainRoute, Underlay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.lab.topology import Topology
    from laneway.policy.model import Address, PolicySet
    from laneway.state.facts import HostFacts
    from laneway.state.host import HostState

FORWARDING = {IPV4: FORWARD4, IPV6: FORWARD6}
KERNEL_METRIC = {IPV4: 0, IPV6: 256}
"""Metric of the route that the kernel makes of an address."""

DEFAULT_METRIC = 1024


def facts_for(policy: PolicySet) -> HostFacts:
    """Return the facts of the host that is assumed for a policy, gateways that it would learn included."""
    facts = assumed_facts(policy)
    gateways, routes, addresses = {}, [], []
    for provider in plan_world(policy).providers:
        for family, side in provider.sides.items():
            if side.gateway is not None:
                gateways[provider.interface, family] = side.gateway.packed
            for each in side.addresses:
                addresses.append((provider.interface, Prefix(each.ip.packed, each.network.prefixlen)))
                if each.network.prefixlen < each.max_prefixlen:
                    to = Prefix(each.network.network_address.packed, each.network.prefixlen)
                    routes.append(UplinkRoute(provider.interface, to, b""))
    return facts._replace(
        gateways=gateways,
        uplink_routes=tuple(dict.fromkeys(routes)),
        addresses=tuple(addresses),
    )


def underlay_for(policy: PolicySet, desired: HostState, facts: HostFacts, *own: Address) -> Underlay:
    """Return the network under `desired`; `own` are further addresses that are the host's."""
    topology = plan_world(policy)
    bridged = [HostAddress(key.link, key.address) for key in desired.addresses if key.netns == HOST]
    addresses = [*_uplink_addresses(topology), *bridged, *(HostAddress("lo", _alone(each)) for each in own)]
    routes = [*_connected(addresses), *_defaults(topology)]
    forwards = {family for family, key in FORWARDING.items() if desired.sysctls.get(key, facts.sysctls.get(key)) == "1"}
    return Underlay(
        tuple(dict.fromkeys(addresses)),
        tuple(dict.fromkeys(routes)),
        forwards=frozenset(forwards),
        reverse_filter=_reverse_filters(addresses, {**facts.sysctls, **desired.sysctls}),
        filters_bridged=frozenset(FAMILIES),
        assumed=True,
    )


def _reverse_filters(addresses: list[HostAddress], sysctls: dict[str, str]) -> dict[str, int]:
    """Return what of each link's and everybody's setting is in effect: the larger (kernel ip-sysctl.rst)."""
    everywhere = int(sysctls.get(RP_FILTER_ALL, "0"))
    return {each.link: max(everywhere, int(sysctls.get(rp_filter(each.link), "0"))) for each in addresses}


def _alone(address: Address) -> Prefix:
    return Prefix(address.packed, address.max_prefixlen)


def _uplink_addresses(topology: Topology) -> Iterator[HostAddress]:
    for provider in topology.providers:
        for family, side in provider.sides.items():
            # The kernel has the IPv6 address that was added last first.
            ordered = side.addresses if family == IPV4 else tuple(reversed(side.addresses))
            for each in ordered:
                further = family == IPV6 and each.ip != side.host
                yield HostAddress(provider.interface, Prefix(each.ip.packed, each.network.prefixlen), further)


def _connected(addresses: list[HostAddress]) -> Iterator[MainRoute]:
    for link, address, _ in addresses:
        below = len(address.address) * 8 - address.length
        if below:
            network = (int.from_bytes(address.address) >> below << below).to_bytes(len(address.address))
            to = Prefix(network, address.length)
            yield MainRoute(to, KERNEL_METRIC[address.family], RouteKind.UNICAST, link)


def _defaults(topology: Topology) -> Iterator[MainRoute]:
    """Yield the host's own default routes, by the first uplink of each family."""
    for family in FAMILIES:
        for provider in topology.carriers(family)[:1]:
            gateway = provider.sides[family].gateway
            via = gateway.packed if gateway else b""
            yield MainRoute(ANY[family], DEFAULT_METRIC, RouteKind.UNICAST, provider.interface, via)


def assumed_host(policy: PolicySet, *own: Address) -> Ground:
    """Return the ground for a policy's packets when no host is asked; `own` are further addresses of the host's."""
    facts = facts_for(policy)
    lanes = allocate(policy, Leases())
    desired = compile_host(policy, lanes, facts)
    return Ground(Terrain(desired, underlay_for(policy, desired, facts, *own)), Origins(policy, lanes))
