"""What should become of a packet, read from the policy alone.

The lab is the judge of the rest of laneway, so it shares no code with the compiler: this is the policy format's
meaning a second time, in the simplest words.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TYPE_CHECKING

from laneway.lab.topology import INTERNET
from laneway.lab.trial import REFUSED, Expected, Outside, Probe, Resident, TheHost

if TYPE_CHECKING:
    from collections.abc import Iterable

    from laneway.lab.topology import Topology
    from laneway.policy.model import Address, PolicySet, Publish, Service, Tenant, TrafficClass, Workload

ICMP = {4: 1, 6: 58}
WITH_PORTS = frozenset({"tcp", "udp"})
BEYOND = INTERNET.removeprefix("_")
"""Who answers for every address that is nobody's here."""


@dataclass(frozen=True, slots=True)
class World:
    """A policy and the lab's world around it."""

    policy: PolicySet
    topology: Topology

    def tenant(self, name: str) -> Tenant:
        """Return a tenant by name."""
        return next(each for each in self.policy.tenants if each.name == name)

    def owner(self, address: Address) -> Tenant | None:
        """Return the tenant whose subnets hold an address."""
        holding = (each for each in self.policy.tenants if any(address in subnet for subnet in each.subnets))
        return next(holding, None)

    def resident(self, address: Address) -> Resident | None:
        """Return the workload that has an address."""
        for tenant in self.policy.tenants:
            for workload in tenant.workloads:
                if address in workload.addresses:
                    return Resident(tenant.name, workload.name)
        return None

    def is_host(self, address: Address) -> bool:
        """Return whether an address is the host's: on an uplink, or the gateway of a tenant's subnet."""
        bridged = (subnet[1] for tenant in self.policy.tenants for subnet in tenant.subnets)
        return address in self.topology.host_addresses() or address in bridged

    def published(self, probe: Probe) -> tuple[Tenant, Resident, int] | None:
        """Return which tenant's workload, and which port of it, a port of the host leads to."""
        for tenant in self.policy.tenants:
            for workload in tenant.workloads:
                for publish in workload.publish:
                    if _asks_for(probe, publish) and address_of(workload, probe.family) is not None:
                        port = probe.port - publish.host_ports.first + publish.ports.first
                        return tenant, Resident(tenant.name, workload.name), port
        return None


def address_of(workload: Workload, family: int) -> Address | None:
    """Return a workload's first address of a family."""
    return next((each for each in workload.addresses if each.version == family), None)


def _asks_for(probe: Probe, publish: Publish) -> bool:
    addressed = publish.host is None or publish.host == probe.to
    return addressed and publish.protocol == probe.protocol and probe.port in publish.host_ports


def judge(world: World, probe: Probe) -> Expected:
    """Return what should become of `probe`: what the policy's own test says, else what the policy implies."""
    if probe.expect is not None:
        if probe.expect.uplink is None and probe.expect.result == "refused":
            return REFUSED
        return Expected(delivered=True, uplink=probe.expect.uplink)
    match probe.sender:
        case Outside(uplink):
            return _from_outside(world, uplink, probe)
        case TheHost():
            return _from_host(world, probe)
        case Resident() as sender:
            return REFUSED if probe.spoofed else _from_workload(world, sender, probe)


def _from_host(world: World, probe: Probe) -> Expected:
    """Return the fate of the host's own packets: main's default route, but for what workloads publish."""
    published = world.published(probe) if world.is_host(probe.to) else None
    if published is not None:
        return Expected(delivered=True, by=str(published[1]))
    carriers = world.topology.carriers(probe.family)
    if not carriers:
        return REFUSED
    return Expected(delivered=True, by=BEYOND, uplink=carriers[0].uplink, source=carriers[0].sides[probe.family].host)


def _from_outside(world: World, uplink: str, probe: Probe) -> Expected:
    if not world.is_host(probe.to):
        return REFUSED
    published = world.published(probe)
    if published is None:
        return Expected(delivered=True, by="host", source=probe.source)
    tenant, resident, _ = published
    if uplink not in tenant.uplinks:
        return REFUSED
    # No address of the asker's may be hidden from the one who is asked.
    return Expected(delivered=True, by=str(resident), source=probe.source)


def _from_workload(world: World, sender: Resident, probe: Probe) -> Expected:
    tenant = world.tenant(sender.tenant)
    owner = world.owner(probe.to)
    home = owner is not None and owner.name == tenant.name
    found = class_of(tenant, probe)
    # What stays inside the tenant's own subnets does not pass the host. A class that refuses is about all the rest.
    if found is not None and found.uplink is None and (not home or world.is_host(probe.to)):
        return REFUSED
    if world.is_host(probe.to):
        published = world.published(probe)
        if published is not None:
            apart = tenant.isolate and published[0].name == tenant.name
            return REFUSED if apart else Expected(delivered=True, by=str(published[1]))
        # Another tenant's gateway is not where the host is to be asked for anything.
        reachable = (owner is None or home) and covers(tenant.host_access, probe)
        return Expected(delivered=True, by="host") if reachable else REFUSED
    if owner is None:
        return _leaving(world, tenant, probe)
    resident = world.resident(probe.to)
    reached = (not tenant.isolate or resident == sender) if home else _allowed(tenant, resident, probe)
    if resident is None or not reached:
        return REFUSED
    return Expected(delivered=True, by=str(resident), source=probe.source)


