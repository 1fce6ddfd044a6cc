"""`destroy` leaves no directory that laneway made, and every one that it did not make."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration.commands.conftest import NORTH

if TYPE_CHECKING:
    from pathlib import Path

    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway

POLICY = """
[tenants.acme]
subnets = ["10.20.0.0/24"]
uplinks = ["north"]
dns = ["203.0.113.53"]
[tenants.acme.workloads.web]
addresses = ["10.20.0.10"]
[tenants.acme.workloads.db]
addresses = ["10.20.0.11"]
"""
FOUND = "find /etc/iproute2 /etc/netns /etc/.[!.]* 2>/dev/null | sort || true"
DEBIAN_13 = "rm -r /etc/iproute2"
MOUNTED = "mkdir /etc/netns; mount -t tmpfs tmpfs /etc/netns"
OF_AN_OPERATOR = "mkdir -p /etc/netns/acme-web /etc/iproute2/rt_tables.d"


@pytest.mark.parametrize("variant", ["nft"])  # files are no matter of iptables
def test_directories_of_others_stay_and_what_is_made_for_laneway_goes(
    router: Throwaway, laneway: Laneway, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(NORTH + POLICY, encoding="utf-8")
    for host in (DEBIAN_13, MOUNTED, f"umount /etc/netns; rmdir /etc/netns; {OF_AN_OPERATOR}"):
        router.sh(host)
        before = router.sh(FOUND)

        planned = laneway("plan", "--commands", policy, code=4).stdout
        laneway("apply", policy)
        assert router.sh("cat /etc/netns/acme-*/resolv.conf").count("203.0.113.53") == 2
        laneway("destroy")
        assert router.sh(FOUND) == before, host

        files = [line for line in planned.splitlines() if "/dev/stdin" in line]
        assert len(files) == 4  # two of names, two of workloads
        router.run(["sh"], input=planned)
        assert laneway("plan", policy, code=None).returncode in (0, 4)
        laneway("destroy")
        assert router.sh(FOUND) == before, host


@pytest.mark.parametrize("variant", ["nft"])
def test_a_directory_that_a_kill_left_half_made_goes_too(router: Throwaway, laneway: Laneway, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(NORTH + POLICY, encoding="utf-8")
    before = router.sh(FOUND)
    laneway("apply", policy)
    router.sh("mkdir /etc/netns/.acme-api.laneway; touch /etc/netns/.acme-api.laneway/.laneway")
    router.sh("mkdir /etc/netns/acme-api; touch /etc/netns/acme-api/.laneway")

    laneway("destroy")

    assert router.sh(FOUND) == before
