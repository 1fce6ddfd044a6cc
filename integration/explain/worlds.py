"""Policies and packets at random, made so that they meet: ports that rules are about, addresses on either side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from laneway.lab.trial import Outside, Probe, Resident, TheHost

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from laneway.lab.judge import World
    from laneway.policy.model import Address, Network, Ports, Tenant, Workload

Document = dict[str, Any]

UPLINKS = ("north", "south", "west")
TENANTS = ("acme", "globex", "initech", "umbrella-corporation")
WORKLOADS = ("web", "db", "app")
INTERNET = {
    4: ("203.0.113.0/24", "198.51.100.0/25", "198.18.0.0/16", "8.8.8.0/24"),
    6: ("2001:db8:ffff::/64", "2001:db8:fffe::/64", "2a00:ffff::/64"),
}
PORTS = (22, 25, 53, 80, 443, 5432, 8080, 8081, 9000, 9005, 33434)
HOSTS_OF_THEIR_OWN = 0.2
"""How often a policy has other marks than most."""

GATEWAYS: tuple[Any, ...] = ("both", "both", "both", "both", "v4", "v6", "auto", "none")


def random_policy(draw: Random) -> Document:
    """Return the TOML tables of a policy that should be valid."""
    names = UPLINKS[: draw.choice((1, 2, 2, 2, 3))]
    uplinks = {name: _uplink(draw, number) for number, name in enumerate(names)}
    published = iter(draw.sample(range(8000, 9000), 60))
    tenants: Document = {}
    for number, name in enumerate(TENANTS[: draw.choice((1, 2, 2, 3, 3, 4))]):
        tenants[name] = _tenant(draw, number, uplinks, published)
    for name, tenant in tenants.items():
        _allow(draw, name, tenant, tenants)
    document = {"uplinks": uplinks, "tenants": tenants}
    if draw.random() < HOSTS_OF_THEIR_OWN:
        marks, bits = draw.choice((("0x0000fff0", 3), ("0xff000000", 7), ("0x7fff", 15)))
        document["host"] = {"marks": marks, "max_uplinks": bits, "priorities": "100-30000"}
    return document


def _uplink(draw: Random, number: int) -> Document:
    ipv4, ipv6 = f"100.{64 + number}.1.1", f"2001:db8:{number + 10:x}::1"
    chosen = draw.choice(GATEWAYS)
    uplink: Document = {"interface": f"eth{number}"}
    both = {"both": [ipv4, ipv6], "v4": [ipv4], "v6": [ipv6], "auto": "auto"}
    if chosen in both:
        uplink["gateways"] = both[chosen]
    nat = draw.choice(("default", "default", "none", "snat"))
    if nat == "none":
        uplink["masquerade"] = False
    if nat == "snat" and chosen == "both":
        uplink["snat"] = draw.choice(([f"100.{64 + number}.1.7"], [f"2001:db8:{number + 10:x}::7"]))
    return uplink


def _tenant(draw: Random, number: int, uplinks: Document, published: Any) -> Document:
    families = draw.choice(((4,), (6,), (4, 6), (4, 6), (4, 6)))
    subnets = [f"10.{20 + number}.0.0/24" if family == 4 else f"fd00:{20 + number}::/64" for family in families]
    if draw.random() < 0.15:
        subnets.append(f"10.{120 + number}.0.0/26" if families[0] == 4 else f"fd00:{120 + number}::/64")
    order = draw.sample(sorted(uplinks), draw.randint(1, len(uplinks)))
    tenant: Document = {"subnets": subnets, "uplinks": order, "workloads": {}}
    for position, name in enumerate(WORKLOADS[: draw.choice((1, 1, 2, 3))]):
        tenant["workloads"][name] = _workload(draw, position, subnets, published)
    tenant["classes"] = [_class(draw, f"c{each}", order, families) for each in range(draw.choice((0, 0, 1, 2, 4)))]
    if draw.random() < 0.5:
        tenant["host_access"] = draw.sample(("icmp", "53/udp", "22/tcp", "8000-8999/tcp", "9000-9010/udp"), 2)
    if draw.random() < 0.3:
        family = draw.choice(families)
        to = f"172.{16 + number}.0.0/16" if family == 4 else f"2001:db8:fffe:{number:x}::/64"
        tenant["routes"] = [{"to": to, "type": draw.choice(("blackhole", "unreachable", "prohibit"))}]
    if draw.random() < 0.25:
        name = order[0]
        if uplinks[name].get("gateways") not in (None, "auto") and 4 in families:
            own = [each for each in uplinks[name]["gateways"] if ":" not in each]
            tenant["snat"] = {name: [each.rpartition(".")[0] + f".{20 + number}" for each in own]}
    return {key: value for key, value in tenant.items() if value or key == "host_access"}


def _workload(draw: Random, position: int, subnets: Sequence[str], published: Any) -> Document:
    own = [each for each in subnets if len(subnets) == 1 or draw.random() < 0.85] or [subnets[0]]
    workload: Document = {"addresses": [str(ip_network(each)[10 + position]) for each in own]}
    for _ in range(draw.choice((0, 1, 1, 2))):
        port, inside = next(published), draw.choice((80, 53, 443, 8080, 3000))
        host = ""
        if draw.random() < 0.2 and any(":" not in each for each in own):
            host = draw.choice(("100.64.1.2:", "100.65.1.2:", "100.64.1.50:"))
        kind = draw.choice(("tcp", "udp"))
        workload.setdefault("publish", []).append(f"{host}{port}:{inside}/{kind}")
    return workload


def _class(draw: Random, name: str, uplinks: Sequence[str], families: Sequence[int]) -> Document:
    match: Document = {}
    if draw.random() < 0.7:
        match["protocol"] = draw.choice(("tcp", "udp", "tcp", "udp", "icmp", "gre"))
        if match["protocol"] in {"tcp", "udp"} and draw.random() < 0.8:
            match["ports"] = draw.sample((443, "8000-8999", 53, 80, "5000-6000", 9005), draw.randint(1, 3))
    family = draw.choice(families)
    if draw.random() < 0.3:
        match["to"] = draw.sample(INTERNET[family], draw.randint(1, 2))
    if draw.random() < 0.2:
        match["from"] = [f"10.{draw.randint(20, 23)}.0.0/28" if family == 4 else f"fd00:{draw.randint(20, 23)}::/112"]
    if draw.random() < 0.2:
        match["dscp"] = draw.choice((0, "af11", "ef"))
    if draw.random() < 0.7:
        return {"name": name, "match": match, "uplink": draw.choice(uplinks)}
    return {"name": name, "match": match, "action": draw.choice(("reject", "drop"))}


def _allow(draw: Random, name: str, tenant: Document, tenants: Document) -> None:
    others = [each for each in tenants if each != name]
    if others and draw.random() < 0.4:
        other = draw.choice(others)
        whom = draw.choice((other, f"{other}/{draw.choice(sorted(tenants[other]['workloads']))}"))
        ports = draw.sample(("5432/tcp", "53/udp", "icmp", "8000-8999/tcp", "80/tcp"), draw.randint(1, 3))
        tenant["allow"] = [{"to": whom, "ports": ports}]


@dataclass(frozen=True)
class Crowd:
    """Who can send in a world, and to where it is worth sending."""

    world: World
    draw: Random

    def probes(self, count: int) -> tuple[Probe, ...]:
        """Return different packets, as many as there can be up to `count`."""
        found: dict[Probe, None] = {}
        for _ in range(count * 4):
            if len(found) >= count:
                break
            probe = self._probe()
            if probe is not None:
                found[probe] = None
        return tuple(found)

    def _probe(self) -> Probe | None:
        family = self.draw.choice((4, 6))
        roll = self.draw.random()
        if roll < 0.66:
            return self._from_workload(family)
        return self._from_outside(family) if roll < 0.92 else self._from_host(family)

    def _residents(self) -> list[tuple[Tenant, Workload]]:
        return [(tenant, each) for tenant in self.world.policy.tenants for each in tenant.workloads]

    def _from_workload(self, family: int) -> Probe | None:
        tenant, workload = self.draw.choice(self._residents())
        own = [each for each in workload.addresses if each.version == family]
        if not own:
            return None
        to = self._target(family)
        probe = self._shaped(Probe(Resident(tenant.name, workload.name), to, "tcp", source=self.draw.choice(own)))
        if to in own:
            return None
        if self.draw.random() < 0.06:
            return self._forged(probe, family)
        return probe

    def _forged(self, probe: Probe, family: int) -> Probe:
        source = self.draw.choice((self._internet(family), self._inside(family)))
        known = {each for _, workload in self._residents() for each in workload.addresses}
        if source in known or self.world.owner(source) is not None:
            source = self._internet(family)
        return replace(probe, protocol="udp", port=53, source=source, spoofed=True, dscp=0)

    def _from_outside(self, family: int) -> Probe | None:
        carriers = self.world.topology.carriers(family)
        if not carriers:
            return None
        to = self._host(family) if self.draw.random() < 0.75 else self._target(family)
        asker = Outside(self.draw.choice(carriers).uplink)
        return replace(self._shaped(Probe(asker, to, "tcp", source=self._internet(family))), dscp=0)

    def _from_host(self, family: int) -> Probe | None:
        to = self._target(family)
        if not self.world.topology.carriers(family) and self.world.is_host(to):
            return None
        return replace(self._shaped(Probe(TheHost(), to, "tcp")), dscp=0)

    def _shaped(self, draft: Probe) -> Probe:
        protocol = self.draw.choice(("tcp", "tcp", "tcp", "udp", "udp", "icmp"))
        bare = [each.match.protocol for tenant in self.world.policy.tenants for each in tenant.classes]
        outward = isinstance(draft.sender, Resident) and self.world.owner(draft.to) is None
        if "gre" in bare and outward and not self.world.is_host(draft.to) and self.draw.random() < 0.1:
            protocol = "47"
        port = self._port() if protocol in {"tcp", "udp"} else 0
        return replace(draft, protocol=protocol, port=port, dscp=self.draw.choice((0, 0, 0, 10, 46)))

    def _port(self) -> int:
        wanted: list[Ports] = []
        for tenant, workload in self._residents():
            wanted += [each for one in tenant.classes for each in one.match.ports]
            wanted += [each.host_ports for each in workload.publish] * 4
            wanted += [each.ports for each in workload.publish]
        if wanted and self.draw.random() < 0.7:
            some = self.draw.choice(wanted)
            return self.draw.choice((some.first, some.last))
        return self.draw.choice(PORTS)

    def _target(self, family: int) -> Address:
        roll = self.draw.random()
        if roll < 0.45:
            return self._internet(family)
        return self._host(family) if roll < 0.7 else self._inside(family)

    def _internet(self, family: int) -> Address:
        while True:
            network = ip_network(self.draw.choice(INTERNET[family]))
            found = network[self.draw.randint(1, min(network.num_addresses - 2, 60000))]
            if not self._claimed(found):
                return found

    def _claimed(self, address: Address) -> bool:
        sides = [side for each in self.world.topology.providers for side in each.sides.values()]
        return any(address in side.network or any(address in each for each in side.routed) for side in sides)

    def _host(self, family: int) -> Address:
        sides = [each.sides[family] for each in self.world.topology.carriers(family)]
        addresses = [address for side in sides for address in side.exact]
        bridged = [net[1] for tenant in self.world.policy.tenants for net in tenant.subnets if net.version == family]
        if self.draw.random() < 0.25 or not addresses:
            addresses = bridged
        return self.draw.choice(addresses) if addresses else self._internet(family)

    def _inside(self, family: int) -> Address:
        """Return an address of a tenant's, most often one that a workload has."""
        tenant = self.draw.choice(self.world.policy.tenants)
        routes = [each.to for each in tenant.routes if each.to.version == family]
        if routes and self.draw.random() < 0.25:
            return routes[0][9]
        subnets: list[Network] = [each for each in tenant.subnets if each.version == family]
        if subnets and self.draw.random() < 0.15:
            return self.draw.choice(subnets)[41]
        homes = [each for _, workload in self._residents() for each in workload.addresses if each.version == family]
        return self.draw.choice(homes) if homes else self._internet(family)
