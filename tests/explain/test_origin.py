"""From every step back to the line of the policy, and what a refusal tells one to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from laneway.explain.explanation import explain
from laneway.explain.live import command, compared, queries
from laneway.explain.places import Places
from laneway.explain.report import as_json, lines
from laneway.explain.why import why_not
from laneway.kernel.lookups import Answer
from laneway.policy.load import load
from tests.explain.samples import APP, HOST, NORTH, POLICY, SOUTH, WEB, packet, told

if TYPE_CHECKING:
    from pathlib import Path

    from laneway.explain.explanation import Explanation, Ground
    from laneway.explain.hop import Leg
    from laneway.explain.packet import Packet


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    from laneway.explain.assume import assumed_host

    monkeypatch.chdir(tmp_path)
    (tmp_path / "acme.toml").write_text(POLICY, encoding="utf-8")
    return assumed_host(load([tmp_path.joinpath("acme.toml").relative_to(tmp_path)]))


def policy_lines(told: Explanation, leg: Leg) -> list[tuple[str, str]]:
    """Return the stage of each step that the policy is behind, with the text of its line."""
    text = POLICY.splitlines()
    places = Places()
    found = []
    for hop in leg.hops:
        place = places.text(told.ground.origins.of(hop))
        if place and not hop.minor:
            file, _, line = place.partition(":")
            assert file == "acme.toml"
            found.append((hop.stage, text[int(line) - 1]))
    return found


def test_each_step_out_has_its_line(here: Ground) -> None:
    found = explain(here, packet(WEB, "203.0.113.9", "tcp/443"))

    assert policy_lines(found, found.walk.forward) == [
        ("workload", "[tenants.acme.workloads.web]"),
        ("raw PREROUTING", 'subnets = ["10.20.0.0/24", "fd20::/64"]'),
        ("mangle PREROUTING", 'subnets = ["10.20.0.0/24", "fd20::/64"]'),
        ("mangle PREROUTING", "[[tenants.acme.classes]]"),
        ("ip rule", 'uplinks = ["north", "south"]'),
        ("route", 'gateways = ["198.51.100.1"]'),
        ("filter FORWARD", "[uplinks.south]"),
        ("filter FORWARD", "[uplinks.south]"),
        ("nat POSTROUTING", "[uplinks.south]"),
    ]


def test_each_step_in_has_its_line(here: Ground) -> None:
    found = explain(here, packet(NORTH, "192.0.2.2", "tcp/8080", source="203.0.113.5"))

    assert policy_lines(found, found.walk.forward) == [
        ("mangle PREROUTING", "[uplinks.north]"),
        ("nat PREROUTING", 'publish = ["8080:80/tcp"]'),
        ("ip rule", 'uplinks = ["north", "south"]'),
        ("route", 'subnets = ["10.20.0.0/24", "fd20::/64"]'),
        ("filter FORWARD", 'publish = ["8080:80/tcp"]'),
        ("mangle POSTROUTING", 'publish = ["8080:80/tcp"]'),
    ]


def test_a_hole_in_the_wall_has_its_line(here: Ground) -> None:
    found = explain(here, packet(WEB, "10.30.0.10", "tcp/5432"))

    assert ("filter FORWARD", "[[tenants.acme.allow]]") in policy_lines(found, found.walk.forward)


def test_a_refusing_route_has_its_line(here: Ground) -> None:
    found = explain(here, packet(WEB, "172.16.0.9", "udp/53"))

    assert policy_lines(found, found.walk.forward)[-1] == ("route", "[[tenants.acme.routes]]")


ADVICE = [
    (packet(WEB, "203.0.113.9", "tcp/25"), "class no-mail (acme.toml:26) refuses it"),
    (packet(WEB, "203.0.113.9", "tcp/445"), "class no-smb (acme.toml:31) refuses it"),
    (packet(WEB, "10.20.0.1", "tcp/25"), "class no-mail (acme.toml:26) refuses it"),
    (packet(WEB, "172.16.0.9", "udp/53"), "a route of type prohibit (acme.toml:36) refuses 172.16.0.9"),
    (packet(WEB, "2001:db8:ffff::9", "tcp/443"), "uplink south does not carry IPv6 (acme.toml:5)"),
    (packet(WEB, "10.30.0.10", "tcp/80"), 'to = "globex/app"\n  ports = ["80/tcp"]'),
    (packet(WEB, "10.20.0.1", "tcp/22"), 'host_access = ["22/tcp"]'),
    (packet(WEB, "10.30.0.1", "icmp"), "10.30.0.1 is tenant globex's gateway: use this tenant's own"),
    (packet(APP, "203.0.113.9", "udp/53", source="10.99.0.1"), "tenants.globex.subnets"),
    (packet(NORTH, "10.20.0.10", "tcp/80", source="203.0.113.5"), 'publish = ["80:80/tcp"]'),
    (packet(NORTH, "8.8.8.8", "udp/53", source="203.0.113.5"), "the host is no router for others' networks"),
    (packet(SOUTH, "198.51.100.2", "tcp/22", source="192.0.2.2"), "reverse path filter"),
]


@pytest.mark.parametrize(("asked", "advice"), ADVICE, ids=lambda each: str(each)[-30:])
def test_a_refusal_says_what_would_have_to_change(here: Ground, asked: Packet, advice: str) -> None:
    found = explain(here, asked)

    assert advice in "\n".join(why_not(found, Places()))


def test_what_gets_through_needs_no_advice(here: Ground) -> None:
    assert why_not(explain(here, packet(WEB, "203.0.113.9", "tcp/443")), Places()) == []


def test_json_says_at_least_what_was_promised(here: Ground) -> None:
    answer = as_json(explain(here, packet(WEB, "203.0.113.9", "tcp/443")), Places())

    head = {key: answer[key] for key in ("verdict", "uplink", "lane", "source_seen", "by", "later", "stopped_by")}
    assert head == {
        "verdict": "delivered",
        "uplink": "south",
        "lane": "acme.south",
        "source_seen": "198.51.100.2",
        "by": "internet",
        "later": "delivered",
        "stopped_by": None,
    }
    hops = answer["hops"]
    assert isinstance(hops, list)
    assert next(each for each in hops if each["lane"] == "acme.south") == {
        "stage": "mangle PREROUTING",
        "effect": "marks it",
        "object": "LANEWAY-CLASS-OF.2:1",
        "rule": '-A LANEWAY-CLASS-OF.2 -p tcp -m tcp --dport 443 -m comment --comment "lw:acme:class-bulk" '
        "-g LANEWAY-TAKE.2",
        "entry": None,
        "policy": "acme.toml:21",
        "mark": "0x120000",
        "lane": "acme.south",
        "minor": False,
    }


def test_a_person_reads_this(here: Ground) -> None:
    found = explain(here, packet(WEB, "203.0.113.9", "tcp/25"))

    told = ["".join(part.text for part in line) for line in lines(found, Places())]
    assert [" ".join(line.split()) for line in told] == [
        "acme/web → 203.0.113.9 tcp/25: refused",
        "",
        "workload acme-web sends it as 10.20.0.10 link lwvovgsrs3g357m acme.toml:14",
        "raw passes (anti spoof) LANEWAY-RAW:1 (lw-src4 10.20.0.0/24,lwb-acme) acme.toml:10",
        "mangle marks it acme.north (tenant) LANEWAY-FROM:2 (lw-src4 10.20.0.0/24,lwb-acme) acme.toml:10",
        "mangle marks it acme.refused (class no-mail) LANEWAY-CLASS-OF.2:2 acme.toml:26",
        "ip rule refuses it ip rule 10589",
        "pref 10589 fwmark 0x100000/0xffff0000 prohibit protocol 147",
    ]
    assert len({line.index("acme.toml") for line in told if "acme.toml" in line}) == 1


def test_the_kernel_is_asked_for_each_decision_once() -> None:
    found = told(HOST, "203.0.113.9", "tcp/443")

    assert [command(each) for each in queries(found)] == [
        "ip route get 203.0.113.9",
        "ip route get 192.0.2.2 from 203.0.113.9 iif eth0",
    ]


def test_where_the_kernel_routes_otherwise_both_are_told() -> None:
    asked = queries(told(WEB, "203.0.113.9", "udp/123"))

    found = compared(asked, [Answer("unicast", "eth1", "198.51.100.1"), Answer("unicast", "lwb-acme")])

    assert [(each.differs, each.walk, each.kernel) for each in found] == [
        (True, "dev eth0 via 192.0.2.1", "dev eth1 via 198.51.100.1"),
        (False, "dev lwb-acme", "dev lwb-acme"),
    ]
