"""A workload, or a bridge, that is made anew is found at once by all who knew it before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from integration.commands.conftest import NORTH, PROVIDER, PROVIDER6, apply, inside

if TYPE_CHECKING:
    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway

_TWO = """
[tenants.acme]
subnets = ["10.20.0.0/24", "fd20::/64"]
uplinks = ["north"]
[tenants.acme.workloads.{web}]
addresses = ["10.20.0.{first}", "fd20::{first}"]
[tenants.acme.workloads.db]
addresses = ["10.20.0.{second}", "fd20::{second}"]
"""
TWO = _TWO.format(web="web", first=10, second=11)


def reaches(host: Throwaway, netns: str | None, *addresses: str) -> list[str]:
    """Return which of the addresses answer one of three echo requests: a stale neighbour would cost half a minute."""
    ping = [*inside(netns), "ping", "-q", "-c3", "-i0.2", "-W2"]
    return [each for each in addresses if host.run([*ping, each], check=False).returncode == 0]


def everybody_reaches(host: Throwaway, web: str = "acme-web", db: str = "acme-db", last: int = 10) -> None:
    addresses = [f"10.20.0.{last}", f"fd20::{last}"]
    assert reaches(host, None, *addresses) == addresses, "the host"
    assert reaches(host, db, *addresses) == addresses, "a sibling"
    assert reaches(host, web, "10.20.0.1", "fd20::1") == ["10.20.0.1", "fd20::1"], "its gateway"
    assert reaches(host, web, "203.0.113.9", "2001:db8:ffff::9") == ["203.0.113.9", "2001:db8:ffff::9"], "outside"


def mac_of(host: Throwaway, netns: str) -> str:
    return str(host.json(f"ip -n {netns} -j link show eth0")[0]["address"])


def test_who_knew_a_workload_finds_it_when_it_is_made_anew(router: Throwaway, laneway: Laneway) -> None:
    router.sh(PROVIDER + PROVIDER6 + "ip -n provider route add 10.20.0.0/24 via 192.0.2.2")
    apply(laneway, TWO)
    everybody_reaches(router)
    mac = mac_of(router, "acme-web")

    router.sh("ip netns del acme-web")
    laneway("apply", "/run/policy.toml")
    everybody_reaches(router)
    assert mac_of(router, "acme-web") == mac

    # Another name, and the same address: whoever has it is found where the last one was.
    apply(laneway, _TWO.format(web="www", first=10, second=11))
    everybody_reaches(router, web="acme-www")
    assert mac_of(router, "acme-www") == mac

    # They change places, while both are known to everybody.
    apply(laneway, _TWO.format(web="www", first=11, second=10))
    everybody_reaches(router, web="acme-db", db="acme-www")
    everybody_reaches(router, web="acme-www", db="acme-db", last=11)
    assert mac_of(router, "acme-db") == mac

    router.sh("ip link del lwb-acme")
    laneway("apply", "/run/policy.toml")
    everybody_reaches(router, web="acme-db", db="acme-www")


def test_a_mac_that_somebody_changed_is_drift_and_neighbours_are_told_when_it_is_put_back(
    router: Throwaway, laneway: Laneway
) -> None:
    apply(laneway, TWO)
    mac = mac_of(router, "acme-web")
    router.sh("ip -n acme-web link set eth0 address 02:00:00:00:00:77")
    assert reaches(router, None, "10.20.0.10", "fd20::10") == ["10.20.0.10", "fd20::10"]
    assert reaches(router, "acme-db", "10.20.0.10", "fd20::10") == ["10.20.0.10", "fd20::10"]

    assert mac in laneway("plan", "/run/policy.toml", "--commands", code=4).stdout
    laneway("apply", "/run/policy.toml")

    assert mac_of(router, "acme-web") == mac
    assert reaches(router, None, "10.20.0.10", "fd20::10") == ["10.20.0.10", "fd20::10"]
    assert reaches(router, "acme-db", "10.20.0.10", "fd20::10") == ["10.20.0.10", "fd20::10"]


def test_a_tenant_in_another_tenants_place_is_found(router: Throwaway, laneway: Laneway) -> None:
    apply(laneway, TWO)
    assert reaches(router, None, "10.20.0.10", "fd20::10") == ["10.20.0.10", "fd20::10"]
    laneway("destroy", "acme")

    router.run(["tee", "/run/policy.toml"], input=NORTH + TWO.replace("tenants.acme", "tenants.globex"))
    laneway("apply", "/run/policy.toml")

    assert reaches(router, None, "10.20.0.10", "fd20::10") == ["10.20.0.10", "fd20::10"]
    assert reaches(router, "globex-db", "10.20.0.10", "fd20::10") == ["10.20.0.10", "fd20::10"]
