"""`gateways = "auto"` takes what the host's own routing says, however it says it; nobody is alarmed."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from integration.commands.conftest import ANSWER, Laneway, script
from integration.commands.test_uplink_fails import FAR, POLICY, PROVIDERS, ask, served

if TYPE_CHECKING:
    from pathlib import Path

    from integration.throwaway import Throwaway

AUTO = POLICY.replace('["192.0.2.1", "2001:db8:a::1"]', '"auto"').replace('["198.51.100.1", "2001:db8:b::1"]', '"auto"')
CLEAR = """
for ip in "ip -4" "ip -6"; do
    for metric in 0 9 1024 2000; do while $ip route del default metric $metric; do :; done; done
    for table in 101 102; do
        $ip route flush table $table || true
        while $ip rule del table $table; do :; done
    done
done 2>/dev/null
ip nexthop flush 2>/dev/null || true
"""
SAID = {
    "a table for what has each uplink's address, and nothing in main": """
        ip route add default via 192.0.2.1 table 101; ip -6 route add default via 2001:db8:a::1 table 101
        ip route add default via 198.51.100.1 table 102; ip -6 route add default via 2001:db8:b::1 table 102
        ip rule add from 192.0.2.2 lookup 101; ip -6 rule add from 2001:db8:a::2 lookup 101
        ip rule add from 198.51.100.0/24 lookup 102 pref 30000
        ip -6 rule add from 2001:db8:b::/64 lookup 102 pref 30000
    """,
    "one route by both": """
        ip route add default nexthop via 192.0.2.1 dev eth0 nexthop via 198.51.100.1 dev eth1
        ip -6 route add default nexthop via 2001:db8:a::1 dev eth0 nexthop via 2001:db8:b::1 dev eth1
    """,
    "one by a group of next hops": """
        ip nexthop add id 1 via 192.0.2.1 dev eth0; ip nexthop add id 2 via 198.51.100.1 dev eth1
        ip nexthop add id 3 group 1/2; ip route add default nhid 3
        ip nexthop add id 11 via 2001:db8:a::1 dev eth0; ip nexthop add id 12 via 2001:db8:b::1 dev eth1
        ip nexthop add id 13 group 11/12; ip -6 route add default nhid 13
    """,
    "the link alone": """
        ip route add default dev eth0; ip route add default dev eth1 metric 9
        ip -6 route add default dev eth0; ip -6 route add default dev eth1 metric 2000
    """,
    "an IPv6 next hop of IPv4 (RFC 8950)": """
        ip -4 route add default via inet6 fe80::a dev eth0; ip -4 route add default via inet6 fe80::b dev eth1 metric 9
        ip -6 route add default via fe80::a dev eth0; ip -6 route add default via fe80::b dev eth1 metric 2000
    """,
}


@pytest.fixture
def variant() -> str:
    """One variant of iptables: routes are the same with the other."""
    return "nft"


def test_each_way_to_say_it(router: Throwaway, laneway: Laneway, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(AUTO, encoding="utf-8")
    router.sh(f"sysctl -qw net/ipv4/conf/all/rp_filter=1\n{PROVIDERS}")
    router.sh("""
        ip -n provider0 addr add fe80::a/64 dev provider0 nodad; ip -n provider1 addr add fe80::b/64 dev provider1 nodad
        for n in 0 1; do ip -n provider$n addr add 2001:db8:ffff::9/128 dev provider$n nodad; done
    """)
    laneway("apply", policy)
    with ExitStack() as stack:
        for far in FAR:
            for provider in ("provider0", "provider1"):
                served(router, stack, provider, script(ANSWER, far, 53))

        for how, commands in SAID.items():
            router.sh(CLEAR + commands)
            laneway("apply", policy)

            heard = {
                (tenant, far): ask(router, f"{tenant}-web", far, 53) for tenant in ("acme", "globex") for far in FAR
            }
            assert {how: heard} == {how: dict.fromkeys(heard, "here")}
            for tenant, uplink in (("acme", "north"), ("globex", "south")):
                for far in FAR:
                    told = laneway.json("explain", "--live", "--from", f"{tenant}/web", "--to", far, "--udp", "53")
                    assert {how: (told["verdict"], told["uplink"])} == {how: ("delivered", uplink)}
                    assert not any(each["differs"] for each in told["kernel"])
            verified = laneway.json("verify")
            assert {how: (verified["drift"], verified["findings"])} == {how: ([], [])}
            found = [each for each in laneway.json("doctor")["findings"] if each["severity"] != "info"]
            assert {how: found} == {how: []}
