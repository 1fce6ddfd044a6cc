"""Workloads get other addresses, and tenants other lengths of their subnets, whatever the kernel does along with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration.commands.conftest import NORTH, PROVIDER

if TYPE_CHECKING:
    from pathlib import Path

    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway

TENANT = """
[tenants.acme]
subnets = ["10.20.0.0/{length}"]
uplinks = ["north"]
[tenants.acme.workloads.web]
addresses = {addresses}
"""


def policy(file: Path, addresses: list[str], length: int = 24) -> Path:
    file.write_text(NORTH + TENANT.format(addresses=str(addresses).replace("'", '"'), length=length), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("before", "after", "length"),
    [
        pytest.param(["10.20.0.10"], ["10.20.0.11"], 24, id="another"),
        pytest.param(["10.20.0.10", "10.20.0.12"], ["10.20.0.12"], 24, id="the second alone"),
        pytest.param(["10.20.0.10", "10.20.0.12"], ["10.20.0.13"], 24, id="another for two"),
        pytest.param(["10.20.0.10"], ["10.20.0.11"], 25, id="another, in a longer subnet"),
        pytest.param(["10.20.0.10"], ["10.20.0.10"], 22, id="the same, in a shorter subnet"),
    ],
)
def test_a_workload_has_its_new_addresses_and_its_way_out(
    router: Throwaway, laneway: Laneway, tmp_path: Path, *, before: list[str], after: list[str], length: int
) -> None:
    router.sh(PROVIDER + "ip -n provider route add 10.20.0.0/16 via 192.0.2.2")
    laneway("apply", policy(tmp_path / "policy.toml", before))
    for link in ("all", "eth0"):
        key = f"net.ipv4.conf.{link}.promote_secondaries=0"
        router.sh(f"ip netns exec acme-web sysctl -qw {key}; sysctl -qw {key}")

    laneway("apply", policy(tmp_path / "policy.toml", after, length))

    told = router.json("ip -n acme-web -j -4 addr show dev eth0")[0]["addr_info"]
    assert [(each["local"], each["prefixlen"]) for each in told] == [(each, length) for each in after]
    assert "1 received" in router.sh("ip netns exec acme-web ping -c 1 -W 2 203.0.113.9")
    laneway("plan", tmp_path / "policy.toml")
