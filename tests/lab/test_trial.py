"""A verdict says what was wrong."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from laneway.lab.trial import REFUSED, Expected, Outcome, Probe, Resident, Sighting, compare
from tests.lab.samples import answered, got, lost

PROBE = Probe(Resident("acme", "web"), ip_address("203.0.113.9"), "tcp", 443)
HOST, OTHER = ip_address("192.0.2.2"), ip_address("198.51.100.2")
BY_NORTH = Expected(delivered=True, by="internet", uplink="north", source=HOST)


@pytest.mark.parametrize(
    ("expected", "outcome", "faults"),
    [
        pytest.param(BY_NORTH, got("internet", "north", "192.0.2.2"), (), id="as expected"),
        pytest.param(BY_NORTH, got("internet", "south", "198.51.100.2"), (
            "by south, should be north",
            "seen as 198.51.100.2, should be 192.0.2.2",
        ), id="wrong uplink"),
        pytest.param(BY_NORTH, lost(), (
            "silence, should be answered by internet, by north",
        ), id="lost"),
        pytest.param(BY_NORTH, lost(Sighting("south", HOST)), (
            "left by south as 192.0.2.2 and was not answered",
            "silence, should be answered by internet, by north",
        ), id="dropped by the wrong provider"),
        pytest.param(REFUSED, lost(), (), id="refused in silence"),
        pytest.param(REFUSED, got("internet", "south", "198.51.100.2"), (
            "answered by internet by south, should be refused",
        ), id="answered"),
        pytest.param(REFUSED, lost(Sighting("south", OTHER)), (
            "left by south as 198.51.100.2, should be refused",
        ), id="leaked one way"),
        pytest.param(REFUSED, lost(reached="globex/app"), (
            "reached globex/app, should be refused",
        ), id="reached one way"),
        pytest.param(answered("acme/web"), got("host"), (
            "answered by host, should be acme/web",
        ), id="wrong one answered"),
        pytest.param(answered("acme/db", "192.0.2.2"), got("acme/db"), (), id="echo tells no source"),
    ],
)  # fmt: skip
def test_verdict(expected: Expected, outcome: Outcome, faults: tuple[str, ...]) -> None:
    assert compare(PROBE, expected, outcome).faults == faults
