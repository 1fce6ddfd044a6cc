"""The policy with its numbers filled in: what every part of the compiler starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.policy.model import AUTO, ONLINK
from laneway.policy.names import bridge_name, netns_name, veth_name
from laneway.state.gateways import refused_gateway
from laneway.state.prefix import FAMILIES, IPV4, IPV6, Prefix, of_network

if TYPE_CHECKING:
    from laneway.lanes.allocate import Lanes
    from laneway.policy.model import PolicySet, Tenant, TenantRoute, Uplink, Workload
    from laneway.state.facts import HostFacts
    from laneway.state.marks import FwMark


class Way(NamedTuple):
    """An uplink as the host can use it now."""

    uplink: Uplink
    number: int
    up: bool  # its interface exists and is up; otherwise its lanes are built closed
    gateways: dict[int, bytes | None]  # by family; empty bytes: the device is enough; None: no way in that family


class Lane(NamedTuple):
    """One tenant by one uplink."""

    way: Way
    mark: FwMark
    table: int


class Resident(NamedTuple):
    """A tenant with its numbers, names and prefixes."""

    tenant: Tenant
    owner: int
    bridge: str
    subnets: dict[int, tuple[Prefix, ...]]  # on the bridge, by family
    routed: dict[int, tuple[tuple[Prefix, bytes], ...]]  # behind a router on the bridge: (prefix, router)
    refusals: dict[int, tuple[TenantRoute, ...]]
    lanes: tuple[Lane, ...]  # in the tenant's order of preference

    def prefixes(self, family: int) -> tuple[Prefix, ...]:
        """Return every prefix whose packets are the tenant's."""
        return self.subnets[family] + tuple(to for to, _ in self.routed[family])

    def netns(self, workload: Workload) -> str:
        """Return the name of a workload's network namespace."""
        return netns_name(self.tenant.name, workload.name)

    def veth(self, workload: Workload) -> str:
        """Return the name of the host's end of a workload's veth pair."""
        return veth_name(self.tenant.name, workload.name)


class Scene(NamedTuple):
    """All that is compiled, resolved once."""

    policy: PolicySet
    lanes: Lanes
    facts: HostFacts
    ways: tuple[Way, ...]
    residents: tuple[Resident, ...]


def scene(policy: PolicySet, lanes: Lanes, facts: HostFacts) -> Scene:
    """Return `policy` resolved against its numbers and the host's facts."""
    ways = {uplink.name: _way(uplink, lanes.uplinks[uplink.name], facts) for uplink in policy.uplinks}
    residents = tuple(_resident(tenant, lanes, ways) for tenant in policy.tenants)
    return Scene(policy, lanes, facts, tuple(ways.values()), residents)


def _way(uplink: Uplink, number: int, facts: HostFacts) -> Way:
    gateways: dict[int, bytes | None] = {}
    for family, gateway in ((IPV4, uplink.gateway4), (IPV6, uplink.gateway6)):
        if gateway == AUTO:
            gateways[family] = facts.gateways.get((uplink.interface, family))
        elif gateway == ONLINK:
            gateways[family] = b""
        else:
            refused = gateway is None or refused_gateway(
                uplink.interface,
                gateway.packed,
                facts.addresses,
                [(each.interface, each.to) for each in facts.uplink_routes],
            )
            gateways[family] = None if refused or gateway is None else gateway.packed
    return Way(uplink, number, uplink.interface in facts.interfaces, gateways)


def _resident(tenant: Tenant, lanes: Lanes, ways: dict[str, Way]) -> Resident:
    subnets: dict[int, list[Prefix]] = {IPV4: [], IPV6: []}
    for network in tenant.subnets:
        subnets[network.version].append(of_network(network))
    routed: dict[int, list[tuple[Prefix, bytes]]] = {IPV4: [], IPV6: []}
    refusals: dict[int, list[TenantRoute]] = {IPV4: [], IPV6: []}
    for route in tenant.routes:
        if route.via is None:
            refusals[route.to.version].append(route)
        else:
            routed[route.to.version].append((of_network(route.to), route.via.packed))
    own = []
    for name in tenant.uplinks:
        mark = lanes.mark(tenant.name, name)
        own.append(Lane(ways[name], mark, lanes.table(mark)))
    return Resident(
        tenant,
        lanes.owners[tenant.name],
        bridge_name(tenant.name),
        {family: tuple(subnets[family]) for family in FAMILIES},
        {family: tuple(routed[family]) for family in FAMILIES},
        {family: tuple(refusals[family]) for family in FAMILIES},
        tuple(own),
    )
