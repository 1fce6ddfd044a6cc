"""A new subnet that would take something from the host's neighbours, or from who is logged in, is refused."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from laneway.apply.target import target
from laneway.plan.conflicts.shadowed_networks import shadowed_networks
from laneway.policy.model import TenantRoute
from laneway.state.facts import Foreign, ForeignWay
from laneway.state.host import HostState
from laneway.state.prefix import prefix
from laneway.state.sessions import Session
from tests.worlds import FACTS, NOWHERE, tenant, world

DESIRED = target(world(tenant("acme", 1), tenant("globex", 2)), HostState(), FACTS).desired  # 10.0.1.0/24, 10.0.2.0/24


def named(foreign: Foreign, observed: HostState | None = None, session: Session | None = None) -> list[str]:
    sessions = [session] if session else []
    return [each.text for each in shadowed_networks(DESIRED, observed or HostState(), foreign, lambda: sessions)]


def having(address: str, link: str = "mgmt") -> Foreign:
    return Foreign(addresses=frozenset({(link, prefix(address))}))


def leading(to: str) -> Foreign:
    return Foreign(ways=(ForeignWay("mgmt", prefix(to), f"{to} via 192.0.2.9 dev mgmt table 254 proto 4"),))


@pytest.mark.parametrize(
    ("address", "home"),
    [
        pytest.param("10.0.1.7/24", "10.0.1.0/24 of tenant acme", id="the same network"),
        pytest.param("10.0.1.7/32", "10.0.1.0/24 of tenant acme", id="an address in it"),
        pytest.param("10.0.2.200/26", "10.0.2.0/24 of tenant globex", id="a part of it"),
        pytest.param("10.0.0.7/23", "10.0.1.0/24 of tenant acme", id="it is a part of the network"),
        pytest.param("fd00:0:2::7/64", "fd00:0:2::/64 of tenant globex", id="IPv6"),
        pytest.param("fd00::7/48", "", id="IPv6, another network"),
        pytest.param("10.0.3.7/24", "", id="another network"),
        pytest.param("fe80::7/64", "", id="every link has those"),
    ],
)
def test_a_network_of_a_link_is_not_taken_over(address: str, home: str) -> None:
    expected = (
        f"link mgmt has the address {address}, whose network overlaps {home}\n"
        "   = hint: give the tenant another subnet; "
        f"or, where nobody needs that address: ip addr del {address} dev mgmt"
    )

    assert named(having(address)) == ([expected] if home else [])


@pytest.mark.parametrize(
    ("to", "taken"),
    [
        pytest.param("10.0.1.0/24", True, id="as long"),
        pytest.param("10.0.1.128/25", True, id="longer"),
        pytest.param("fd00:0:1::5/128", True, id="IPv6"),
        pytest.param("10.0.0.0/8", False, id="shorter"),
        pytest.param("10.9.0.0/24", False, id="elsewhere"),
    ],
)
def test_a_route_into_it_is_not_overridden(to: str, taken: bool) -> None:  # noqa: FBT001  a case
    found = named(leading(to))

    assert len(found) == taken
    assert all(f"by link mgmt: {to} via 192.0.2.9" in each and f"ip route del {to} dev mgmt" in each for each in found)


def test_a_link_is_named_once_for_its_address_and_its_route() -> None:
    both = having("10.0.1.7/24")._replace(ways=leading("10.0.1.0/24").ways)

    assert len(named(both)) == 1


def test_a_subnet_that_is_here_already_is_let_alone() -> None:
    assert named(having("10.0.1.7/24"), DESIRED) == []


@pytest.mark.parametrize(
    ("client", "server", "lost"),
    [
        pytest.param("10.0.2.77", "192.0.2.2", True, id="from a tenant's new subnet"),
        pytest.param("10.0.3.77", "192.0.2.2", False, id="from elsewhere"),
        pytest.param("10.0.2.77", "192.0.2.3", False, id="a login at another host"),
    ],
)
def test_who_is_logged_in_keeps_the_session(client: str, server: str, lost: bool) -> None:  # noqa: FBT001  a case
    found = named(having("192.0.2.2/24", "eth0"), session=Session(prefix(client), prefix(server), 22))

    assert len(found) == lost
    assert all("you are logged in from 10.0.2.77" in each and "tenant globex" in each for each in found)


@pytest.mark.parametrize(
    ("network", "tenants"),
    [
        pytest.param("172.16.5.1/24", "172.16.0.0/16 of tenant acme", id="inside"),
        pytest.param("172.16.9.1/24", "172.16.0.0/16 of tenant acme", id="inside, behind a smaller one"),
        pytest.param("172.0.0.1/8", "172.16.0.0/16 of tenant acme", id="around"),
        pytest.param("172.17.0.1/24", "", id="elsewhere"),
    ],
)
def test_a_prefix_behind_a_workload_takes_no_network_of_a_link(network: str, tenants: str) -> None:
    to = [TenantRoute(ip_network(each), ip_address("10.0.1.10"), "unicast", NOWHERE) for each in ROUTED]
    desired = target(world(tenant("acme", 1)._replace(routes=tuple(to))), HostState(), FACTS).desired

    found = list(shadowed_networks(desired, HostState(), having(network)))

    assert len(found) == bool(tenants)
    assert all(f"has the address {network}, whose network overlaps {tenants}" in each.text for each in found)
    assert not list(shadowed_networks(desired, desired, having(network)))
    flushed = desired.replaced(entries={})
    assert not list(shadowed_networks(desired, flushed, having(network))), "a flushed set is no new home"


ROUTED = ("172.16.0.0/16", "172.16.5.0/28")
