"""Small policies built by hand, for tests of what comes after the loader."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from laneway.policy.model import (
    ClassMatch,
    HostSettings,
    PolicySet,
    Ports,
    Publish,
    Source,
    Tenant,
    TrafficClass,
    Uplink,
    Workload,
)
from laneway.state.facts import HostFacts

NOWHERE = Source("test.toml", ())

NORTH = Uplink(
    "north", "eth0", IPv4Address("192.0.2.1"), IPv6Address("2001:db8:a::1"), masquerade=True, snat=(), source=NOWHERE
)
SOUTH = Uplink(
    "south", "eth1", IPv4Address("198.51.100.1"), IPv6Address("2001:db8:b::1"), masquerade=True, snat=(), source=NOWHERE
)

FACTS = HostFacts(
    "nft",
    frozenset({"eth0", "eth1"}),
    sysctls={"net/ipv4/ip_forward": "0", "net/ipv6/conf/all/forwarding": "0", "net/ipv4/conf/all/rp_filter": "0"},
)


def tenant(name: str, number: int) -> Tenant:
    """Return a tenant with one workload, two published ports, a class and its own address by north."""
    ipv4 = ip_network(f"10.{number >> 8}.{number & 255}.0/24")
    ipv6 = ip_network(f"fd00:0:{number:x}::/64")
    web = Workload("web", (ipv4[10], ipv6[16]), (publish(8000 + number, 80), publish(18000 + number, 81)), NOWHERE)
    bulk = TrafficClass("bulk", ClassMatch("tcp", (Ports(443, 443),)), "south", None, NOWHERE)
    return Tenant(
        name,
        (ipv4, ipv6),
        ("north", "south"),
        NOWHERE,
        snat=(("north", ip_address("192.0.2.20")),),
        workloads=(web,),
        classes=(bulk,),
    )


def publish(outside: int, inside: int) -> Publish:
    """Return a TCP port published on every address."""
    return Publish(None, Ports(outside, outside), Ports(inside, inside), "tcp", NOWHERE)


def world(*tenants: Tenant) -> PolicySet:
    """Return a policy with two uplinks and `tenants`."""
    return PolicySet(HostSettings(), (NORTH, SOUTH), tuple(sorted(tenants, key=lambda each: each.name)))


def crowd(count: int) -> PolicySet:
    """Return a policy with `count` tenants."""
    return world(*(tenant(f"t{number:05d}", number) for number in range(count)))


def with_uplinks(policy: PolicySet, *uplinks: Uplink) -> PolicySet:
    """Return `policy` with other uplinks."""
    return policy._replace(uplinks=uplinks)
