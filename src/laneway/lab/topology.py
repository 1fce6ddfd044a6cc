"""Which world a policy asks for: a provider behind every uplink, and the addresses the host has there.

The provider's network is the prefix around the uplink's gateway. The host gets an address of its own in it, and
every address that the policy names as the host's. What the policy leaves open (gateways that come by DHCP, links
without a gateway) is taken from prefixes that nothing in the policy uses.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network, ip_network
from typing import TYPE_CHECKING, NamedTuple

from laneway.policy.model import AUTO, ONLINK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from laneway.policy.model import Address, Gateway, Network, PolicySet, Tenant, Uplink

INTERNET = "_internet"
"""The netns of everything beyond the providers; no tenant's name can begin with an underscore."""

Interface = IPv4Interface | IPv6Interface

LENGTHS = {4: (24, 28, 30), 6: (64, 112, 126)}
"""How wide a provider's network may be, by family: the first that meets no tenant's subnet."""

ROUTER = IPv6Address("fe80::1")
"""The link-local address of a provider that announces itself."""


class Side(NamedTuple):
    """One family of an uplink, as the provider set it up."""

    network: Network
    gateway: Address | None  # the provider's address on the link; None: point-to-point
    host: Address  # the host's own address, and what masquerading makes of a tenant's
    named: tuple[Address, ...]  # further addresses of the host, because the policy names them
    extra: tuple[Address, ...]  # addresses of the host outside of the network, on its interface
    neighbours: tuple[Address, ...]  # addresses in the network that are not the host's, but that packets are for
    routed: tuple[Network, ...]  # what the provider routes to the host besides
    shared: bool  # another uplink is in the same network
    announced: bool  # the host learned its gateway by DHCP or a router advertisement

    @property
    def addresses(self) -> tuple[Interface, ...]:
        """Return the host's addresses on the link, its own first."""
        wide = [_interface(each, self.network.prefixlen) for each in (self.host, *self.named)]
        return (*wide, *(_interface(each, each.max_prefixlen) for each in self.extra))

    @property
    def exact(self) -> tuple[Address, ...]:
        """Return the host's addresses on the link without their prefix."""
        return (self.host, *self.named, *self.extra)

    @property
    def permitted(self) -> tuple[Network, ...]:
        """Return the sources that the provider lets pass (BCP 38)."""
        exact = tuple(map(ip_network, self.exact if self.shared else self.extra))
        return tuple(dict.fromkeys((*exact, *([] if self.shared else [self.network]), *self.routed)))


class Provider(NamedTuple):
    """What stands at the far end of an uplink."""

    uplink: str
    interface: str
    number: int  # from 1; the mark and the table that lead to it from the internet
    sides: dict[int, Side]  # by family; an uplink that does not carry a family has no side there
    point_to_point: bool

    @property
    def netns(self) -> str:
        """Return the name of the provider's network namespace."""
        return f"_provider.{self.uplink}"


class Topology(NamedTuple):
    """The world around the throw-away host."""

    providers: tuple[Provider, ...]

    def provider(self, uplink: str) -> Provider:
        """Return the provider of an uplink."""
        return next(each for each in self.providers if each.uplink == uplink)

    def carriers(self, family: int) -> tuple[Provider, ...]:
        """Return the providers that carry a family; the host's own default leads by the first."""
        return tuple(each for each in self.providers if family in each.sides)

    def host_addresses(self) -> frozenset[Address]:
        """Return the host's addresses on its uplinks."""
        return frozenset(each.ip for one in self.providers for side in one.sides.values() for each in side.addresses)


def plan_world(policy: PolicySet) -> Topology:
    """Return the world in which `policy` can be tried."""
    networks = _networks(policy)
    hosts = _host_addresses(policy, networks)
    named = _named(policy, networks)
    own_addresses = {*hosts.values(), *(each for several in named.values() for each in several)}
    providers = []
    for number, uplink in enumerate(policy.uplinks, 1):
        sides = {}
        for family, gateway in gateways(uplink).items():
            key = (uplink.name, family)
            network = networks[key]
            mine = [each for each in named.get(key, ()) if each != hosts[key]]
            sides[family] = Side(
                network=network,
                gateway=_gateway(gateway, network),
                host=hosts[key],
                named=tuple(each for each in mine if each in network),
                extra=tuple(each for each in mine if each not in network),
                neighbours=tuple(
                    sorted({each.to for each in policy.expects if each.to in network and each.to not in own_addresses})
                ),
                routed=_routed(policy, uplink, family, network),
                shared=sum(network.overlaps(each) for (_, f), each in networks.items() if f == family) > 1,
                announced=gateway == AUTO,
            )
        point_to_point = ONLINK in gateways(uplink).values()
        providers.append(Provider(uplink.name, uplink.interface, number, sides, point_to_point))
    return Topology(tuple(providers))


def gateways(uplink: Uplink) -> dict[int, Gateway]:
    """Return the gateway of each family that an uplink carries."""
    both: dict[int, Gateway] = {4: uplink.gateway4, 6: uplink.gateway6}
    return {family: gateway for family, gateway in both.items() if gateway is not None}


def _interface(address: Address, length: int) -> Interface:
    return IPv4Interface((address, length)) if address.version == 4 else IPv6Interface((address, length))  # noqa: PLR2004


def _gateway(gateway: Gateway, network: Network) -> Address | None:
    if gateway == AUTO:
        return ROUTER if network.version == 6 else network[1]  # noqa: PLR2004
    return gateway if isinstance(gateway, IPv4Address | IPv6Address) else None


