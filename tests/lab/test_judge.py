"""What should become of a packet, by the policy's words alone."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from laneway.lab.judge import judge, target
from laneway.lab.trial import REFUSED, Expected, Outside, Probe, Resident, TheHost
from laneway.policy.model import TenantRoute
from tests.lab.samples import ACME, NORTH, NOWHERE, SOUTH, TWO, answered, expect, tenant, uplink, workload, world

WEB, APP = Resident("acme", "web"), Resident("globex", "app")


def from_web(to: str, protocol: str = "udp", port: int = 4000) -> Probe:
    return Probe(WEB, ip_address(to), protocol, port, ip_address("fd20::10" if ":" in to else "10.20.0.10"))


def from_app(to: str, protocol: str = "udp", port: int = 4000) -> Probe:
    return Probe(APP, ip_address(to), protocol, port, ip_address("fd30::10" if ":" in to else "10.30.0.10"))


def internet(uplink: str, source: str) -> Expected:
    return Expected(delivered=True, by="internet", uplink=uplink, source=ip_address(source))


@pytest.mark.parametrize(
    ("probe", "expected"),
    [
        pytest.param(from_web("203.0.113.9"), internet("north", "192.0.2.2"), id="first uplink"),
        pytest.param(from_web("2600::9"), internet("north", "2001:db8:a::2"), id="first uplink in IPv6"),
        pytest.param(from_web("203.0.113.9", "tcp", 443), internet("south", "198.51.100.2"), id="class"),
        pytest.param(from_web("203.0.113.9", "udp", 443), internet("north", "192.0.2.2"), id="class of tcp"),
        pytest.param(from_web("203.0.113.9", "tcp", 25), REFUSED, id="class that refuses"),
        pytest.param(from_app("203.0.113.9", "tcp", 443), internet("south", "198.51.100.2"), id="class of another"),
        pytest.param(from_web("10.20.0.11"), answered("acme/db", "10.20.0.10"), id="neighbour"),
        pytest.param(from_web("10.20.0.99"), REFUSED, id="nobody there"),
        pytest.param(from_web("10.30.0.10"), REFUSED, id="another tenant"),
        pytest.param(from_app("10.20.0.11", "tcp", 5432), answered("acme/db", "10.30.0.10"), id="allow"),
        pytest.param(from_app("10.20.0.11", "udp", 5432), REFUSED, id="allow of tcp"),
        pytest.param(from_app("10.20.0.10", "tcp", 5432), REFUSED, id="allow of another workload"),
        pytest.param(from_web("10.20.0.1", "icmp", 0), answered("host"), id="echo to the gateway"),
        pytest.param(from_app("10.30.0.1", "icmp", 0), REFUSED, id="host_access without icmp"),
        pytest.param(from_app("192.0.2.2", "udp", 53), answered("host"), id="host_access by another address"),
        pytest.param(from_web("192.0.2.2", "tcp", 22), REFUSED, id="host service"),
        pytest.param(from_app("192.0.2.2", "tcp", 8080), answered("acme/web"), id="published"),
        pytest.param(from_web("192.0.2.2", "tcp", 8080), answered("acme/web"), id="own published"),
        pytest.param(from_app("192.0.2.5", "udp", 5300), answered("acme/web"), id="published at an address"),
        pytest.param(from_app("192.0.2.2", "udp", 5300), REFUSED, id="published at another address"),
    ],
)
def test_packet_of_a_workload(probe: Probe, expected: Expected) -> None:
    assert judge(TWO, probe) == expected


@pytest.mark.parametrize(
    ("uplink", "to", "port", "expected"),
    [
        pytest.param("north", "192.0.2.2", 8080, "acme/web", id="published"),
        pytest.param("south", "198.51.100.2", 8080, "acme/web", id="published by another uplink"),
        pytest.param("south", "198.51.100.2", 22, "host", id="host's own"),
        pytest.param("north", "10.20.0.10", 80, None, id="workload itself"),
    ],
)
def test_packet_from_outside(uplink: str, to: str, port: int, expected: str | None) -> None:
    stranger = ip_address("203.0.113.7")
    probe = Probe(Outside(uplink), ip_address(to), "tcp", port, stranger)

    assert judge(TWO, probe) == (answered(expected, str(stranger)) if expected else REFUSED)


def test_other_tenants_gateway_is_not_asked_for_what_the_host_offers() -> None:
    assert judge(TWO, from_web("10.30.0.1", "icmp", 0)) == REFUSED


def test_host_reaches_what_its_workloads_publish() -> None:
    assert judge(TWO, Probe(TheHost(), ip_address("192.0.2.2"), "tcp", 8080)) == answered("acme/web")


def test_host_is_no_router_for_strangers() -> None:
    assert judge(TWO, Probe(Outside("north"), ip_address("203.0.113.9"), "udp", 53)) == REFUSED


def test_published_port_is_refused_by_an_uplink_its_tenant_does_not_use() -> None:
    only_north = world(NORTH, SOUTH, ACME._replace(uplinks=("north",)))

    assert judge(only_north, Probe(Outside("south"), ip_address("198.51.100.2"), "tcp", 8080)) == REFUSED


def test_class_that_refuses_is_about_published_ports_too_but_not_about_neighbours() -> None:
    assert judge(TWO, from_web("10.20.0.11", "tcp", 25)).delivered
    assert judge(TWO, from_web("192.0.2.2", "tcp", 25)) == REFUSED


def test_family_the_uplink_does_not_carry_is_refused() -> None:
    four_only = world(uplink("north", "192.0.2.1"), SOUTH, ACME)

    assert judge(four_only, from_web("2600::9")) == REFUSED


def test_tenants_own_address_goes_before_the_uplinks_and_that_before_the_hosts() -> None:
    lent = (("north", ip_address("192.0.2.20")),)
    both = world(uplink("north", "192.0.2.1", snat="192.0.2.7"), SOUTH, ACME._replace(snat=lent))
    shared = world(uplink("north", "192.0.2.1", snat="192.0.2.7"), SOUTH, ACME)
    neither = world(uplink("north", "192.0.2.1", masquerade=False), SOUTH, ACME)

    seen = [str(judge(each, from_web("203.0.113.9")).source) for each in (both, shared, neither)]
    assert seen == ["192.0.2.20", "192.0.2.7", "10.20.0.10"]


def test_route_that_refuses_goes_before_classes() -> None:
    routes = (TenantRoute(ip_network("10.96.0.0/12"), None, "blackhole", NOWHERE),)
    walled = world(NORTH, SOUTH, ACME._replace(routes=routes))

    assert judge(walled, from_web("10.100.0.1", "tcp", 443)) == REFUSED


def test_forged_source_is_refused() -> None:
    assert judge(TWO, replace(from_web("203.0.113.9"), spoofed=True)) == REFUSED


def test_hosts_own_packets_go_by_the_main_table() -> None:
    assert judge(TWO, Probe(TheHost(), ip_address("203.0.113.9"), "tcp", 443)) == internet("north", "192.0.2.2")


def test_explicit_expectation_goes_before_what_the_policy_implies() -> None:
    probe = from_web("203.0.113.9", "tcp", 80)

    wanted = replace(probe, expect=expect("acme/web", "203.0.113.9", 80, uplink="south"))
    unwanted = replace(probe, expect=expect("acme/web", "203.0.113.9", 80))
    assert judge(TWO, wanted) == Expected(delivered=True, uplink="south")
    assert judge(TWO, unwanted) == REFUSED


@pytest.mark.parametrize(
    ("probe", "listener"),
    [
        pytest.param(from_app("192.0.2.2", "tcp", 8080), (WEB, 80), id="published"),
        pytest.param(from_app("10.20.0.10", "tcp", 9), (WEB, 9), id="workload"),
        pytest.param(from_app("10.20.0.1", "tcp", 9), (TheHost(), 9), id="host"),
        pytest.param(from_app("203.0.113.9", "tcp", 9), None, id="internet"),
    ],
)
def test_somebody_listens_where_a_probe_is_for(probe: Probe, listener: tuple[Resident | TheHost, int] | None) -> None:
    assert target(TWO, probe) == listener


def test_subnet_without_workloads_has_a_gateway() -> None:
    empty = world(NORTH, tenant("t", "10.9.0.0/24", "north", workload("w", "10.9.0.10")))

    assert empty.is_host(ip_address("10.9.0.1"))
