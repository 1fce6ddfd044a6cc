"""Which links of others go on listening to router advertisements when laneway turns forwarding on."""

from __future__ import annotations

import pytest

from laneway.kernel.facts import learners
from laneway.kernel.link_messages import SeenLink


def _link(number: int, name: str, kind: str = "", master: int = 0) -> SeenLink:
    fields = dict.fromkeys(SeenLink._fields)
    return SeenLink(**(fields | {"number": number, "name": name, "kind": kind, "master": master}))  # type: ignore[arg-type]


CARD = _link(2, "eth0")
GUEST_PORT = _link(3, "veth0", "veth", master=4)


@pytest.mark.parametrize(
    ("links", "listening"),
    [
        pytest.param([CARD], ["eth0"], id="a network card"),
        pytest.param([CARD, GUEST_PORT, _link(4, "docker0", "bridge")], ["eth0"], id="a bridge of containers"),
        pytest.param([_link(2, "eth0", master=4), _link(4, "br0", "bridge")], ["br0"], id="a bridge over a card"),
        pytest.param(
            [_link(2, "eth0", master=3), _link(3, "bond0", "bond", master=4), _link(4, "vmbr0", "bridge")],
            ["vmbr0"],
            id="a bridge over a bond",
        ),
        pytest.param(
            [CARD, _link(3, "eth0.5", "vlan", master=4), GUEST_PORT._replace(number=5), _link(4, "vmbr0", "bridge")],
            ["eth0", "vmbr0"],
            id="a bridge over a VLAN, with guests",
        ),
        pytest.param([CARD, _link(3, "veth0", "veth")], ["eth0"], id="a veth pair of guests"),
        pytest.param([_link(3, "eth0", "veth")], ["eth0"], id="the machine is a container"),
        pytest.param([_link(3, "eth0", "veth", master=4), _link(4, "br0", "bridge")], [], id="a bridge of veth pairs"),
        pytest.param([CARD, _link(3, "tap0", "tun")], ["eth0"], id="a tap"),
        pytest.param([_link(2, "eth0", master=3), _link(3, "red", "vrf")], ["eth0"], id="a card in a VRF"),
    ],
)
def test_the_hosts_own_ways_out_listen_and_networks_of_guests_do_not(
    links: list[SeenLink], listening: list[str]
) -> None:
    learnt = {link.number for link in links if link.kind != "vrf"}

    assert list(learners(links, learnt)) == listening
