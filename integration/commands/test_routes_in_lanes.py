"""What somebody typed into a lane's table is taken out again; a gateway that cannot be holds up no other uplink."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from integration.commands.conftest import Laneway
from integration.commands.test_uplink_fails import POLICY, PROVIDERS

if TYPE_CHECKING:
    from pathlib import Path

    from integration.throwaway import Throwaway

TYPED = [
    "ip route add 203.0.113.0/24 via 198.51.100.9 dev eth1 table lw.globex.south",
    "ip route replace default via 198.51.100.9 dev eth1 table lw.globex.south",
    "ip route add blackhole 203.0.113.9 table lw.globex.south",
    "ip route add default metric 5 table 20026 nexthop via 192.0.2.1 dev eth0 nexthop via 198.51.100.1 dev eth1",
    "ip route add 10.99.0.0/16 dev eth0 proto static scope global table lw._crossing",
    "ip -6 route add default via 2001:db8:a::1 dev eth0 metric 5 table lw.globex.south",
    "ip -6 route replace default via 2001:db8:b::9 dev eth1 metric 1024 table lw.globex.south",
    "ip -6 route add unreachable 2001:db8:ffff::/48 table lw.globex.south",
]


@pytest.fixture
def variant() -> str:
    """One variant of iptables: routes are the same with the other."""
    return "nft"


def in_lanes(host: Throwaway) -> str:
    return host.sh(
        "for t in lw.globex.south lw._crossing; do ip -4 route show table $t; ip -6 route show table $t; done"
    )


def test_what_is_typed_into_a_lane_is_drift(router: Throwaway, laneway: Laneway, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY, encoding="utf-8")
    router.sh(PROVIDERS)
    laneway("apply", policy)
    before = in_lanes(router)
    for typed in TYPED:
        router.sh(typed)
        assert in_lanes(router) != before
        planned = laneway("plan", policy, code=4).stdout
        assert "host.tables" not in planned
        unexpected = [each for each in laneway("verify", code=4).stdout.splitlines() if each.startswith("unexpected:")]
        assert any(" proto " in each for each in unexpected), typed
        assert "in-the-way" not in {each["rule"] for each in laneway.json("doctor", code=4)["findings"]}
        laneway("apply", policy)
        assert (typed, in_lanes(router)) == (typed, before)
        assert laneway.json("verify")["drift"] == []
    # What plan prints mends it as well.
    for typed in TYPED[1::3]:
        router.sh(typed)
        commands = laneway("plan", policy, "--commands", code=4).stdout.splitlines()
        router.sh("\n".join(each for each in commands if each.startswith("ip ")))
        assert (typed, in_lanes(router)) == (typed, before)
    router.sh("; ".join(TYPED[:3]))
    laneway("destroy", "--yes")
    assert json.loads(router.sh("ip -j route show table 20026 2>/dev/null || echo []") or "[]") == []


def test_a_gateway_the_kernel_refuses_closes_its_own_uplink_alone(
    router: Throwaway, laneway: Laneway, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    router.sh(PROVIDERS)
    for wrong, rule in (
        ('"198.51.100.1", "2001:db8:a::77"', "gateway-elsewhere"),
        ('"192.0.2.2", "2001:db8:b::1"', "gateway-own"),
        ('"198.51.100.1", "2001:db8:a::2"', "gateway-own"),
    ):
        policy.write_text(POLICY.replace('"198.51.100.1", "2001:db8:b::1"', wrong), encoding="utf-8")
        family = 4 if "192.0.2.2" in wrong else 6

        done = laneway("apply", policy)

        assert f"its lanes are closed in IPv{family}" in done.stdout + done.stderr
        lanes = {each["tenant"]: each["closed"] for each in laneway.json("status", code=None)["lanes"]}
        refused = "the kernel refuses a route to its gateway"
        assert lanes == {"acme": {}, "globex": {f"IPv{family}": refused}}
        for command in ("doctor", "verify"):
            found = laneway.json(command, code=4)["findings"]
            assert [each["rule"] for each in found if each["severity"] == "error"] == [rule]
        router.sh("ip route del default table lw.acme.north")
        laneway("apply", policy)
        assert "192.0.2.1" in router.sh("ip route show default table lw.acme.north")
