"""The policy's own tests, on paper."""

from __future__ import annotations

import pytest

from laneway.explain.expect import failed
from laneway.explain.question import presumed_host
from laneway.policy.load import load_text
from tests.explain.samples import POLICY, SOUTH, packet

OUT = 'from = "acme/web"\nto = "203.0.113.9"\n'
IN = 'from = "203.0.113.5"\narrives = "south"\n'


@pytest.mark.parametrize(
    ("expect", "reasons"),
    [
        pytest.param(OUT + 'port = 443\nuplink = "south"', [], id="by its uplink"),
        pytest.param(
            OUT + 'port = 443\nuplink = "north"', ["should go by north, but goes by south"], id="by another uplink"
        ),
        pytest.param(OUT + 'port = 25\nresult = "refused"', [], id="rejected"),
        pytest.param(OUT + 'port = 445\nresult = "refused"', [], id="dropped"),
        pytest.param(
            OUT + 'port = 443\nresult = "refused"', ["should be refused, but internet gets it"], id="not refused"
        ),
        pytest.param(
            OUT + 'port = 445\nresult = "delivered"', ["should be delivered, but is dropped"], id="not delivered"
        ),
        pytest.param(IN + 'to = "198.51.100.2"\nport = 8080\nuplink = "south"', [], id="published"),
        pytest.param(IN + 'to = "198.51.100.77"\nport = 8080\nuplink = "south"', [], id="near the gateway"),
        pytest.param(
            'from = "172.16.0.9"\narrives = "south"\nto = "198.51.100.2"\nport = 8080\nresult = "delivered"',
            ["acme/web gets it, but the answer is refused"],
            id="no way back",
        ),
        pytest.param(IN + 'to = "10.20.0.10"\nport = 80\nresult = "refused"', [], id="unpublished"),
        pytest.param(
            'from = "acme/web"\nto = "fd30::10"\nprotocol = "icmp"\nresult = "delivered"',
            ["should be delivered, but is refused"],
            id="wall",
        ),
    ],
)
def test_an_expectation_holds_or_says_why_not(expect: str, reasons: list[str]) -> None:
    policy = load_text(f"{POLICY}\n[[expect]]\n{expect}\n")

    assert [each.reason for each in failed(policy)] == reasons


def test_without_expectations_nothing_is_compiled() -> None:
    assert failed(load_text(POLICY)) == []


@pytest.mark.parametrize(
    ("gateways", "to", "own"),
    [
        ('["198.51.100.1"]', "198.51.100.77", True),
        ('["198.51.100.1"]', "198.51.100.1", False),
        ('["198.51.100.1"]', "203.0.113.9", False),
        ('["198.51.100.1"]', "10.20.0.10", False),
        ("[]", "203.0.113.9", True),
        ("[]", "10.20.0.10", False),
        ('"auto"', "203.0.113.9", True),
        ('["2001:db8:b::1"]', "2001:db8:b::77", True),
        ('["2001:db8:b::1"]', "2001:db8:b::", False),
    ],
)
def test_what_comes_in_near_the_gateway_is_taken_for_the_host_s(gateways: str, to: str, own: bool) -> None:  # noqa: FBT001
    policy = load_text(POLICY.replace('["198.51.100.1"]', gateways))

    found = presumed_host(policy, packet(SOUTH, to, "tcp/22"))

    assert (found is not None) == own
