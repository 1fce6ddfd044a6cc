"""Which packets to send: from the policy, every promise it makes and the nearest things it does not promise."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from itertools import islice
from typing import TYPE_CHECKING

from laneway.lab.judge import ICMP, WITH_PORTS, World, address_of, class_of, is_elsewhere, is_free, protocol_number
from laneway.lab.overlaps import common
from laneway.lab.trial import Outside, Probe, Resident, TheHost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.policy.model import Address, Network, Ports, Publish, Tenant, TrafficClass, Workload

POOLS: dict[int, tuple[str, ...]] = {
    4: ("203.0.113.0/24", "198.51.100.0/24", "198.18.0.0/16", "192.0.2.0/24", "8.0.0.0/16"),
    6: ("2001:db8:ffff::/64", "2001:db8:fffe::/64", "2a00:ffff::/64"),
}
"""Where the lab's made-up internet hosts live, the documentation prefixes first (RFC 5737, RFC 3849)."""

TRANSPORTS = ("tcp", "udp", "icmp")
FAMILIES = (4, 6)
RIVALS = 3
"""Later classes that a class is held against."""

HERE = {4: ip_address("127.0.0.1"), 6: ip_address("::1")}

WIDE = 3
"""Prefixes of at most this length hold much that is no unicast address: the lab's own hosts stand for them."""

SEARCH = 1 << 12
"""Addresses of a network that are looked at for one that no probe is for."""

LIMIT = 4000
"""Probes of one run; a policy that asks for more gets a part of the tenant-to-tenant ones."""


