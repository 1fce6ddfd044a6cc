"""The table, the failures under it, and the same as JSON."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from ipaddress import ip_address

from rich.console import Console

from laneway.errors import Exit
from laneway.lab.report import LabReport, as_json, banner, rows, summary, table
from laneway.lab.trial import REFUSED, Expected, Outside, Probe, Resident, Sighting, compare
from tests.lab.samples import TWO, answered, got, lost

STRANGER = ip_address("203.0.113.7")
OUT = Probe(
    Resident("acme", "web"), ip_address("203.0.113.9"), "tcp", 443, group="acme", kind="internet", whom="internet"
)
BY_NORTH = Expected(delivered=True, by="internet", uplink="north", source=ip_address("192.0.2.2"))
SEEN = got("internet", "north", "192.0.2.2")
IN = Probe(
    Outside("north"),
    ip_address("192.0.2.2"),
    "tcp",
    8080,
    STRANGER,
    group="acme",
    kind="published",
    whom="web 8080/tcp",
)
OTHERS = Probe(
    Resident("acme", "web"), ip_address("10.30.0.10"), "icmp", group="acme", kind="stranger", whom="globex/app"
)

GOOD = (
    compare(OUT, BY_NORTH, SEEN),
    compare(OTHERS, REFUSED, lost()),
    compare(replace(OUT, protocol="udp"), BY_NORTH, SEEN),
    compare(IN, answered("acme/web", "203.0.113.7"), got("acme/web", source="203.0.113.7")),
)
LEAK = compare(OTHERS, REFUSED, lost(Sighting("south", STRANGER)))


def text(report: LabReport) -> str:
    out = io.StringIO()
    Console(file=out, width=120).print(table(report, TWO.topology))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def test_table_tells_who_reached_what_by_which_uplink_seen_as_what() -> None:
    assert (
        text(LabReport(GOOD, 0.84))
        == """\
north: north0, 192.0.2.2 → 192.0.2.1, 2001:db8:a::2 → 2001:db8:a::1
south: south0, 198.51.100.2 → 198.51.100.1, 2001:db8:b::2 → 2001:db8:b::1

                 who       to             with        by     seen as
acme
  ✓   2 reached  web       internet       tcp udp v4  north  192.0.2.2
  ✓   1 reached  internet  web 8080/tcp   tcp v4      north  its own address
  ✓   1 refused  web       other tenants  icmp v4

4 probes in 0.8 s: all as expected"""
    )


def test_failure_is_told_in_full_below_the_table() -> None:
    told = text(LabReport((*GOOD, LEAK), 0.84))

    assert "  ✗ 1 of 2 refused  web       other tenants  icmp v4" in told
    assert told.endswith("""
acme/web → 10.30.0.10 icmp (globex/app)
    left by south as 203.0.113.7, should be refused
5 probes in 0.8 s: 4 as expected, 1 not""")


def test_many_failures_are_counted() -> None:
    report = LabReport((LEAK,) * 30, 1.0)

    assert "… and 10 more; --json has them all" in text(report)
    assert summary(report) == "30 probes in 1.0 s: 0 as expected, 30 not"


def test_exit_code_is_8_when_an_expectation_fails() -> None:
    assert LabReport(GOOD, 1.0).exit_code is Exit.DONE
    assert LabReport((*GOOD, LEAK), 1.0).exit_code is Exit.EXPECTATION


def test_rows_of_one_tenant_stand_together() -> None:
    other = compare(replace(OUT, group="globex"), BY_NORTH, SEEN)

    assert [each.group for each in rows((GOOD[0], other, GOOD[1]))] == ["acme", "acme", "globex"]


def test_json_has_every_probe() -> None:
    answer = json.loads(json.dumps(as_json(LabReport((*GOOD, LEAK), 0.8412))))

    assert (answer["laneway"], answer["probes"], answer["failed"], answer["seconds"]) == (1, 5, 1, 0.841)
    assert answer["results"][0] == {
        "tenant": "acme",
        "kind": "internet",
        "from": "acme/web",
        "arrives": None,
        "source": None,
        "to": "203.0.113.9",
        "protocol": "tcp",
        "port": 443,
        "expected": {"delivered": True, "by": "internet", "uplink": "north", "source_seen": "192.0.2.2"},
        "delivered": True,
        "by": "internet",
        "uplink": "north",
        "source_seen": "192.0.2.2",
        "how": None,
        "held": True,
        "faults": [],
    }
    assert answer["results"][4]["faults"] == ["left by south as 203.0.113.7, should be refused"]


def test_banner_fits_one_screen_and_names_what_is_there() -> None:
    said = banner(TWO.topology, ["acme-web", "acme-db", "globex-app", "globex-db"], STRANGER)

    assert len(said.splitlines()) <= 24
    assert "acme-web, acme-db, globex-app and 1 more" in said
    assert "ip netns exec acme-db curl http://203.0.113.7/" in said
    assert "ip netns exec _provider.north tcpdump" in said
