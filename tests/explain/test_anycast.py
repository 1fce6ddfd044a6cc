"""The IPv6 address of all routers of a subnet, by the policy alone; `integration/explain` compares with the kernel."""

from __future__ import annotations

import pytest

from laneway.explain.terrain import Terrain
from laneway.explain.walk import walk
from laneway.state.prefix import IPV4, address_text, prefix
from laneway.state.underlay import HostAddress
from tests.explain.samples import APP, HOST, NORTH, WEB, ground, packet, steps, told


@pytest.mark.parametrize("sender", [WEB, APP])
def test_a_tenants_is_the_host_s_and_refused_as_any_gateway_but_ones_own(sender: object) -> None:
    found = told(sender, "fd20::", "udp/53")  # type: ignore[arg-type]

    assert (found.verdict, found.uplink) == ("refused", None)
    assert steps(found.walk.forward)[-2:] == [
        "route: fd20:: is of all routers of its subnet, and so the host's",
        "filter INPUT: refuses it with icmp6-adm-prohibited [lw:-:others-gateway]",
    ]


def test_an_uplinks_is_the_host_s() -> None:
    found = told(WEB, "2001:db8:a::", "udp/53")

    assert (found.verdict, found.by, found.walk.answered) == ("delivered", "host", True)


def test_a_published_port_is_not_there() -> None:
    found = told(NORTH, "2001:db8:a::", "udp/8080", source="2001:db8:ffff::9")

    assert (found.verdict, found.by) == ("delivered", "host")


@pytest.mark.parametrize(
    ("sender", "source", "to"),
    [
        (HOST, "2001:db8:a::2", "fd20::"),
        (NORTH, "2001:db8:ffff::9", "fd20::"),
        (NORTH, "203.0.113.5", "192.0.2.255"),
    ],
)
def test_nobody_is_connected_to_by_an_address_of_many(sender: object, source: str, to: str) -> None:
    found = told(sender, to, "tcp/22", source=source)  # type: ignore[arg-type]

    assert found.verdict == "dropped"
    assert steps(found.walk.forward)[-1] == f"host: drops it: TCP does not connect to {to}, which is of many"


def test_an_echo_is_answered_from_another_address_and_outside_of_the_flow() -> None:
    found = told(WEB, "2001:db8:a::", "icmp")

    reply = found.walk.reply
    assert reply is not None
    assert (address_text(reply.source), reply.by) == ("fd20::1", "acme-web")
    assert found.walk.answered


def test_that_answer_leaves_by_the_link_that_was_asked_or_not_at_all() -> None:
    here = ground()
    reached = HostAddress("eth1", prefix("2001:db8:b::2/64"))
    underlay = here.terrain.underlay._replace(addresses=(*here.terrain.underlay.addresses, reached))
    terrain = Terrain(here.terrain.state, underlay)
    asked = packet(NORTH, "2001:db8:b::", "icmp", source="2001:db8:ffff::9")

    by_north = walk(terrain, asked).reply
    by_south = walk(terrain, asked._replace(sender=NORTH._replace(link="eth1"))).reply

    assert by_north is not None
    assert by_south is not None
    assert (by_north.verdict, by_north.link) == ("delivered", "eth0")
    assert (by_south.verdict, steps(by_south)) == ("refused", ["route: main has no route by eth1"])


def test_a_host_that_does_not_forward_is_no_router() -> None:
    here = ground()
    still = Terrain(here.terrain.state, here.terrain.underlay._replace(forwards=frozenset({IPV4})))

    found = walk(still, packet(WEB, "fd20::", "udp/53"))

    assert steps(found.forward)[-1] == "bridge: nobody on lwb-acme has fd20::"
