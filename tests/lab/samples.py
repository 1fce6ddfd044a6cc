"""Policies for tests of the lab, in few words."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any, cast

from laneway.lab.judge import World
from laneway.lab.topology import plan_world
from laneway.lab.trial import Expected, Outcome, Sighting
from laneway.policy.model import (
    Allow,
    ClassMatch,
    Expect,
    PolicySet,
    Ports,
    Publish,
    Service,
    Source,
    Tenant,
    TrafficClass,
    Uplink,
    Workload,
)

if TYPE_CHECKING:
    from laneway.policy.model import Gateway

NOWHERE = Source("test.toml", ())


def gateway(text: str | None) -> Gateway:
    return cast("Gateway", text if text in {None, "auto", "onlink"} else ip_address(str(text)))


def uplink(
    name: str, ipv4: str | None = None, ipv6: str | None = None, *, masquerade: bool = True, snat: str = ""
) -> Uplink:
    addresses = tuple(map(ip_address, snat.split()))
    return Uplink(name, f"{name}0", gateway(ipv4), gateway(ipv6), masquerade, addresses, NOWHERE)


def workload(name: str, addresses: str, *publish: Publish) -> Workload:
    return Workload(name, tuple(map(ip_address, addresses.split())), publish, NOWHERE)


def publish(outside: int, inside: int, *, protocol: str = "tcp", host: str | None = None, count: int = 1) -> Publish:
    at = None if host is None else ip_address(host)
    ports = (Ports(outside, outside + count - 1), Ports(inside, inside + count - 1))
    return Publish(at, *ports, cast("Any", protocol), NOWHERE)


def traffic(name: str, uplink: str | None = None, **match: Any) -> TrafficClass:
    return TrafficClass(name, ClassMatch(**match), uplink, None if uplink else "reject", NOWHERE)


def allow(tenant: str, workload: str | None, *services: Service) -> Allow:
    return Allow(tenant, workload, services, NOWHERE)


def service(protocol: str, port: int | None = None) -> Service:
    return Service(cast("Any", protocol), None if port is None else Ports(port, port))


def expect(from_: str, to: str, port: int, *, uplink: str | None = None, arrives: str | None = None) -> Expect:
    result = "delivered" if uplink else "refused"
    return Expect(from_, ip_address(to), "tcp", port, uplink, cast("Any", result), NOWHERE, arrives)


def tenant(name: str, subnets: str, uplinks: str, *workloads: Workload, **more: Any) -> Tenant:
    networks = tuple(map(ip_network, subnets.split()))
    return Tenant(name, networks, tuple(uplinks.split()), NOWHERE, workloads=workloads, **more)


def policy(*parts: Uplink | Tenant | Expect) -> PolicySet:
    return PolicySet(
        uplinks=tuple(each for each in parts if isinstance(each, Uplink)),
        tenants=tuple(each for each in parts if isinstance(each, Tenant)),
        expects=tuple(each for each in parts if isinstance(each, Expect)),
    )


def world(*parts: Uplink | Tenant | Expect) -> World:
    made = policy(*parts)
    return World(made, plan_world(made))


def answered(by: str, source: str | None = None) -> Expected:
    return Expected(delivered=True, by=by, source=None if source is None else ip_address(source))


def got(by: str, uplink: str = "", source: str | None = None) -> Outcome:
    return Outcome(delivered=True, by=by, uplink=uplink, source=None if source is None else ip_address(source))


def lost(*seen: Sighting, reached: str = "") -> Outcome:
    return Outcome(delivered=False, seen=seen, reached=reached, how="silence")


NORTH = uplink("north", "192.0.2.1", "2001:db8:a::1")
SOUTH = uplink("south", "198.51.100.1", "2001:db8:b::1")

ACME = tenant(
    "acme",
    "10.20.0.0/24 fd20::/64",
    "north south",
    workload("web", "10.20.0.10 fd20::10", publish(8080, 80), publish(5300, 53, protocol="udp", host="192.0.2.5")),
    workload("db", "10.20.0.11"),
    classes=(
        traffic("bulk", "south", protocol="tcp", ports=(Ports(443, 443),)),
        traffic("mail", ports=(Ports(25, 25),)),
    ),
)
GLOBEX = tenant(
    "globex",
    "10.30.0.0/24 fd30::/64",
    "south",
    workload("app", "10.30.0.10 fd30::10"),
    allow=(allow("acme", "db", service("tcp", 5432)),),
    host_access=(service("udp", 53),),
)
TWO = world(NORTH, SOUTH, ACME, GLOBEX)