def plan_probes(world: World) -> tuple[Probe, ...]:
    """Return the probes of a policy, in the order a reader follows: tenant by tenant, the explicit ones last."""
    writer = _Writer(world)
    probes: list[Probe] = []
    crowd = [(tenant, workload) for tenant in world.policy.tenants for workload in tenant.workloads]
    reach = max(1, LIMIT // max(1, 20 * len(crowd)))
    for place, (tenant, workload) in enumerate(crowd):
        # With many workloads each tries those that come next, so that all are tried by somebody.
        others = (crowd[place + 1 :] + crowd[:place])[:reach]
        for family in FAMILIES:
            if address_of(workload, family) is not None:
                probes += writer.outward(tenant, workload, family)
                probes += writer.inward(tenant, workload, family)
                probes += writer.sideways(tenant, workload, family, others)
    for family in FAMILIES:
        probes += writer.host(family)
    probes += writer.explicit()
    return tuple(dict.fromkeys(probes))


def internet_host(world: World) -> Address:
    """Return the first of the lab's made-up internet hosts: in IPv4, unless no uplink carries that."""
    family = 4 if world.topology.carriers(4) else 6
    return next(_free_hosts(world, family))


def _free_hosts(world: World, family: int) -> Iterator[Address]:
    narrow = [each for tenant in world.policy.tenants for one in tenant.classes for each in one.match.to]
    for text in POOLS[family]:
        network = ip_network(text)
        if any(each.prefixlen and each.version == family and each.overlaps(network) for each in narrow):
            continue
        for number in range(9, min(network.num_addresses - 1, 1 << 14)):
            if is_free(world, network[number]):
                yield network[number]


class _Writer:
    """Writes probes; all it remembers is which internet addresses are taken, so that each probe can have its own."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.quiet = _quiet_port(world)
        self._asked: set[Address] = set()
        self._pools = {family: _free_hosts(world, family) for family in FAMILIES}

    def outward(self, tenant: Tenant, workload: Workload, family: int) -> Iterator[Probe]:
        """Yield a workload's packets to the internet: those no class is about, and those each is about."""
        sender = Resident(tenant.name, workload.name)
        source = address_of(workload, family)
        for protocol in TRANSPORTS:
            port = 0 if protocol == "icmp" else self._plain_port(tenant, protocol, family, source)
            probe = Probe(sender, next(self._pools[family]), protocol, port, source, group=tenant.name)
            yield self._named(tenant, probe)
        for traffic in tenant.classes:
            for address in workload.addresses:
                if address.version == family:
                    yield from self._about(tenant, traffic, sender, address)
        for address in workload.addresses:
            if address.version == family:
                yield from self._overlapping(tenant, sender, address)
        for route in tenant.routes:
            if route.to.version == family and route.kind != "unicast" and route.to.prefixlen:
                whom = f"{route.to} ({route.kind})"
                probe = Probe(sender, _inside(route.to, 1), "udp", self.quiet, source, group=tenant.name)
                yield replace(probe, kind="route", whom=whom)
        yield from self._spoof(tenant, sender, family)

    def _plain_port(self, tenant: Tenant, protocol: str, family: int, source: Address | None) -> int:
        somewhere = ip_address("203.0.113.9" if family == 4 else "2001:db8:ffff::9")  # noqa: PLR2004
        sender = Resident(tenant.name, "")
        for port in (443, 80, 25, self.quiet):
            if class_of(tenant, Probe(sender, somewhere, protocol, port, source)) is None:
                return port
        return 443

    def _about(self, tenant: Tenant, traffic: TrafficClass, sender: Resident, source: Address) -> Iterator[Probe]:
        """Yield packets that a class is about, and ones that just miss it."""
        match = traffic.match
        for protocol in TRANSPORTS if match.protocol is None else (_probe_protocol(match.protocol, source.version),):
            for port in _edges(match.ports) if match.ports else (self._default_port(protocol),):
                for to in self._destinations(match.to, source.version, alone=protocol not in TRANSPORTS):
                    for dscp in dict.fromkeys((match.dscp or 0, 0)):
                        probe = Probe(sender, to, protocol, port, source, dscp, group=tenant.name)
                        if is_elsewhere(self.world, to):
                            self._asked.add(to)
                            yield self._named(tenant, probe)

    def _overlapping(self, tenant: Tenant, sender: Resident, source: Address) -> Iterator[Probe]:
        """Yield packets that two classes would have and that must go the first one's way."""
        for place, first in enumerate(tenant.classes):
            rivals = [each for each in tenant.classes[place + 1 :] if each.uplink != first.uplink]
            matches = (common(first.match, each.match, source.version) for each in rivals)
            for match in islice((each for each in matches if each is not None), RIVALS):
                both = first._replace(match=match)
                yield from islice(self._about(tenant, both, sender, source), 1)

    def _named(self, tenant: Tenant, probe: Probe) -> Probe:
        found = class_of(tenant, probe)
        kind = "internet" if found is None else f"class {found.name}"
        return replace(probe, kind=kind, whom=kind)

    def _default_port(self, protocol: str) -> int:
        return self.quiet if protocol in WITH_PORTS else 0

    def _destinations(self, networks: tuple[Network, ...], family: int, *, alone: bool) -> Iterator[Address]:
        if not networks:
            yield next(self._pools[family])
        for network in networks:
            if network.version != family:
                continue
            if network.prefixlen <= WIDE:
                yield from islice((each for each in self._pools[family] if each in network), 1)
            elif alone:
                # Two flows of a protocol without ports, from one source after NAT, cannot be told apart.
                first = int(network.num_addresses > 1)
                unused = (each for each in islice(network, first, SEARCH) if each not in self._asked)
                yield from islice(unused, 1)
            else:
                yield _inside(network, 1)
                yield _inside(network, -2)
                beyond = int(network.broadcast_address) + 10
                if beyond < 1 << network.max_prefixlen:
                    yield type(network.network_address)(beyond)

    def _spoof(self, tenant: Tenant, sender: Resident, family: int) -> Iterator[Probe]:
        """Yield packets with others' source addresses: another tenant's, or if there is none a stranger's; the host's.

        The tenant's own subnet holds those: its gateway, and in IPv4 everybody, in IPv6 all routers.
        """
        others = (each for one in self.world.policy.tenants if one.name != tenant.name for each in one.workloads)
        lent = next((address for each in others if (address := address_of(each, family)) is not None), None)
        subnet = next(each for each in tenant.subnets if each.version == family)
        everybody = -1 if family == 4 else 0  # noqa: PLR2004
        for source in (lent or next(self._pools[family]), _inside(subnet, 1), _inside(subnet, everybody)):
            to, whom = next(self._pools[family]), "internet, forged source"
            yield Probe(sender, to, "udp", 53, source, spoofed=True, group=tenant.name, kind="forged", whom=whom)

    def inward(self, tenant: Tenant, workload: Workload, family: int) -> Iterator[Probe]:
        """Yield the internet's packets to what a workload publishes, and to what it does not, by every uplink."""
        for provider in self.world.topology.carriers(family):
            side = provider.sides[family]
            asker = Outside(provider.uplink)
            for publish in workload.publish:
                to = publish.host or side.host
                if to in side.exact and address_of(workload, family) is not None:
                    for port in _edges((publish.host_ports,), beside=False):
                        probe = self._ask(asker, to, publish.protocol, port)
                        whom = f"{workload.name} {_label(publish)}"
                        yield replace(probe, group=tenant.name, kind="published", whom=whom)
            address = address_of(workload, family)
            if address is not None:
                probe = self._ask(asker, address, "tcp", self.quiet)
                yield replace(probe, group=tenant.name, kind="direct", whom=f"{workload.name} unpublished")

    def _ask(self, asker: Outside, to: Address, protocol: str, port: int) -> Probe:
        return Probe(asker, to, protocol, port, next(self._pools[to.version]))

    def sideways(
        self, tenant: Tenant, workload: Workload, family: int, others: list[tuple[Tenant, Workload]]
    ) -> Iterator[Probe]:
        """Yield a workload's packets to its neighbours, to other tenants, to the host, and to published ports."""
        source = address_of(workload, family)
        if source is None:
            return
        draft = Probe(Resident(tenant.name, workload.name), source, "tcp", source=source, group=tenant.name)
        for other, target in others:
            address = address_of(target, family)
            if address is not None:
                own = other.name == tenant.name
                kind, whom = ("neighbour", target.name) if own else ("stranger", f"{other.name}/{target.name}")
                yield from self._all_ways(replace(draft, to=address, kind=kind, whom=whom))
                for protocol, port in _allowed(tenant, other, target):
                    yield replace(draft, to=address, protocol=protocol, port=port, kind="allow", whom=f"{whom} (allow)")
        for owner, publisher in ((tenant, workload), *others):
            for publish in publisher.publish if address_of(publisher, family) is not None else ():
                yield from self._published(draft, owner, publish)
        yield from self._host_services(draft, tenant, others)

    def _all_ways(self, draft: Probe, protocols: tuple[str, ...] = TRANSPORTS) -> Iterator[Probe]:
        for protocol in protocols:
            yield replace(draft, protocol=protocol, port=0 if protocol == "icmp" else self.quiet)

    def _published(self, draft: Probe, owner: Tenant, publish: Publish) -> Iterator[Probe]:
        """Yield a packet to a published port of the host, from inside."""
        carriers = self.world.topology.carriers(draft.family)
        if not carriers or (publish.host is not None and publish.host.version != draft.family):
            return
        address = publish.host or carriers[0].sides[draft.family].host
        own = owner.name == draft.group
        if self.world.is_host(address):
            kind, whose = ("hairpin", "its own") if own else ("neighbourly", f"{owner.name}'s")
            whom = f"{whose} {_label(publish)}"
            port = publish.host_ports.first
            yield replace(draft, to=address, protocol=publish.protocol, port=port, kind=kind, whom=whom)

    def _host_services(self, draft: Probe, tenant: Tenant, others: list[tuple[Tenant, Workload]]) -> Iterator[Probe]:
        family = draft.family
        own = [each[1] for each in tenant.subnets if each.version == family]
        foreign = [each for other, _ in others if other.name != tenant.name for each in other.subnets]
        alien = [each[1] for each in foreign if each.version == family]
        uplinks = [each.sides[family].host for each in self.world.topology.carriers(family)]
        for service in tenant.host_access if own else ():
            port = 0 if service.ports is None else service.ports.first
            yield replace(
                draft, to=own[0], protocol=service.protocol, port=port, kind="host_access", whom="the host, host_access"
            )
        for address in alien[:1]:
            yield replace(draft, to=address, protocol="icmp", port=0, kind="alien", whom="others' gateways")
        for address in dict.fromkeys((*own[:1], *alien[:1], *uplinks[:1])):
            yield from self._all_ways(
                replace(draft, to=address, kind="host", whom="the host's services"), ("tcp", "udp")
            )

    def host(self, family: int) -> Iterator[Probe]:
        """Yield the host's own packets out, and the internet's to the host's own services, by every uplink."""
        carriers = self.world.topology.carriers(family)
        for protocol in TRANSPORTS if carriers else ():
            port = 0 if protocol == "icmp" else 443
            probe = Probe(TheHost(), next(self._pools[family]), protocol, port, group="host")
            yield replace(probe, kind="internet", whom="internet")
        for tenant in self.world.policy.tenants:
            for workload in tenant.workloads:
                for publish in workload.publish if address_of(workload, family) is not None else ():
                    yield from self._published(Probe(TheHost(), HERE[family], "tcp", group="host"), tenant, publish)
        for provider in carriers:
            for protocol in TRANSPORTS:
                port = 0 if protocol == "icmp" else self.quiet
                address = provider.sides[family].host
                probe = self._ask(Outside(provider.uplink), address, protocol, port)
                yield replace(probe, group="host", kind="service", whom="the host's services")
            probe = self._ask(Outside(provider.uplink), next(self._pools[family]), "udp", self.quiet)
            yield replace(probe, group="host", kind="transit", whom="through the host")

    def explicit(self) -> Iterator[Probe]:
        """Yield what the policy's own tests ask for."""
        for expect in self.world.policy.expects:
            tenant, _, name = expect.from_.partition("/")
            sender: Resident | Outside
            if name:
                sender = Resident(tenant, name)
                workload = next(each for each in self.world.tenant(tenant).workloads if each.name == name)
                source, group = address_of(workload, expect.to.version), tenant
            else:
                uplink = expect.arrives or self.world.topology.providers[0].uplink
                sender, source, group = Outside(uplink), ip_address(expect.from_), "host"
            probe = Probe(sender, expect.to, expect.protocol, expect.port or 0, source, group=group, expect=expect)
            port = f":{expect.port}" if expect.port else ""
            yield replace(probe, kind="expect", whom=f"{expect.to}{port} (expect)")


def _label(publish: Publish) -> str:
    at = f"{publish.host}:" if publish.host is not None else ""
    return f"{at}{publish.host_ports}/{publish.protocol}"


def _allowed(tenant: Tenant, other: Tenant, target: Workload) -> Iterator[tuple[str, int]]:
    for hole in tenant.allow:
        if hole.tenant == other.name and hole.workload in (None, target.name):
            for service in hole.services:
                for port in (0,) if service.ports is None else _edges((service.ports,), beside=False):
                    yield service.protocol, port


def _edges(ranges: tuple[Ports, ...], *, beside: bool = True) -> tuple[int, ...]:
    """Return the first and the last port of each range, and with `beside` the ports next to them."""
    ports: list[int] = []
    for each in ranges:
        ports += [each.first, each.last]
    for each in ranges if beside else ():
        ports += [each.first - 1, each.last + 1]
    return tuple(dict.fromkeys(port for port in ports if 0 < port < 1 << 16))


def _inside(network: Network, number: int) -> Address:
    """Return an address of a network, or of a network of one address that one."""
    count = network.num_addresses
    return network[number % count]


def _probe_protocol(name: str, family: int) -> str:
    """Return a class' protocol in the terms of a probe: the three by name, any other by number."""
    number = protocol_number(name, family)
    return {6: "tcp", 17: "udp", ICMP[family]: "icmp"}.get(number, str(number))


def _quiet_port(world: World) -> int:
    """Return a port that the policy does not mention."""
    used: list[Ports] = []
    for tenant in world.policy.tenants:
        services = (*tenant.host_access, *(each for hole in tenant.allow for each in hole.services))
        used += [each.ports for each in services if each.ports is not None]
        used += [each for one in tenant.classes for each in one.match.ports]
        published = [publish for one in tenant.workloads for publish in one.publish]
        used += [each for publish in published for each in (publish.host_ports, publish.ports)]
    expected = {each.port for each in world.policy.expects}
    free = (port for port in range(7777, 1 << 16) if port not in expected and not any(port in each for each in used))
    return next(free, 7777)
