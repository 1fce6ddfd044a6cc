"""The IPv6 address of all routers of a subnet (RFC 4291, 2.6.1), which a host that forwards takes for its own."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from integration.explain.compare import disagreements, packet_of
from laneway.cli.wire import carry_out, linux_host, look_at
from laneway.explain.assume import assumed_host
from laneway.explain.hop import Verdict
from laneway.explain.terrain import Terrain
from laneway.explain.walk import walk
from laneway.kernel import underlay
from laneway.kernel.lookups import Question, ask
from laneway.lab.run import Lab
from laneway.lab.trial import Outside, Probe, Resident, TheHost
from laneway.policy.load import load_text
from laneway.state.prefix import address_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.kernel.lookups import Answer
    from laneway.lab.trial import Party
    from laneway.state.underlay import Underlay

UPLINKS = """
[uplinks.north]
interface = "eth0"
gateways = ["192.0.2.1", "2001:db8:a::1"]
[uplinks.south]
interface = "eth1"
gateways = ["198.51.100.1", "2001:db8:b::1"]
"""
ACME = """
[tenants.acme]
subnets = ["10.20.0.0/24", "fd20::/64"]
uplinks = ["north"]
host_access = ["icmp", "53/udp", "22/tcp"]
[tenants.acme.workloads.web]
addresses = ["10.20.0.10", "fd20::10"]
publish = ["8053:53/udp"]
"""
GLOBEX = ACME.replace("acme", "globex").replace("20", "30").replace("8053", "8054")
POLICY = load_text(UPLINKS + ACME + GLOBEX)

SENDERS: list[tuple[Party, str]] = [
    (Resident("acme", "web"), "fd20::10"),
    (Resident("globex", "web"), "fd30::10"),
    (Outside("north"), "2001:db8:ffff::9"),
    (Outside("south"), "2001:db8:ffff::9"),
    (TheHost(), "2001:db8:a::2"),
]


def probe(sender: Party, to: str, protocol: str, port: int = 0, *, source: str) -> Probe:
    return Probe(sender, ip_address(to), protocol, port, ip_address(source))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(POLICY) as made:
        made.call(lambda: (carry_out(look_at(POLICY)), None)[1])
        yield made


@pytest.fixture(scope="module", params=["assumed", "read"])
def terrain(request: pytest.FixtureRequest, lab: Lab) -> Terrain:
    """The host as it is assumed to be when none is asked, and as it is."""
    if request.param == "assumed":
        return assumed_host(POLICY).terrain
    return Terrain(*lab.call(lambda: (linux_host().read(), underlay.read())))


def routed(lab: Lab, terrain: Terrain, asked: Probe) -> tuple[set[str], set[str]]:
    """Return what becomes of the packet where the host routes it, by the walk and by the kernel."""
    queries = walk(terrain, packet_of(lab.world, asked)).forward.queries
    answers = lab.call(lambda: ask(Question(*each[:4]) for each in queries))
    return {each.answer for each in queries}, {each.kind for each in answers}


@pytest.mark.parametrize("to", ["fd20::", "2001:db8:a::"])
def test_the_walk_says_what_the_kernel_does(lab: Lab, terrain: Terrain, to: str) -> None:
    asked = [("udp", 53), ("udp", 8053), ("tcp", 22)]
    # From outside the provider, a router of the uplink's subnet as well, would take it.
    senders = SENDERS if to == "fd20::" else [each for each in SENDERS if not isinstance(each[0], Outside)]
    probes = [probe(sender, to, *what, source=source) for sender, source in senders for what in asked]

    outcomes = lab.send(probes, patience=4)

    wrong = [disagreements(lab.world, terrain, *each) for each in zip(probes, outcomes, strict=True)]
    assert wrong == [[]] * len(probes)


@pytest.mark.parametrize("to", ["fd20::", "fd30::", "2001:db8:a::"])
@pytest.mark.parametrize(("sender", "source"), SENDERS, ids=str)
def test_the_kernel_routes_it_as_the_walk_does(lab: Lab, terrain: Terrain, sender: Party, source: str, to: str) -> None:
    words = routed(lab, terrain, probe(sender, to, "udp", 53, source=source))

    assert words == ({"local"}, {"local"})


def test_nobody_is_connected_to_by_a_broadcast_address_either(lab: Lab, terrain: Terrain) -> None:
    asked = probe(Resident("acme", "web"), "192.0.2.255", "tcp", 22, source="10.20.0.10")

    outcome = lab.probe(asked, patience=2)

    told = walk(terrain, packet_of(lab.world, asked)).forward
    assert (outcome.how, told.verdict) == ("silence", "dropped")
    assert told.hops[-1].effect == "drops it: TCP does not connect to 192.0.2.255, which is of many"


@pytest.mark.parametrize(("sender", "source"), SENDERS, ids=str)
def test_so_it_is_for_the_link_local_addresses_of_a_host_that_was_read(lab: Lab, sender: Party, source: str) -> None:
    terrain = Terrain(*lab.call(lambda: (linux_host().read(), underlay.read())))

    words = routed(lab, terrain, probe(sender, "fe80::", "udp", 53, source=source))

    assert words == ({"local"}, {"local"})


def test_an_echo_is_answered_from_an_address_of_the_hosts_own(lab: Lab, terrain: Terrain) -> None:
    asked = probe(Resident("acme", "web"), "2001:db8:a::", "icmp", source="fd20::10")

    answer = lab.run("ping", "-n", "-c", "1", "2001:db8:a::", netns="acme-web")

    reply = walk(terrain, packet_of(lab.world, asked)).reply
    assert reply is not None
    assert (address_text(reply.source), reply.by) == ("fd20::1", "acme-web")
    assert "64 bytes from fd20::1: " in answer


COUNTED = "-p icmpv6 --icmpv6-type echo-reply"


@pytest.mark.parametrize(("uplink", "links"), [("north", ["eth0"]), ("south", [])])
def test_from_outside_an_echo_is_answered_where_main_leads_back_by_that_uplink(
    lab: Lab, terrain: Terrain, uplink: str, links: list[str]
) -> None:
    asked = probe(Outside(uplink), "fd20::", "icmp", source="2001:db8:ffff::9")
    for link in ("eth0", "eth1"):
        lab.run("ip6tables", "-t", "mangle", "-A", "POSTROUTING", "-o", link, *COUNTED.split())

    lab.probe(asked, patience=2)

    counters = lab.run("ip6tables", "-t", "mangle", "-nvxL", "POSTROUTING").splitlines()
    for link in ("eth0", "eth1"):
        lab.run("ip6tables", "-t", "mangle", "-D", "POSTROUTING", "-o", link, *COUNTED.split())
    answered = [each.split() for each in counters if "ipv6-icmptype 129" in each]
    reply = walk(terrain, packet_of(lab.world, asked)).reply
    assert reply is not None
    assert [reply.link] * (reply.verdict is Verdict.DELIVERED) == links
    assert [link for packets, _, _, _, _, link, *_ in answered if int(packets)] == links


def test_a_host_that_does_not_forward_is_no_router_of_the_subnet(lab: Lab) -> None:
    key = "/proc/sys/net/ipv6/conf/all/forwarding"

    def without() -> tuple[Underlay, tuple[Answer, ...]]:
        Path(key).write_text("0")
        try:
            return underlay.read(), ask([Question(b"", ip_address("fd20::").packed, 0, "")])
        finally:
            Path(key).write_text("1")

    seen, (answer,) = lab.call(without)

    terrain = Terrain(lab.call(lambda: linux_host().read()), seen)
    told = walk(terrain, packet_of(lab.world, Probe(TheHost(), ip_address("fd20::"), "udp", 53)))
    assert (answer.kind, told.forward.queries[0].answer) == ("unicast", "unicast")
