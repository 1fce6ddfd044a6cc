"""Whatever others take away of a host's networking, no packet of a tenant leaves by an uplink not its lane's."""

from __future__ import annotations

import time
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from laneway.cli.wire import carry_out, look_at
from laneway.lab.run import Lab
from laneway.lab.trial import Probe, Resident
from laneway.lab.wiring import OUTER
from laneway.policy.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator

QUICKSTART = Path(__file__).parents[2] / "policies" / "quickstart.toml"

ACME = Resident("acme", "web")
GLOBEX = Resident("globex", "app")
BEYOND = {4: ip_address("203.0.113.77"), 6: ip_address("2001:db8:ffff::77")}
LANES = [
    (ACME, "tcp", 80, "north"),
    (ACME, "udp", 53, "north"),
    (ACME, "icmp", 0, "north"),
    (ACME, "tcp", 443, "south"),
]
LANES += [(GLOBEX, "tcp", 80, "south"), (GLOBEX, "udp", 53, "south"), (GLOBEX, "icmp", 0, "south")]
PROBES = {
    Probe(sender, BEYOND[family], protocol, port): uplink
    for sender, protocol, port, uplink in LANES
    for family in (4, 6)
}

# Whichever uplink fails a tenant, main leads by the other one.
SECOND_WAY = """
ip route add default via 192.0.2.1 dev eth0 metric 5000; ip route add default via 198.51.100.1 dev eth1 metric 5001
ip -6 route add default via 2001:db8:a::1 dev eth0 metric 5000
ip -6 route add default via 2001:db8:b::1 dev eth1 metric 5001
"""
NO_MANGLE = "iptables-{v} -t mangle -F; ip6tables-{v} -t mangle -F"
NO_RULES = """
for family in -4 -6; do for pref in $(ip $family rule | sed -n 's/^\\(1[0-9]\\{4\\}\\):.*/\\1/p'); do
    ip $family rule del pref $pref
done; done
"""
NO_TABLES = (
    "for table in 20017 20018 20025 20026; do ip -4 route flush table $table; ip -6 route flush table $table; done"
)
SPLIT = """
ip route add 0.0.0.0/1 via {v4} dev {dev}; ip route add 128.0.0.0/1 via {v4} dev {dev}
ip -6 route add ::/1 via {v6} dev {dev}; ip -6 route add 8000::/1 via {v6} dev {dev}
"""
NORTH = {"v4": "192.0.2.1", "v6": "2001:db8:a::1", "dev": "eth0"}
SOUTH = {"v4": "198.51.100.1", "v6": "2001:db8:b::1", "dev": "eth1"}
GONE = """
ip link del {dev}; ip -n _provider.{name} link add up0 type bridge; ip -n _provider.{name} link set up0 up
"""
ANEW = """
ip link del {dev}; ip link add {dev} type veth peer name up0 netns _provider.{name}
ip link set {dev} up; ip -n _provider.{name} link set up0 up
ip addr add {mine} dev {dev}; ip route add default via {v4} dev {dev} metric 1
"""

DAMAGE = {
    "mangle flushed": NO_MANGLE,
    "our ip rules flushed": NO_RULES,
    "the lanes' tables flushed": NO_TABLES,
    "mangle and our ip rules flushed": NO_MANGLE + NO_RULES,
    "our ip rules and the lanes' tables flushed": NO_RULES + NO_TABLES,
    "the addresses of north removed": "ip addr flush dev eth0 scope global",
    "the addresses of south removed": "ip addr flush dev eth1 scope global",
    "north down": "ip link set eth0 down",
    "south down": "ip link set eth1 down",
    "a split default by north in main": SPLIT.format(**NORTH),
    "a split default by south in main": SPLIT.format(**SOUTH),
    "a split default by north, our ip rules flushed": SPLIT.format(**NORTH) + NO_RULES,
    "north deleted": GONE.format(name="north", **NORTH),
    "south deleted": GONE.format(name="south", **SOUTH),
    "north deleted and made anew": ANEW.format(mine="192.0.2.2/24", name="north", **NORTH),
    "south deleted and made anew": ANEW.format(mine="198.51.100.2/24", name="south", **SOUTH),
    "the sets flushed": "for set in $(ipset -n list); do ipset flush $set; done",
    "conntrack flushed": "conntrack -F 2>/dev/null",
}


@pytest.fixture(params=["nft", "legacy"])
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def lab(variant: str) -> Iterator[Lab]:
    """A host that holds the quickstart policy, and whose main table leads by both uplinks."""
    policy = load([QUICKSTART])
    policy = policy._replace(host=policy.host._replace(iptables=variant))  # type: ignore[arg-type]
    with Lab(policy) as made:
        made.call(lambda: (carry_out(look_at(policy)), None)[1])
        made.run("sh", "-c", SECOND_WAY)
        yield made


def astray(lab: Lab) -> list[str]:
    """Send one packet of every kind, and return those that a provider saw on a wire that is not their lane's."""
    outcomes = lab.send(list(PROBES))
    return [
        f"{probe.sender} {probe.protocol} {probe.port} over IPv{probe.family} left by {seen.uplink} as {seen.source}"
        for (probe, uplink), outcome in zip(PROBES.items(), outcomes, strict=True)
        for seen in outcome.seen
        if seen.uplink != uplink
    ]


def test_every_packet_leaves_by_its_lane_at_first(lab: Lab) -> None:
    outcomes = lab.send(list(PROBES))

    assert [outcome.uplink for outcome in outcomes] == list(PROBES.values())


@pytest.mark.parametrize("script", DAMAGE.values(), ids=DAMAGE)
def test_no_packet_leaves_by_another_uplink(lab: Lab, variant: str, script: str) -> None:
    lab.run("sh", "-c", script.replace("{v}", variant))

    assert astray(lab) == []


@pytest.mark.parametrize("name", ["north", "south"])
def test_a_lost_carrier_leads_nobody_elsewhere(lab: Lab, name: str) -> None:
    for key in ("net/ipv4/conf/all/ignore_routes_with_linkdown", "net/ipv6/conf/all/ignore_routes_with_linkdown"):
        lab.call(lambda key=key: Path("/proc/sys", key).write_text("1") and None)  # type: ignore[misc]
    # The provider's end goes down; another stands in for it, on which the lab looks for packets.
    on = f"ip -n _provider.{name} link"
    lab.run(
        "sh",
        "-c",
        f"{on} set {OUTER} down; {on} set {OUTER} name off0; {on} add {OUTER} type bridge; {on} set {OUTER} up",
    )

    deadline = time.monotonic() + 60  # the kernel tells the routes a second later, or when it gets round to it
    while "linkdown" not in lab.run("ip", "route", "show", "table", "all"):
        assert time.monotonic() < deadline
        time.sleep(0.1)

    assert astray(lab) == []


def test_flows_that_are_known_do_not_leave_by_another_uplink_either(lab: Lab, variant: str) -> None:
    assert astray(lab) == []

    lab.run("sh", "-c", (NO_RULES + NO_TABLES).replace("{v}", variant))

    assert astray(lab) == []


def test_without_the_pins_such_packets_would_have_been_seen(lab: Lab, variant: str) -> None:
    script = (
        NO_MANGLE
        + NO_RULES
        + "nft delete table inet laneway; "
        + "iptables-{v} -F; iptables-{v} -P FORWARD ACCEPT; ip6tables-{v} -F; iptables-{v} -t nat -F"
    )

    lab.run("sh", "-c", script.replace("{v}", variant))

    assert astray(lab) != []
