"""Packets that the walk once said more of than the kernel did: what had to change was what laneway programs."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from laneway.cli.wire import carry_out, look_at
from laneway.lab.run import Lab
from laneway.lab.trial import Probe, Resident, TheHost
from laneway.policy.load import load_text

UPLINK = '[uplinks.north]\ninterface = "eth0"\ngateways = ["192.0.2.1", "2001:db8:a::1"]\n'
ACME = '[tenants.acme]\nsubnets = ["10.20.0.0/24", "fd20::/64", "10.120.0.0/24"]\nuplinks = ["north"]\n'
WORKLOADS = """
[tenants.acme.workloads.web]
addresses = ["10.20.0.10", "fd20::10", "10.120.0.10"]
[tenants.acme.workloads.db]
addresses = ["10.20.0.11", "fd20::11"]
"""
NO_PING = '\n[[tenants.acme.classes]]\nname = "no-ping"\nmatch = { protocol = "icmp" }\naction = "drop"\n'
NOTHING = '\n[[tenants.acme.classes]]\nname = "nothing"\nmatch = {}\naction = "ACTION"\n'
WEB, DB = Resident("acme", "web"), Resident("acme", "db")


def probe(sender: Resident | TheHost, to: str, protocol: str, port: int = 0, *, source: str | None = None) -> Probe:
    return Probe(sender, ip_address(to), protocol, port, ip_address(source) if source else None)


HOME = {
    "neighbours": probe(WEB, "10.20.0.11", "tcp", 80, source="10.20.0.10"),
    "neighbours in IPv6": probe(WEB, "fd20::11", "udp", 53, source="fd20::10"),
    # The workload's answer took the mark of what is refused, and gave it to the host's next packet.
    "asked by the host": probe(TheHost(), "10.20.0.10", "tcp", 80),
    "asked by the host in IPv6": probe(TheHost(), "fd20::10", "tcp", 80),
}
SUBNETS = {
    # arp_ignore=2 has the host ignore who asks for its gateway with an address of another subnet.
    "from the second subnet": probe(WEB, "203.0.113.9", "udp", 53, source="10.120.0.10"),
    # FORWARD let nothing from a bridge back to it.
    "to the second subnet": probe(DB, "10.120.0.10", "tcp", 80, source="10.20.0.11"),
}
# Neighbour discovery is ICMPv6 too, and so is what bridges pass to ip6tables.
DISCOVERY = {"out, the gateway found": probe(WEB, "2001:db8:ffff::9", "tcp", 80, source="fd20::10")}

CASES = [
    pytest.param("", SUBNETS, id="two subnets"),
    pytest.param(NO_PING, DISCOVERY, id="a class that drops ICMP"),
    pytest.param(NOTHING.replace("ACTION", "drop"), HOME, id="a class that drops all"),
    pytest.param(NOTHING.replace("ACTION", "reject"), HOME, id="a class that rejects all"),
]


@pytest.mark.parametrize(("classes", "asked"), CASES)
def test_all_of_them_are_answered(classes: str, asked: dict[str, Probe]) -> None:
    policy = load_text(UPLINK + ACME + classes + WORKLOADS)

    with Lab(policy) as lab:
        lab.call(lambda: (carry_out(look_at(policy)), None)[1])
        outcomes = dict(zip(asked, lab.send(list(asked.values()), patience=4), strict=True))

    assert [name for name, outcome in outcomes.items() if not outcome.delivered] == []
