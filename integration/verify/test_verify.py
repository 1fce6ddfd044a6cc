"""laneway verify: on the host itself, from outside by plain commands, and with packets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from laneway.lab.run import Lab
from laneway.policy.load import load
from laneway.verify.others import NOT_LOOKED_AT

if TYPE_CHECKING:
    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway
    from integration.verify.conftest import Outside

ROOT = Path(__file__).parents[2]


def test_a_host_that_holds_the_policy(laneway: Laneway, quickstart: Path) -> None:
    laneway("apply", quickstart)

    done = laneway("verify", quickstart)

    assert done.stdout == ""
    assert done.stderr == "the host holds the policy; 3 of 3 expectations hold\n"


@pytest.mark.parametrize("example", ["quickstart", "hosting"])
def test_from_outside_the_same_is_seen(
    laneway: Laneway, outside: Outside, router: Throwaway, request: pytest.FixtureRequest, example: str
) -> None:
    policy = request.getfixturevalue(example)
    router.sh("ip addr add 192.0.2.20/32 dev lo")  # where hosting publishes
    laneway("apply", policy)
    whole = outside.verify(policy)
    router.sh(
        "ip rule del pref 19997; ip -6 rule del pref 10004; iptables -t mangle -F LANEWAY-MARK; ip link set eth1 down; "
        "ip -6 route flush proto 147 table all; "
        "ipset flush lw-src6; ip6tables -t nat -D POSTROUTING 1; rm /etc/iproute2/rt_protos.d/laneway.conf; "
        "sysctl -qw net.ipv4.ip_forward=0; iptables -A LANEWAY-FORWARD -j ACCEPT; iptables -P FORWARD DROP"
    )

    there, here = outside.verify(policy, code=8), laneway.json("verify", policy, code=8)

    assert whole["holds"] is True
    assert whole["drift"] == whole["failed"] == []
    # Of the doctor's, uplinks and sysctls are looked at on the host alone, and that is said.
    assert {"forwarding-off", "uplink-down"} <= {each["rule"] for each in here["findings"]}
    closed = [each for each in here["findings"] if each["rule"] == "lane-closed"]
    assert len(closed) == 1
    assert there == here | {"in_the_way": None, "findings": closed, "unseen": [NOT_LOOKED_AT]}
    assert {each["kind"] for each in here["drift"]} >= {
        *("fib_rules", "chains", "entries", "jumps", "files", "sysctls", "routes")
    }


DAMAGE = [
    pytest.param("ip rule del pref 10589", "fib_rules", "IPv4 ip rule 10589", id="a rule deleted"),
    pytest.param("ip route flush table lw.acme.north", "routes", "in table 20017", id="a table flushed"),
    pytest.param("iptables -t mangle -F LANEWAY-MARK", "chains", "chain LANEWAY-MARK of mangle", id="a chain flushed"),
    pytest.param("iptables -D FORWARD 1", "jumps", "jump from FORWARD to LANEWAY-FORWARD", id="a jump deleted"),
    pytest.param("ipset flush lw-src4", "entries", "of set lw-src4", id="a set flushed"),
    pytest.param(
        "ip rule add pref 10000 iif lo fwmark 0/0xffff0000 goto 19999 protocol 147",
        "fib_rules",
        "IPv4 ip rule 10000",
        id="a rule that asks for more",
    ),
    pytest.param(
        "ip route change $(ip route show table 20017 proto 147 | grep ^default) proto 147 table 20017 mtu 1280",
        "routes",
        "IPv4 route default mtu 1280",
        id="a route with an MTU",
    ),
    pytest.param(
        "ip route prepend default via 198.51.100.1 dev eth1 table 20017 proto 147",
        "routes",
        "IPv4 route default",
        id="a route before another",
    ),
    pytest.param(
        "ipset -exist add lw-net4 10.20.0.0/24 nomatch",
        "entries",
        "entry 10.20.0.0/24 nomatch of set lw-net4",
        id="a set entry that excepts",
    ),
    pytest.param("ip netns del acme-web", "netns", "network namespace acme-web", id="a workload deleted"),
    pytest.param("ip link set lwb-acme down", "links", "link lwb-acme", id="a bridge down"),
    pytest.param("ip addr del 10.20.0.1/24 dev lwb-acme", "addresses", "address 10.20.0.1/24", id="an address deleted"),
    pytest.param("sysctl -qw net.ipv4.ip_forward=0", "sysctls", "sysctl net/ipv4/ip_forward", id="forwarding off"),
    pytest.param(
        "echo >> /etc/iproute2/rt_tables.d/laneway.conf", "files", "rt_tables.d/laneway.conf", id="a file edited"
    ),
]


@pytest.mark.parametrize("variant", ["nft"], indirect=True)
@pytest.mark.parametrize(("damage", "kind", "named"), DAMAGE)
def test_damage_is_named(  # noqa: PLR0917
    laneway: Laneway, outside: Outside, router: Throwaway, quickstart: Path, damage: str, kind: str, named: str
) -> None:
    laneway("apply", quickstart)
    router.sh(damage)
    done = laneway.host.run([sys.executable, "-m", "laneway", "verify", str(quickstart)], check=False)

    found = outside.verify(quickstart, code=done.returncode)

    assert done.returncode in {4, 8}
    assert any(each["kind"] == kind and named in each["object"] for each in found["drift"])
    assert named in done.stdout


def test_reading_from_outside_changes_nothing(
    laneway: Laneway, outside: Outside, router: Throwaway, quickstart: Path
) -> None:
    tables = "cat /proc/net/ip_tables_names /proc/net/ip6_tables_names; nft list tables; ip -s rule | wc -l"
    before = router.sh(tables)

    assert outside.verify(quickstart, code=8)["holds"] is False  # nothing is applied at all

    assert router.sh(tables) == before


def test_a_host_that_is_not_there(outside: Outside, quickstart: Path) -> None:
    (outside.directory.parent / "bin" / "ssh").write_text("#!/bin/sh\necho Permission denied >&2; exit 255\n")

    done = outside.run("-m", "laneway", "verify", str(quickstart), "--host", "ssh://root@edge1")

    assert done.returncode == 11
    assert "Permission denied" in done.stderr


def in_lab(policy: str, script: str) -> str:
    with Lab(load([ROOT / policy])) as lab:
        command = f'cd {ROOT}; laneway() {{ {sys.executable} -m laneway "$@"; }}; {script}'
        return str(lab.run("sh", "-c", command))


def test_packets_are_sent_and_their_way_is_told() -> None:
    said = in_lab(
        "policies/hosting",
        "laneway apply policies/hosting >/dev/null 2>&1; laneway verify --packets policies/hosting 2>&1 || true",
    )

    assert "ok: games/lobby → 203.0.113.10 tcp/25: refused: refused: " in said
    assert "ok: blog/web → 203.0.113.10 tcp/443: by cable: answered by cable" in said
    assert "192.0.2.20 tcp/443: delivered: not sent: it comes from outside this host" in said
    assert "13 of 13 expectations hold, 12 of 12 with packets" in said


def test_packets_find_what_is_broken_beside_laneway() -> None:
    said = in_lab(
        "policies/quickstart.toml",
        "laneway apply policies/quickstart.toml >/dev/null 2>&1; iptables -I LANEWAY-USER -p tcp --dport 80 -j DROP; "
        "laneway verify --packets policies/quickstart.toml 2>&1 || echo exit $?",
    )

    assert "fails: acme/web → 203.0.113.10 tcp/80: by north: dropped" in said
    assert "2 of 3 with packets" in said
    assert "exit 8" in said


def drift_of(answer: Any) -> list[str]:
    return [each["object"] for each in answer["drift"]]


def test_tenants_that_no_file_names_are_named(
    laneway: Laneway, outside: Outside, router: Throwaway, quickstart: Path
) -> None:
    laneway("apply", quickstart)
    router.sh("rm -r /var/lib/laneway")  # with the policy in force, which knew it
    one = outside.directory / "one.toml"
    one.write_text(quickstart.read_text().partition("[tenants.globex]")[0])

    done = outside.run("-m", "laneway", "verify", str(one), "--host", "ssh://root@edge1")

    assert done.returncode == 7
    assert "on this host, but in no policy that laneway knows of: globex" in done.stderr
