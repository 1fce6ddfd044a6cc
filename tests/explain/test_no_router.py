"""A host that did not forward before laneway does not do so for networks of others."""

from __future__ import annotations

import pytest

from laneway.explain.packet import FromOutside
from tests.explain.samples import steps, told

REFUSED = "filter FORWARD: refuses it with icmp-admin-prohibited [lw:-:not-a-router]"


@pytest.mark.parametrize(
    ("link", "verdict", "last"),
    [
        pytest.param("eth0", "dropped", "filter FORWARD: drops it [lw:north:not-a-router]", id="an uplink"),
        pytest.param("mgmt", "refused", REFUSED, id="any other link"),
        pytest.param("docker0", "delivered", "out: leaves by eth0 as 203.0.113.5", id="containers"),
        pytest.param("ve-guest", "delivered", "out: leaves by eth0 as 203.0.113.5", id="of systemd-nspawn"),
        pytest.param("tap0", "refused", REFUSED, id="a VPN, it may be"),
        pytest.param("br-ba9876543210", "delivered", "out: leaves by eth0 as 203.0.113.5", id="theirs, too"),
    ],
)
def test_what_is_nobodys_goes_through_the_host_from_containers_alone(link: str, verdict: str, last: str) -> None:
    found = told(FromOutside(link), "8.8.8.8", "udp/53", source="203.0.113.5")

    assert (found.verdict, steps(found.walk.forward)[-1]) == (verdict, last)
