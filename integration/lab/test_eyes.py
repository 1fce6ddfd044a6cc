"""The lab sees what a host does wrong: every way a packet can go astray is made by hand, and must be told."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from integration.lab.plain_router import masquerade, write_sysctl
from laneway.lab.trial import Outcome, Outside, Probe, Resident, Sighting, TheHost

if TYPE_CHECKING:
    from laneway.lab.run import Lab

WEB = Resident("acme", "web")
OUT4 = Probe(WEB, ip_address("203.0.113.9"), "tcp", 443, ip_address("10.20.0.10"))
OUT6 = Probe(WEB, ip_address("2600::9"), "tcp", 443, ip_address("fd20::10"))
ACROSS = Probe(WEB, ip_address("10.30.0.10"), "udp", 4000, ip_address("10.20.0.10"))


def got(by: str, uplink: str, source: str) -> tuple[bool, str, str, str]:
    return (True, by, uplink, source)


def short(outcome: Outcome) -> tuple[bool, str, str, str]:
    return (outcome.delivered, outcome.by, outcome.uplink, str(outcome.source))


@pytest.mark.parametrize("protocol", ["tcp", "udp", "icmp"])
def test_way_and_source_of_an_answered_packet_are_told(router: Lab, protocol: str) -> None:
    masquerade(router)
    port = 0 if protocol == "icmp" else 443

    four, six = router.send([replace(each, protocol=protocol, port=port) for each in (OUT4, OUT6)])
    assert short(four) == got("internet", "north", "192.0.2.2")
    assert short(six) == got("internet", "north", "2001:db8:a::2")


def test_packet_with_a_source_not_the_providers_is_seen_and_not_answered(router: Lab) -> None:
    outcome = router.probe(OUT4)

    assert not outcome.delivered
    assert outcome.seen == (Sighting("north", ip_address("10.20.0.10")),)


def test_packet_by_the_other_uplink_is_told(router: Lab) -> None:
    masquerade(router)
    router.run("ip", "rule", "add", "pref", "100", "iif", "br20", "lookup", "100")
    router.run("ip", "route", "add", "default", "via", "198.51.100.1", "dev", "south0", "table", "100")
    write_sysctl(router, "net/ipv4/conf/south0/rp_filter", "2")

    assert short(router.probe(OUT4)) == got("internet", "south", "198.51.100.2")


def test_tenants_that_reach_each_other_are_told(router: Lab) -> None:
    report = router.trial([ACROSS, replace(ACROSS, protocol="tcp"), replace(ACROSS, protocol="icmp", port=0)])

    assert [each.faults for each in report.results] == [("answered by globex/app, should be refused",)] * 3
    assert report.exit_code == 8


def test_tenant_that_reaches_the_host_is_told(router: Lab) -> None:
    probe = Probe(WEB, ip_address("10.30.0.1"), "tcp", 22, ip_address("10.20.0.10"))

    assert router.trial([probe]).results[0].faults == ("answered by host, should be refused",)


def test_one_way_packet_to_another_tenant_is_told(router: Lab) -> None:
    router.run("iptables", "-w", "5", "-A", "FORWARD", "-s", "10.30.0.0/24", "-j", "DROP")

    assert router.trial([ACROSS]).results[0].faults == ("reached globex/app, should be refused",)


@pytest.mark.parametrize(("source", "to"), [("10.30.0.10", "203.0.113.9"), ("fd30::10", "2600::9")])
def test_forged_source_that_leaves_is_told(router: Lab, source: str, to: str) -> None:
    for key in ("all", "br20"):
        write_sysctl(router, f"net/ipv4/conf/{key}/rp_filter", "0")
    forged = Probe(WEB, ip_address(to), "udp", 53, ip_address(source), spoofed=True)

    assert router.trial([forged]).results[0].faults == (f"left by north as {source}, should be refused",)


def test_forged_packet_that_passes_as_part_of_anothers_flow_is_told(router: Lab) -> None:
    masquerade(router)
    for key in ("all", "br20", "br30"):
        write_sysctl(router, f"net/ipv4/conf/{key}/rp_filter", "0")
    strangers = ("-i", "br20", "!", "-s", "10.20.0.0/24", "-m", "conntrack", "--ctstate", "NEW", "-j", "DROP")
    router.run("iptables", "-w", "5", "-A", "FORWARD", *strangers)
    forged = Probe(WEB, ip_address("203.0.113.9"), "udp", 53, ip_address("10.30.0.10"), spoofed=True)

    assert not router.trial([forged]).results[0].held


def test_stranger_that_is_forwarded_is_told(router: Lab) -> None:
    through = Probe(Outside("north"), ip_address("198.18.0.9"), "udp", 53, ip_address("203.0.113.5"))

    assert router.trial([through]).results[0].faults == ("left by north as 203.0.113.5, should be refused",)


def test_forged_source_that_the_host_drops_is_not_seen(router: Lab) -> None:
    router.run("iptables", "-w", "5", "-t", "raw", "-A", "PREROUTING", "-i", "br20", "-j", "DROP")
    forged = Probe(WEB, ip_address("203.0.113.9"), "udp", 53, ip_address("10.30.0.10"), spoofed=True)

    assert router.trial([forged]).failed == ()


def test_bare_protocol_is_seen_on_the_wire(router: Lab) -> None:
    masquerade(router)

    assert short(router.probe(replace(OUT4, protocol="47", port=0))) == got("internet", "north", "192.0.2.2")


def test_dscp_is_sent(router: Lab) -> None:
    masquerade(router)
    router.run("iptables", "-w", "5", "-A", "FORWARD", "-m", "dscp", "--dscp", "10", "-j", "REJECT")

    marked, plain = router.send([replace(OUT4, dscp=10), replace(OUT4, port=80)])
    assert (marked.delivered, plain.delivered) == (False, True)
    assert marked.how.startswith("rejected, ECONNREFUSED")


@pytest.mark.parametrize("protocol", ["tcp", "udp", "icmp"])
def test_answer_by_the_wrong_uplink_does_not_arrive(lab: Lab, protocol: str) -> None:
    write_sysctl(lab, "net/ipv4/conf/south0/rp_filter", "0")
    port = 0 if protocol == "icmp" else 7777
    asked = Probe(Outside("south"), ip_address("198.51.100.2"), protocol, port, ip_address("203.0.113.5"))

    # Main's default is north: the answer leaves there with south's address, which north does not let pass.
    assert not lab.probe(asked).delivered


def test_host_is_reached_by_the_uplink_of_its_default_route(lab: Lab) -> None:
    stranger = ip_address("203.0.113.5")
    asked = Probe(Outside("north"), ip_address("192.0.2.2"), "tcp", 7777, stranger)

    assert short(lab.probe(asked)) == got("host", "", "203.0.113.5")


def test_host_without_workloads_is_told(lab: Lab) -> None:
    outcome = lab.probe(OUT4)

    assert (outcome.delivered, outcome.how) == (False, "the sender is not on the host")


def test_hosts_own_packets_are_seen(lab: Lab) -> None:
    assert short(lab.probe(Probe(TheHost(), ip_address("8.8.8.8"), "udp", 53))) == got("internet", "north", "192.0.2.2")
