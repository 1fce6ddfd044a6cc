"""Which uplinks share a network, and what they are told then."""

from __future__ import annotations

import pytest

from laneway.compile.host import compile_host
from laneway.lanes.allocate import allocate
from laneway.lanes.leases import Leases
from laneway.state.facts import HostFacts
from laneway.state.gateways import sharing_a_network
from laneway.state.prefix import prefix
from tests.worlds import tenant, world

ARP = {f"net/ipv4/conf/{link}/arp_{name}": "0" for link in ("all", "eth0", "eth1") for name in ("ignore", "announce")}
TOGETHER = (("eth0", prefix("192.0.2.2/24")), ("eth1", prefix("192.0.2.130/25")))
OWN = {f"{link}/arp_{name}": value for link in ("eth0", "eth1") for name, value in (("ignore", "1"), ("announce", "2"))}
APART = (("eth0", prefix("192.0.2.2/24")), ("eth1", prefix("198.51.100.2/24")))


@pytest.mark.parametrize(
    ("addresses", "all_", "told"),
    [
        (
            TOGETHER,
            "0",
            {"eth0/arp_ignore": "1", "eth0/arp_announce": "2", "eth1/arp_ignore": "1", "eth1/arp_announce": "2"},
        ),
        (TOGETHER, "2", {}),
        (APART, "0", {}),
        ((*APART, ("docker0", prefix("192.0.2.77/24"))), "0", {}),
    ],
)
def test_uplinks_in_one_network_answer_for_their_own_addresses_alone(
    addresses: tuple[tuple[str, object], ...], all_: str, told: dict[str, str]
) -> None:
    policy = world(tenant("acme", 1))
    present = ARP | {key: all_ for key in ARP if "/all/" in key}
    facts = HostFacts("nft", frozenset({"eth0", "eth1"}), sysctls=present, addresses=addresses)  # type: ignore[arg-type]

    state = compile_host(policy, allocate(policy, Leases()), facts)

    turned = {key: value for key, value in state.sysctls.items() if "/arp_" in key and "/eth" in key}
    assert turned == {f"net/ipv4/conf/{key}": value for key, value in told.items()}
    assert state.priors == dict.fromkeys(turned, "0")


def test_ipv6_needs_nothing_of_it() -> None:
    shared = [("eth0", prefix("2001:db8::2/64")), ("eth1", prefix("2001:db8::3/64"))]

    assert sharing_a_network(shared, {"eth0", "eth1"}) == frozenset()
