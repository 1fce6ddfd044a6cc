"""Two uplinks on one wire: what is for the second address comes in by the second link, whoever is asked by ARP."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from integration.commands.conftest import ANSWER, script
from integration.commands.test_uplink_fails import POLICY, ask, served

if TYPE_CHECKING:
    from pathlib import Path

    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway

WIRE = """
ip addr flush dev eth1 scope global; ip addr add 192.0.2.3/24 dev eth1; ip addr add 2001:db8:a::3/64 dev eth1 nodad
ip netns add wire; ip -n wire link add wire type bridge; ip -n wire link set wire up
for n in 0 1; do ip link set provider$n netns wire; ip -n wire link set provider$n master wire up; done
ip -n wire addr add 192.0.2.1/24 dev wire; ip -n wire addr add 2001:db8:a::1/64 dev wire nodad
"""
ARP = "net/ipv4/conf/{}/arp_{}"


@pytest.fixture
def variant() -> str:
    """One variant of iptables: ARP is the same with the other."""
    return "nft"


def arp(host: Throwaway) -> list[str]:
    keys = [ARP.format(link, name) for link in ("eth0", "eth1") for name in ("ignore", "announce")]
    return host.sh(f"sysctl -n {' '.join(keys)}").split()


def test_who_is_on_one_wire_with_both(router: Throwaway, laneway: Laneway, tmp_path: Path) -> None:
    router.sh(WIRE)
    before = arp(router)
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.replace("198.51.100.1", "192.0.2.1").replace("2001:db8:b::1", "2001:db8:a::1"))
    laneway("apply", policy)
    assert arp(router) == ["1", "2", "1", "2"]
    macs = {
        "192.0.2.2": router.sh("cat /sys/class/net/eth0/address").strip(),
        "192.0.2.3": router.sh("cat /sys/class/net/eth1/address").strip(),
    }
    with ExitStack() as stack:
        for address in ("10.30.0.10", "fd30::10"):
            served(router, stack, "globex-web", script(ANSWER, address, 80))
        for _ in range(4):
            router.sh("ip -n wire neigh flush dev wire")
            for own in ("192.0.2.3", "2001:db8:a::3"):
                assert (own, ask(router, "wire", own, 8080)) == (own, "here")
            router.sh("ip netns exec wire ping -c1 -W2 192.0.2.2")
            seen = {
                each["dst"]: each["lladdr"]
                for each in router.json("ip -n wire -j -4 neigh show dev wire nud reachable")
            }
            assert seen == macs
    assert laneway.json("verify")["drift"] == []
    assert "uplinks-share-network" in {each["rule"] for each in laneway.json("doctor", code=None)["findings"]}

    laneway("destroy", "--yes")

    assert arp(router) == before
