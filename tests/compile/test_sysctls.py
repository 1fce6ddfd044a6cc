"""Which switches of the host laneway turns, and where it leaves them."""

from __future__ import annotations

import pytest

from laneway.apply.target import target
from laneway.plan.plan import plan
from laneway.state.facts import HostFacts, UplinkRoute
from laneway.state.host import HostState
from laneway.state.prefix import prefix
from tests.worlds import FACTS, NORTH, SOUTH, tenant, with_uplinks, world

KEY = "net/ipv6/conf/eth0/use_oif_addrs_only"
FORWARDING = "net/ipv6/conf/all/forwarding"
LEARNS = "net/ipv6/conf/mgmt/accept_ra"
UPLINK_LEARNS = "net/ipv6/conf/eth0/accept_ra"
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


def test_an_uplink_that_lost_its_ipv6_address_borrows_none() -> None:
    had = switched(FACTS._replace(uplink_routes=(CONNECTED,)))
    policy = with_uplinks(world(tenant("acme", 7)), NORTH, SOUTH)

    desired = target(policy, had, FACTS._replace(sysctls={**FACTS.sysctls, KEY: "0"})).desired

    assert (desired.sysctls[KEY], desired.priors[KEY]) == ("1", "0")


def test_an_uplink_that_does_not_masquerade_keeps_its_choice_of_sources() -> None:
    desired = switched(FACTS._replace(uplink_routes=(CONNECTED,)), masquerade=False)

    assert KEY not in desired.sysctls


def listening(accept_ra: str, forwarding: str = "0") -> HostFacts:
    """Return a host with a management link beside its uplinks."""
    return FACTS._replace(
        listening=frozenset({"mgmt"}),
        sysctls={**FACTS.sysctls, FORWARDING: forwarding, LEARNS: accept_ra, UPLINK_LEARNS: "1"},
    )


def desired_of(facts: HostFacts) -> HostState:
    return target(world(tenant("acme", 7)), HostState(), facts).desired


def test_a_link_that_is_no_uplink_goes_on_learning_from_routers() -> None:
    desired = desired_of(listening("1"))

    assert (desired.sysctls[LEARNS], desired.priors[LEARNS]) == ("2", "1")
    assert not [key for key in desired.sysctls if "/default/" in key or "/all/accept_ra" in key]


@pytest.mark.parametrize(
    ("accept_ra", "forwarding"),
    [
        pytest.param("0", "0", id="it did not listen"),
        pytest.param("2", "0", id="it is told already"),
        pytest.param("1", "1", id="the host forwarded before and did not listen"),
    ],
)
def test_a_link_is_left_as_it_is_where_nothing_changes_for_it(accept_ra: str, forwarding: str) -> None:
    assert LEARNS not in desired_of(listening(accept_ra, forwarding)).sysctls


def test_links_are_told_to_go_on_before_the_host_forwards_and_until_it_does_no_more() -> None:
    desired = desired_of(listening("1"))

    there = [step.key for step in plan(desired, HostState()) if step.kind == "sysctls"]
    back = [step.key for step in plan(HostState(), desired) if step.kind == "sysctls"]

    assert [key for key in there if key in (LEARNS, UPLINK_LEARNS, FORWARDING)] == [UPLINK_LEARNS, LEARNS, FORWARDING]
    assert [key for key in back if key in (LEARNS, UPLINK_LEARNS, FORWARDING)] == [FORWARDING, LEARNS, UPLINK_LEARNS]


FORWARDING4 = "net/ipv4/ip_forward"
REDIRECTS = "net/ipv4/conf/all/accept_redirects"
ALONE = ("net/ipv4/conf/eth0/forwarding", "net/ipv4/conf/default/forwarding", "net/ipv6/conf/eth1/forwarding")
HARDENED = FACTS._replace(sysctls={**FACTS.sysctls, REDIRECTS: "0", **dict.fromkeys(ALONE, "1")})


def test_what_the_kernel_changes_when_forwarding_ends_is_put_back_after_it() -> None:
    desired = desired_of(HARDENED)

    kept = {REDIRECTS: "0", **dict.fromkeys(ALONE, "1")}
    assert kept.items() <= desired.sysctls.items()
    assert kept.items() <= desired.priors.items()
    back = [(step.key, step.new) for step in plan(HostState(), desired) if step.kind == "sysctls"]
    assert kept.items() <= dict(back).items()
    keys = [key for key, _ in back]
    assert keys.index(FORWARDING4) < min(map(keys.index, (REDIRECTS, *ALONE[:2])))
    assert keys.index(FORWARDING) < keys.index(ALONE[2])


def test_what_stands_there_once_the_host_forwards_says_nothing_of_before() -> None:
    present = desired_of(FACTS)

    again = target(world(tenant("acme", 7)), present, HARDENED).desired

    assert not {REDIRECTS, *ALONE} & again.sysctls.keys()
    remembered = target(world(tenant("acme", 7)), desired_of(HARDENED), HARDENED).desired
    assert {REDIRECTS, *ALONE} <= remembered.priors.keys()


def test_a_host_that_forwarded_before_has_nothing_put_back() -> None:
    forwarded = {**HARDENED.sysctls, FORWARDING: "1", FORWARDING4: "1"}

    assert not {REDIRECTS, *ALONE} & desired_of(HARDENED._replace(sysctls=forwarded)).sysctls.keys()