def _networks(policy: PolicySet) -> dict[tuple[str, int], Network]:
    """Return the network of each uplink and family, those around gateways before those made up."""
    subnets = [each for tenant in policy.tenants for each in tenant.subnets]
    found: dict[tuple[str, int], Network] = {}
    taken = [*subnets, *(route.to for tenant in policy.tenants for route in tenant.routes)]
    for uplink in policy.uplinks:
        for family, gateway in gateways(uplink).items():
            if isinstance(gateway, IPv4Address | IPv6Address) and not gateway.is_link_local:
                found[uplink.name, family] = _around(gateway, subnets)
    for number, uplink in enumerate(policy.uplinks, 1):
        for family in gateways(uplink):
            if (uplink.name, family) not in found:
                free = _claimed(policy, uplink, family, subnets) or _free(family, number, (*taken, *found.values()))
                found[uplink.name, family] = free
    return found


def _around(gateway: Address, subnets: Iterable[Network]) -> Network:
    candidates = [ip_network((gateway, length), strict=False) for length in LENGTHS[gateway.version]]
    apart = (each for each in candidates if not any(_overlap(each, subnet) for subnet in subnets))
    return next(apart, candidates[-1])


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def _claimed(policy: PolicySet, uplink: Uplink, family: int, subnets: list[Network]) -> Network | None:
    """Return the network around the first address the policy gives the host on an uplink without a gateway address."""
    own = (each for each in _sources(policy, uplink) if each.version == family)
    address = next(own, None)
    return None if address is None else _around(address, subnets)


def _free(family: int, number: int, taken: tuple[Network, ...]) -> Network:
    pool: Iterator[Network]
    if family == 4:  # noqa: PLR2004
        pool = (IPv4Network((f"100.64.{third}.0", 24)) for third in range(number, 256))
    else:
        pool = (IPv6Network((f"2001:db8:64:{third:x}::", 64)) for third in range(number, 0x10000))
    return next(each for each in pool if not any(_overlap(each, other) for other in taken))


def _sources(policy: PolicySet, uplink: Uplink) -> Iterator[Address]:
    """Yield the addresses that packets leave by an uplink with."""
    yield from uplink.snat
    for tenant in policy.tenants:
        yield from (address for name, address in tenant.snat if name == uplink.name)


def _host_addresses(policy: PolicySet, networks: dict[tuple[str, int], Network]) -> dict[tuple[str, int], Address]:
    """Return the host's own address on each uplink: .2, unless the policy uses that otherwise."""
    taken: set[Address] = set()
    for uplink in policy.uplinks:
        taken.update(each for each in gateways(uplink).values() if isinstance(each, IPv4Address | IPv6Address))
        taken.update(_sources(policy, uplink))
    hosts: dict[tuple[str, int], Address] = {}
    for key in sorted(networks, key=lambda key: [each.name for each in policy.uplinks].index(key[0])):
        network = networks[key]
        candidates: Callable[[int], Address] = network.__getitem__
        address = next(each for each in map(candidates, range(2, 1 << 16)) if each not in taken)
        taken.add(address)
        hosts[key] = address
    return hosts


def _named(policy: PolicySet, networks: dict[tuple[str, int], Network]) -> dict[tuple[str, int], tuple[Address, ...]]:
    """Return the addresses of the host that the policy names, by the uplink and family they belong to."""
    named: dict[tuple[str, int], list[Address]] = {}
    for uplink in policy.uplinks:
        for address in _sources(policy, uplink):
            if (uplink.name, address.version) in networks and address in networks[uplink.name, address.version]:
                named.setdefault((uplink.name, address.version), []).append(address)
    bridged = [each for tenant in policy.tenants for each in tenant.subnets]
    for tenant in policy.tenants:
        # An address inside a tenant's subnet is the host's by the tenant's bridge, if it is the host's at all.
        for address in (each for each in _published(tenant) if not any(each in subnet for subnet in bridged)):
            place = _home(address, tenant, networks)
            if place is not None:
                named.setdefault(place, []).append(address)
    return {key: tuple(dict.fromkeys(addresses)) for key, addresses in named.items()}


def _published(tenant: Tenant) -> Iterator[Address]:
    for workload in tenant.workloads:
        yield from (each.host for each in workload.publish if each.host is not None)


def _home(address: Address, tenant: Tenant, networks: dict[tuple[str, int], Network]) -> tuple[str, int] | None:
    """Return where the host has `address`: the uplink whose network it is in, else the tenant's first that may."""
    around = (key for key, network in networks.items() if address in network)
    carrying = ((name, address.version) for name in tenant.uplinks if (name, address.version) in networks)
    return next(around, None) or next(carrying, None)


def _routed(policy: PolicySet, uplink: Uplink, family: int, network: Network) -> tuple[Network, ...]:
    """Return what a provider routes to the host: addresses from outside its network, and subnets that no NAT hides."""
    sources = (each for each in _sources(policy, uplink) if each.version == family)
    routed: list[Network] = [ip_network(each) for each in sources if each not in network]
    natted = uplink.masquerade or any(each.version == family for each in uplink.snat)
    for tenant in policy.tenants:
        own = any(name == uplink.name and address.version == family for name, address in tenant.snat)
        used = uplink.name in tenant.uplinks or any(each.uplink == uplink.name for each in tenant.classes)
        if used and not natted and not own:
            routed.extend(each for each in tenant.subnets if each.version == family)
    return tuple(dict.fromkeys(routed))
