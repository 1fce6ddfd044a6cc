"""The world around the throw-away host follows from the policy."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from laneway.lab.topology import Topology, plan_world
from tests.lab.samples import NORTH, SOUTH, policy, publish, tenant, uplink, workload


def hosts(topology: Topology) -> dict[tuple[str, int], str]:
    return {(each.uplink, family): str(side.host) for each in topology.providers for family, side in each.sides.items()}


def test_host_is_dot_two_in_the_network_of_each_gateway() -> None:
    topology = plan_world(policy(NORTH, SOUTH))

    assert hosts(topology) == {
        ("north", 4): "192.0.2.2",
        ("north", 6): "2001:db8:a::2",
        ("south", 4): "198.51.100.2",
        ("south", 6): "2001:db8:b::2",
    }
    assert topology.provider("north").sides[4].network == ip_network("192.0.2.0/24")


def test_gateway_at_dot_two_moves_the_host() -> None:
    assert hosts(plan_world(policy(uplink("one", "192.0.2.2")))) == {("one", 4): "192.0.2.3"}


def test_uplinks_in_one_network_have_hosts_of_their_own_and_exact_permissions() -> None:
    topology = plan_world(policy(uplink("one", "192.0.2.1"), uplink("two", "192.0.2.254")))

    assert hosts(topology) == {("one", 4): "192.0.2.2", ("two", 4): "192.0.2.3"}
    assert topology.provider("one").sides[4].permitted == (ip_network("192.0.2.2/32"),)
    assert topology.provider("two").sides[4].permitted == (ip_network("192.0.2.3/32"),)


def test_uplink_carries_only_the_families_it_has_gateways_for() -> None:
    topology = plan_world(policy(uplink("four", "192.0.2.1"), uplink("six", None, "2001:db8::1")))

    assert [each.uplink for each in topology.carriers(4)] == ["four"]
    assert [each.uplink for each in topology.carriers(6)] == ["six"]


def test_learned_gateway_is_in_a_network_nobody_uses() -> None:
    topology = plan_world(policy(uplink("dhcp", "auto", "auto"), tenant("t", "100.64.0.0/23", "dhcp")))

    side = topology.provider("dhcp").sides[4]
    assert (str(side.network), str(side.gateway), side.announced) == ("100.64.2.0/24", "100.64.2.1", True)
    assert str(topology.provider("dhcp").sides[6].gateway) == "fe80::1"


def test_link_local_gateway_leaves_the_host_a_global_address() -> None:
    side = plan_world(policy(uplink("six", None, "fe80::1"))).provider("six").sides[6]

    assert (str(side.gateway), str(side.host), side.announced) == ("fe80::1", "2001:db8:64:1::2", False)


def test_point_to_point_link_has_no_gateway() -> None:
    provider = plan_world(policy(uplink("ppp", "onlink", snat="198.51.100.77"))).provider("ppp")

    assert provider.point_to_point
    assert provider.sides[4].gateway is None
    assert list(map(str, provider.sides[4].named)) == ["198.51.100.77"]


def test_addresses_the_policy_names_are_the_hosts() -> None:
    web = workload("web", "10.1.0.10", publish(80, 80, host="192.0.2.9"), publish(81, 81, host="203.0.113.5"))
    topology = plan_world(policy(NORTH, tenant("t", "10.1.0.0/24", "north", web)))

    side = topology.provider("north").sides[4]
    assert list(map(str, side.addresses)) == ["192.0.2.2/24", "192.0.2.9/24", "203.0.113.5/32"]
    assert ip_address("203.0.113.5") in topology.host_addresses()


def test_address_that_is_the_hosts_anyway_is_named_once() -> None:
    web = workload("web", "10.1.0.10", publish(80, 80, host="192.0.2.2"))

    side = plan_world(policy(NORTH, tenant("t", "10.1.0.0/24", "north", web))).provider("north").sides[4]
    assert list(map(str, side.addresses)) == ["192.0.2.2/24"]


@pytest.mark.parametrize(
    ("masquerade", "routed"),
    [
        pytest.param(True, [], id="hidden by NAT"),
        pytest.param(False, ["10.1.0.0/24"], id="routed to the host"),
    ],
)
def test_provider_lets_tenants_addresses_pass_where_no_nat_hides_them(*, masquerade: bool, routed: list[str]) -> None:
    raw = uplink("raw", "192.0.2.1", masquerade=masquerade)

    side = plan_world(policy(raw, tenant("t", "10.1.0.0/24", "raw"))).provider("raw").sides[4]
    assert list(map(str, side.routed)) == routed
    assert all(each in side.permitted for each in side.routed)


def test_public_address_from_elsewhere_is_routed_to_the_host() -> None:
    lent = tenant("t", "10.1.0.0/24", "north", snat=(("north", ip_address("203.0.113.20")),))

    side = plan_world(policy(NORTH, lent)).provider("north").sides[4]
    assert list(map(str, side.routed)) == ["203.0.113.20/32"]


def test_network_around_a_gateway_gives_way_to_a_tenants_subnet() -> None:
    side = plan_world(policy(uplink("near", "10.20.1.1"), tenant("t", "10.20.1.128/25", "near"))).provider("near")

    assert side.sides[4].network == ip_network("10.20.1.0/28")
