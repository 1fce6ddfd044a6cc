"""What stands in a lane's table."""

from __future__ import annotations

from ipaddress import ip_network

from laneway.compile.host import compile_host
from laneway.compile.routing import MOST_BESIDE
from laneway.lanes.allocate import allocate
from laneway.lanes.leases import Leases
from laneway.policy.model import TenantRoute
from laneway.state.facts import HostFacts, UplinkRoute
from laneway.state.prefix import of_network, prefix
from tests.worlds import tenant, world

ROUTER = bytes([192, 0, 2, 50])


def beside(*routes: UplinkRoute, refused: str = "") -> dict[str, set[str]]:
    """Return where the lanes of a tenant lead besides home and everywhere, by uplink."""
    acme = tenant("acme", 1)
    if refused:
        route = TenantRoute(ip_network(refused), None, "unreachable", acme.source)
        acme = acme._replace(routes=(route,))
    policy = world(acme)
    lanes = allocate(policy, Leases())
    state = compile_host(policy, lanes, HostFacts("nft", frozenset({"eth0", "eth1"}), uplink_routes=routes))
    return {
        uplink: {
            str(key.to)
            for key, route in state.routes.items()
            if key.table == lanes.table(lanes.mark("acme", uplink)) and key.to.length and route.dev.startswith("eth")
        }
        for uplink in acme.uplinks
    }


def to(network: str, dev: str = "eth0", via: bytes = b"") -> UplinkRoute:
    return UplinkRoute(dev, prefix(network), via)


def test_a_lane_has_its_uplink_s_neighbours_and_static_routes_and_no_other_s() -> None:
    found = beside(to("192.0.2.0/24"), to("10.99.0.0/16", via=ROUTER), to("198.51.100.0/24", "eth1"))

    assert found == {"north": {"192.0.2.0/24", "10.99.0.0/16"}, "south": {"198.51.100.0/24"}}


def test_what_only_main_can_say_goes_by_the_default() -> None:
    assert beside(to("10.99.0.0/16")._replace(by_main=True))["north"] == set()


def test_what_is_the_tenant_s_own_stays_at_home() -> None:
    own = of_network(tenant("acme", 1).subnets[0])
    half = f"{own}".replace(f"/{own.length}", f"/{own.length + 1}")

    assert beside(to(half), to(str(own)))["north"] == set()


def test_what_its_policy_refuses_is_refused() -> None:
    assert beside(to("10.99.7.0/24", via=ROUTER), refused="10.99.0.0/16")["north"] == set()
    assert beside(to("10.0.0.0/8", via=ROUTER), refused="10.99.0.0/16")["north"] == {"10.0.0.0/8"}


def test_of_a_routing_daemon_s_table_it_has_neighbours_alone() -> None:
    learnt = [to(f"10.99.{number}.0/24", via=ROUTER) for number in range(MOST_BESIDE)]

    assert beside(*learnt, to("192.0.2.0/24"))["north"] == {"192.0.2.0/24"}
