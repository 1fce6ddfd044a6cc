"""Which switches of the host laneway turns, and where it leaves them."""

from __future__ import annotations

from laneway.apply.target import target
from laneway.state.facts import HostFacts, UplinkRoute
from laneway.state.host import HostState
from laneway.state.prefix import prefix
from tests.worlds import FACTS, NORTH, SOUTH, tenant, with_uplinks, world

KEY = "net/ipv6/conf/eth0/use_oif_addrs_only"
CONNECTED = UplinkRoute("eth0", prefix("2001:db8:a::/64"), b"")


def switched(facts: HostFacts, *, masquerade: bool = True) -> HostState:
    policy = with_uplinks(world(tenant("acme", 7)), NORTH._replace(masquerade=masquerade), SOUTH)
    return target(policy, HostState(), facts._replace(sysctls={**FACTS.sysctls, KEY: "0"})).desired


def test_masquerading_does_not_look_at_the_addresses_of_every_bridge() -> None:
    desired = switched(FACTS._replace(uplink_routes=(CONNECTED,)))

    assert (desired.sysctls[KEY], desired.priors[KEY]) == ("1", "0")


def test_an_uplink_without_an_ipv6_address_of_its_own_borrows_one_as_before() -> None:
    behind_a_router = UplinkRoute("eth0", prefix("2001:db8:c::/64"), prefix("2001:db8:a::1").address)

    desired = switched(FACTS._replace(uplink_routes=(behind_a_router,)))

    assert KEY not in desired.sysctls


def test_an_uplink_that_does_not_masquerade_keeps_its_choice_of_sources() -> None:
    desired = switched(FACTS._replace(uplink_routes=(CONNECTED,)), masquerade=False)

    assert KEY not in desired.sysctls