def _allowed(tenant: Tenant, target: Resident | None, probe: Probe) -> bool:
    holes = (each for each in tenant.allow if target is not None and each.tenant == target.tenant)
    return target is not None and any(
        each.workload in (None, target.workload) and covers(each.services, probe) for each in holes
    )


def covers(services: Iterable[Service], probe: Probe) -> bool:
    """Return whether one of the services is what `probe` asks for."""
    asked = (each for each in services if each.protocol == probe.protocol)
    return any(each.ports is None or probe.port in each.ports for each in asked)


def _leaving(world: World, tenant: Tenant, probe: Probe) -> Expected:
    """Return the fate of a packet for the internet that no class refuses: by route, else by class, else by uplinks."""
    if any(probe.to in route.to for route in tenant.routes):
        return REFUSED  # by a router that the lab does not have, or by a route that refuses
    found = class_of(tenant, probe)
    uplink = tenant.uplinks[0] if found is None or found.uplink is None else found.uplink
    side = world.topology.provider(uplink).sides.get(probe.family)
    if side is None:
        return REFUSED
    return Expected(delivered=True, by=BEYOND, uplink=uplink, source=_seen_as(world, tenant, uplink, probe))


def _seen_as(world: World, tenant: Tenant, name: str, probe: Probe) -> Address | None:
    """Return the source the internet sees: the tenant's own public address, the uplink's, the host's, or as sent."""
    uplink = next(each for each in world.policy.uplinks if each.name == name)
    own = [address for at, address in tenant.snat if at == name and address.version == probe.family]
    shared = [address for address in uplink.snat if address.version == probe.family]
    if own or shared:
        return (own or shared)[0]
    return world.topology.provider(name).sides[probe.family].host if uplink.masquerade else probe.source


def class_of(tenant: Tenant, probe: Probe) -> TrafficClass | None:
    """Return the first class of a tenant that a packet belongs to."""
    return next((each for each in tenant.classes if _matches(each, probe)), None)


def _matches(traffic: TrafficClass, probe: Probe) -> bool:
    match = traffic.match
    numbers = {protocol_number(each, probe.family) for each in (match.protocol, probe.protocol) if each is not None}
    return (
        len(numbers) == 1
        and (not match.ports or any(probe.port in each for each in match.ports))
        and (not match.to or any(probe.to in each for each in match.to))
        and (not match.from_ or (probe.source is not None and any(probe.source in each for each in match.from_)))
        and match.dscp in (None, probe.dscp)
    )


def protocol_number(name: str, family: int) -> int:
    """Return the number of a protocol as a policy names it; ICMP is the family's own; -1 for a name this host lacks."""
    if name in {"icmp", "icmpv6", "ipv6-icmp"}:
        return ICMP[family]
    with suppress(ValueError):
        return int(name)
    with suppress(OSError):
        return socket.getprotobyname(name)
    return -1


def target(world: World, probe: Probe) -> tuple[Resident | TheHost, int] | None:
    """Return who must listen, and at which port, so that only the policy can be the reason for a refusal."""
    if world.is_host(probe.to):
        published = world.published(probe)
        return (TheHost(), probe.port) if published is None else (published[1], published[2])
    resident = world.resident(probe.to)
    return None if resident is None else (resident, probe.port)


def is_elsewhere(world: World, address: Address) -> bool:
    """Return whether the internet plays an address: it is no tenant's, no route's, not the host's and no gateway."""
    special = ("is_unspecified", "is_loopback", "is_multicast", "is_link_local", "is_reserved")
    if any(getattr(address, each) for each in special):
        return False
    known = [each for tenant in world.policy.tenants for each in tenant.subnets]
    known += [route.to for tenant in world.policy.tenants for route in tenant.routes]
    known += [ip_network(each) for each in world.topology.host_addresses()]
    gateways = {side.gateway for each in world.topology.providers for side in each.sides.values()}
    return address not in gateways and not any(address in each for each in known)


def is_free(world: World, address: Address) -> bool:
    """Return whether an address is nobody's that the policy knows, and in nobody's network."""
    known = [side.network for each in world.topology.providers for side in each.sides.values()]
    known += [each for one in world.topology.providers for side in one.sides.values() for each in side.routed]
    return is_elsewhere(world, address) and not any(address in each for each in known)
