"""A trial asks about every promise of the policy, and about what lies next to each."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from laneway.lab.judge import World, judge
from laneway.lab.probes import LIMIT, plan_probes
from laneway.lab.trial import Outside, Probe, Resident, TheHost
from laneway.policy.model import Ports
from tests.lab.samples import (
    ACME,
    GLOBEX,
    NORTH,
    SOUTH,
    TWO,
    expect,
    publish,
    tenant,
    traffic,
    workload,
    world,
)

PROBES = plan_probes(TWO)


def of(kind: str, tenant: str = "acme", probes: tuple[Probe, ...] = PROBES) -> list[Probe]:
    return [each for each in probes if (each.kind, each.group) == (kind, tenant)]


def asked(probes: list[Probe]) -> set[tuple[str, int]]:
    return {(each.protocol, each.port) for each in probes}


def test_every_workload_asks_the_internet_by_every_transport_in_its_families() -> None:
    basic = {
        (str(each.sender), each.protocol, each.family)
        for each in PROBES
        if isinstance(each.sender, Resident) and each.kind == "internet"
    }

    assert basic >= {("acme/web", protocol, family) for protocol in ("tcp", "udp", "icmp") for family in (4, 6)}
    assert ("acme/db", "tcp", 4) in basic
    assert ("acme/db", "tcp", 6) not in basic


def test_probe_of_no_class_meets_no_class() -> None:
    assert all(judge(TWO, each).uplink == "north" for each in of("internet"))


def test_class_is_probed_inside_and_next_to_its_ports() -> None:
    edges = world(NORTH, SOUTH, tenant("t", "10.1.0.0/24", "north", workload("w", "10.1.0.10"), classes=(
        traffic("range", "south", protocol="tcp", ports=(Ports(8000, 8080),)),
    )))  # fmt: skip
    probes = plan_probes(edges)

    assert asked(of("class range", "t", probes)) == {("tcp", 8000), ("tcp", 8080)}
    assert {("tcp", 7999), ("tcp", 8081)} <= asked(of("internet", "t", probes))


def test_class_by_destination_is_probed_inside_and_next_to_its_prefix() -> None:
    prefix = ip_network("203.0.113.64/26")
    narrow = world(NORTH, SOUTH, tenant("t", "10.1.0.0/24", "north", workload("w", "10.1.0.10"), classes=(
        traffic("there", "south", to=(prefix,)),
    )))  # fmt: skip
    probes = plan_probes(narrow)

    inside = {each.to for each in of("class there", "t", probes)}
    assert all(each in prefix for each in inside)
    assert inside
    assert ip_address("203.0.113.137") in {each.to for each in of("internet", "t", probes)}


def test_class_for_everything_is_tried_with_hosts_of_the_internet() -> None:
    everything = world(NORTH, SOUTH, tenant("t", "10.1.0.0/24 fd01::/64", "north", workload("w", "10.1.0.10 fd01::10"),
        classes=(traffic("all", "south", to=(ip_network("::/0"), ip_network("0.0.0.0/0"))),),
    ))  # fmt: skip

    tried = {each.to for each in of("class all", "t", plan_probes(everything))}
    assert {each.version for each in tried} == {4, 6}
    assert all(each in ip_network("2000::/3") or each in ip_network("203.0.113.0/24") for each in tried)


def test_packet_that_two_classes_would_have_is_sent() -> None:
    rivals = world(NORTH, SOUTH, tenant("t", "10.1.0.0/24", "north", workload("w", "10.1.0.10"), classes=(
        traffic("web", "south", protocol="tcp", ports=(Ports(1, 1023),)),
        traffic("there", "north", to=(ip_network("203.0.113.64/26"),)),
    )))  # fmt: skip

    first = of("class web", "t", plan_probes(rivals))
    assert any(each.to in ip_network("203.0.113.64/26") for each in first)


def test_class_of_one_workload_is_tried_by_the_others_too() -> None:
    one = world(NORTH, SOUTH, tenant("t", "10.1.0.0/24", "north",
        workload("a", "10.1.0.10"), workload("b", "10.1.0.11"),
        classes=(traffic("a", "south", protocol="tcp", ports=(Ports(99, 99),), from_=(ip_network("10.1.0.10/32"),)),),
    ))  # fmt: skip
    probes = plan_probes(one)

    assert {str(each.sender) for each in of("class a", "t", probes)} == {"t/a"}
    assert {str(each.sender) for each in of("internet", "t", probes) if each.port == 99} == {"t/b"}


def test_every_published_port_is_asked_for_by_every_uplink_that_has_its_address() -> None:
    web = {(each.sender, str(each.to), each.protocol, each.port) for each in of("published")}

    assert web == {
        (Outside("north"), "192.0.2.2", "tcp", 8080),
        (Outside("south"), "198.51.100.2", "tcp", 8080),
        (Outside("north"), "2001:db8:a::2", "tcp", 8080),
        (Outside("south"), "2001:db8:b::2", "tcp", 8080),
        (Outside("north"), "192.0.2.5", "udp", 5300),
    }


def test_published_range_is_asked_for_at_both_ends() -> None:
    web = workload("w", "10.1.0.10", publish(9000, 9000, count=11))
    probes = plan_probes(world(NORTH, tenant("t", "10.1.0.0/24", "north", web)))

    assert asked(of("published", "t", probes)) == {("tcp", 9000), ("tcp", 9010)}


def test_tenants_try_each_other_by_every_transport() -> None:
    tried = {(each.whom, each.protocol) for each in of("stranger", "globex")}

    assert tried == {(whom, protocol) for whom in ("acme/web", "acme/db") for protocol in ("tcp", "udp", "icmp")}
    assert not any(judge(TWO, each).delivered for each in of("stranger", "globex"))
    assert asked(of("allow", "globex")) == {("tcp", 5432)}


def test_every_workload_forges_a_source() -> None:
    forged = [each for each in PROBES if each.spoofed]

    assert {str(each.sender) for each in forged} == {"acme/web", "acme/db", "globex/app"}
    assert all(TWO.resident(each.source) != each.sender for each in forged if each.source is not None)
    own = {str(each.source) for each in forged if str(each.sender) == "acme/web"} - {"10.30.0.10", "fd30::10"}
    assert own == {"10.20.0.1", "10.20.0.255", "fd20::1", "fd20::"}


def test_host_is_asked_from_outside_by_every_uplink_and_asks_itself() -> None:
    assert {each.sender for each in of("service", "host")} == {Outside("north"), Outside("south")}
    assert {each.sender for each in of("internet", "host")} == {TheHost()}


def test_explicit_expectations_come_last() -> None:
    wanted = expect("acme/web", "203.0.113.9", 443, uplink="south")
    arriving = expect("203.0.113.5", "192.0.2.2", 8080, uplink="north", arrives="north")
    probes = plan_probes(world(NORTH, SOUTH, ACME, GLOBEX, wanted, arriving))

    assert [(str(each.sender), str(each.to), each.port) for each in probes[-2:]] == [
        ("acme/web", "203.0.113.9", 443),
        ("internet", "192.0.2.2", 8080),
    ]
    assert probes[-1].sender == Outside("north")


def test_each_internet_host_of_the_labs_own_is_asked_once() -> None:
    invented = [each.to for each in PROBES if each.kind == "internet"]

    assert len(invented) == len(set(invented))


def test_same_policy_gives_the_same_probes() -> None:
    assert plan_probes(TWO) == PROBES


def test_crowd_is_tried_in_part() -> None:
    many = [
        tenant(f"t{number}", f"10.{number}.0.0/24", "north", workload("w", f"10.{number}.0.10"))
        for number in range(1, 101)
    ]
    crowd: World = world(NORTH, *many)

    probes = plan_probes(crowd)
    assert len(probes) < 2 * LIMIT
    assert len({each.group for each in probes if each.kind == "stranger"}) == 100
