"""Each finding is provoked, and is gone after its commands were run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from integration.snapshot import snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway

BOTH = pytest.mark.parametrize("variant", ["nft", "legacy"])
OTHER = {"nft": "legacy", "legacy": "nft"}


def findings(laneway: Laneway, *paths: Path | str, code: int | None = None) -> list[dict[str, Any]]:
    """Return what the doctor finds, its exit code checked against what it says."""
    done = laneway.host.run([sys.executable, "-m", "laneway", "doctor", *map(str, paths), "--json"], check=False)
    answer = json.loads(done.stdout)
    assert done.returncode == (4 if answer["breaks"] else 0), done.stderr
    assert code in (None, done.returncode), done.stdout
    assert answer["breaks"] == any(each["severity"] == "error" for each in answer["findings"])
    found: list[dict[str, Any]] = answer["findings"]
    assert answer["unseen"] == [] or "tool-missing" in {each["rule"] for each in found}
    return found


def mend(laneway: Laneway, found: list[dict[str, Any]], rule: str, filled: Mapping[str, str]) -> None:
    """Run the commands of every finding of the rule, as an operator would who fills in what is in capitals."""
    chosen = [each for each in found if each["rule"] == rule]
    assert chosen, f"not found: {rule}: {[each['rule'] for each in found]}"
    for command in (command for each in chosen for command in each["commands"]):
        for word, value in filled.items():
            command = command.replace(word, value)  # noqa: PLW2901
        if command.startswith("laneway "):
            laneway(*command.split()[1:])
        elif not command.startswith(("systemctl ", "networkctl ")):  # nothing is booted on a throw-away host
            laneway.host.sh(command)


@BOTH
def test_a_host_that_is_well_breaks_nothing(laneway: Laneway, quickstart: Path) -> None:
    found = findings(laneway, quickstart, code=0)

    assert {each["severity"] for each in found} <= {"info"}
    assert findings(laneway, code=0) == [each for each in found if each["rule"] == "bridge-nf"]


@BOTH
def test_nor_does_one_on_which_the_policy_is_in_force(laneway: Laneway, quickstart: Path) -> None:
    laneway("apply", quickstart)

    assert {each["rule"] for each in findings(laneway, code=0)} <= {"bridge-nf"}


def test_without_a_policy_marks_and_priorities_are_those_it_would_have(laneway: Laneway) -> None:
    laneway.host.sh("ip rule add pref 12345 fwmark 0x10000/0xff0000 lookup 7")

    found = [each["what"] for each in findings(laneway, code=4) if each["severity"] == "error"]

    assert any("ip rule priorities 10000-19999 (host.priorities) are in use" in each for each in found)
    assert any("mark bits 0xffff0000 (host.marks) are in use" in each for each in found)


@pytest.mark.parametrize(
    ("rule", "provoke", "filled"),
    [
        pytest.param("in-the-way", "ip rule add pref 12345 from 10.1.0.0/16 lookup 7", {}, id="priority"),
        pytest.param("main-not-looked-up", "ip -6 rule del pref 32766", {}, id="no rule for main"),
        pytest.param("main-before-lanes", "ip rule add pref 5 lookup main", {}, id="main first"),
        pytest.param("rule-before-lanes", "ip -6 rule add pref 5270 lookup 52", {}, id="another's first"),
        pytest.param("localnet-routed", "sysctl -qw net/ipv4/conf/all/route_localnet=1", {}, id="route_localnet"),
        pytest.param("bridge-nf", "sysctl -qw net/bridge/bridge-nf-call-iptables=1", {}, id="bridge-nf"),
        pytest.param("ipv6-off", "sysctl -qw net/ipv6/conf/eth0/disable_ipv6=1", {}, id="IPv6 off"),
        pytest.param("uplink-down", "ip link set eth1 down", {}, id="uplink down"),
        pytest.param(
            "uplink-no-address", "ip addr flush dev eth1", {"ADDRESS/LENGTH": "198.51.100.2/24"}, id="no address"
        ),
        pytest.param(
            "gateway-not-on-link",
            "ip addr flush dev eth1; ip addr add 198.51.100.129/25 dev eth1; ip -6 addr add 2001:db8:b::2/64 dev eth1",
            {},
            id="gateway",
        ),
        pytest.param("gateway-own", "ip addr add 198.51.100.1/24 dev eth1", {}, id="the gateway is the host"),
        pytest.param(
            "default-routes-differ", "ip route add default via 192.0.2.254 metric 100", {}, id="two default routes"
        ),
        pytest.param("mtu-differs", "ip link set eth1 mtu 1400", {}, id="MTU"),
        pytest.param(
            "subnet-in-use",
            "ip link add docker0 type bridge; ip link set docker0 up; ip addr add 10.20.0.1/16 dev docker0",
            {},
            id="subnet",
        ),
        pytest.param("subnet-in-use", "ip route add 10.20.0.128/25 via 192.0.2.9", {}, id="route"),
        pytest.param(
            "names-read-only",
            "mkdir -p /etc/iproute2; mount -t tmpfs -o ro tmpfs /etc/iproute2",
            {},
            id="read-only names of tables",
        ),
    ],
)
def test_found_and_mended(laneway: Laneway, quickstart: Path, rule: str, provoke: str, filled: dict[str, str]) -> None:
    laneway.host.sh(provoke)
    if rule == "uplink-no-address":
        # The words in capitals are the same for both families: one is given back at once.
        laneway.host.sh("ip -6 addr add 2001:db8:b::2/64 dev eth1 nodad")

    mend(laneway, findings(laneway, quickstart), rule, {"PATH": str(quickstart), **filled})

    assert rule not in {each["rule"] for each in findings(laneway, quickstart)}


def test_an_uplink_that_is_missing_is_named(laneway: Laneway, quickstart: Path) -> None:
    laneway.host.sh("ip link set eth1 name ether1")

    (found,) = [each for each in findings(laneway, quickstart, code=4) if each["severity"] == "error"]

    assert found["rule"] == "uplink-missing"
    assert "is ether1 meant?" in found["hint"]


@pytest.mark.parametrize(
    ("rule", "key", "value"),
    [
        ("forwarding-off", "net/ipv4/ip_forward", "0"),
        ("forwarding-off", "net/ipv6/conf/all/forwarding", "0"),
        ("forwarding-off", "net/ipv4/conf/eth1/forwarding", "0"),
        ("reverse-path-strict", "net/ipv4/conf/eth0/rp_filter", "1"),
    ],
)
def test_a_switch_turned_back_after_apply(laneway: Laneway, quickstart: Path, rule: str, key: str, value: str) -> None:
    laneway("apply", quickstart)
    laneway.host.sh(f"sysctl -qw {key}={value}")

    mend(laneway, findings(laneway, code=4), rule, {})

    assert findings(laneway, code=0)[1:] == []


def test_a_source_address_that_is_not_here(laneway: Laneway, quickstart: Path) -> None:
    uplinks = 'uplinks = ["north", "south"]\n'
    text = quickstart.read_text().replace(uplinks, f'{uplinks}snat = {{ north = ["192.0.2.20"] }}\n')
    laneway.host.run(["tee", "/run/policy.toml"], input=text)

    mend(laneway, findings(laneway, "/run/policy.toml", code=4), "snat-not-here", {})

    assert "snat-not-here" not in {each["rule"] for each in findings(laneway, "/run/policy.toml", code=0)}


def test_marks_in_use_and_those_that_are_free(laneway: Laneway, quickstart: Path) -> None:
    laneway.host.sh("iptables -t mangle -A PREROUTING -i eth0 -j MARK --set-xmark 0x40000/0xff0000")
    (found,) = [each for each in findings(laneway, quickstart, code=4) if each["severity"] == "error"]
    free = re.search(r'host\.marks = "(\S+)"', found["hint"])
    assert free

    laneway.host.run(["tee", "/run/policy.toml"], input=f'host.marks = "{free[1]}"\n{quickstart.read_text()}')

    findings(laneway, "/run/policy.toml", code=0)


@BOTH
def test_rules_of_others_in_the_other_variant(laneway: Laneway, quickstart: Path, variant: str) -> None:
    other = OTHER[variant]
    laneway.host.sh(
        f"iptables-{other} -N MINE; iptables-{other} -A FORWARD -s 203.0.113.66 -j MINE;"
        f"iptables-{other} -A MINE -j DROP;"
        f"iptables-{other} -P FORWARD DROP; ip6tables-{other} -t mangle -A PREROUTING -i eth9 -j ACCEPT"
    )
    found = findings(laneway, quickstart, code=4)
    (mixed,) = [each["what"] for each in found if each["rule"] == "variant-mix"]
    counted = "3 rules of others and a policy other than ACCEPT (iptables -t filter -P FORWARD)"
    assert mixed == f"{counted} are in the {other} iptables, and this host's iptables is {variant}"
    assert [each["rule"] for each in found if each["severity"] == "error"] == ["refused-by-others"]

    mend(laneway, found, "variant-mix", {})

    assert "variant-mix" not in {each["rule"] for each in findings(laneway, quickstart, code=0)}
    rules = laneway.host.sh(f"iptables-{variant} -S; ip6tables-{variant} -t mangle -S")
    for rule in ("-P FORWARD DROP", "-A FORWARD -s 203.0.113.66/32 -j MINE", "-A MINE -j DROP", "-i eth9 -j ACCEPT"):
        assert rule in rules


def test_chains_of_ours_in_the_other_variant(laneway: Laneway, quickstart: Path) -> None:
    laneway("apply", quickstart)
    for tool in ("iptables", "ip6tables"):
        for suffix in ("", "-save", "-restore"):
            laneway.host.sh(f"ln -sf /usr/sbin/{tool}-legacy{suffix} /etc/alternatives/{tool}{suffix}")

    mend(laneway, findings(laneway, quickstart), "variant-leftovers", {"PATH": str(quickstart)})

    assert "variant-leftovers" not in {each["rule"] for each in findings(laneway, quickstart, code=0)}


def test_a_tool_that_is_missing(laneway: Laneway, quickstart: Path) -> None:
    laneway.host.sh("mount --bind /dev/null /usr/sbin/ip6tables")

    assert "tool-missing" in {each["rule"] for each in findings(laneway, quickstart, code=4)}

    laneway.host.sh("umount /usr/sbin/ip6tables")
    assert "tool-missing" not in {each["rule"] for each in findings(laneway, quickstart, code=0)}


def start(host: Throwaway, name: str) -> subprocess.Popen[bytes]:
    """Start a program that the kernel knows by this name, and that does nothing."""
    host.sh(f"cp /bin/sleep /run/{name}")
    return subprocess.Popen([*host.prefix, f"/run/{name}", "300"])


@pytest.mark.parametrize(
    ("name", "prepare", "rule"),
    [
        ("systemd-network", "true", "networkd-foreign"),
        ("NetworkManager", "mkdir -p /etc/NetworkManager/conf.d", "networkmanager-manages"),
        (
            "systemd-network",
            "mkdir -p /etc/systemd/network; printf '[Match]\\nType=ether\\n' > /etc/systemd/network/20-all.network",
            "networkd-takes-links",
        ),
        ("dhcpcd", "touch /etc/dhcpcd.conf; echo duid > /etc/dhcpcd.conf", "dhcpcd-takes-links"),
    ],
)
def test_other_software(laneway: Laneway, quickstart: Path, name: str, prepare: str, rule: str) -> None:
    laneway.host.sh(prepare)
    with start(laneway.host, name) as program:
        try:
            mend(laneway, findings(laneway, quickstart), rule, {})

            assert rule not in {each["rule"] for each in findings(laneway, quickstart)}
        finally:
            program.kill()


def test_a_program_of_another_network_is_not_this_hosts(laneway: Laneway, quickstart: Path) -> None:
    laneway.host.sh("cp /bin/sleep /run/NetworkManager")
    with subprocess.Popen([*laneway.host.prefix, "unshare", "--net", "/run/NetworkManager", "300"]) as program:
        try:
            assert "networkmanager-manages" not in {each["rule"] for each in findings(laneway, quickstart)}
        finally:
            program.kill()


def test_without_rights_it_says_what_it_could_not_look_at(laneway: Laneway, quickstart: Path) -> None:
    laneway.host.sh("ip link set eth1 down")
    drop = "setpriv --bounding-set=-all --inh-caps=-all"

    done = laneway.host.run([*drop.split(), sys.executable, "-m", "laneway", "doctor", str(quickstart)], check=False)

    assert done.returncode == 4
    assert "uplink south: eth1 is down [uplink-down]" in done.stdout
    assert "not looked at: the rules of iptables: " in done.stderr
    assert "not looked at: what the kernel can do: " in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_is_changed(router: Throwaway, laneway: Laneway, quickstart: Path) -> None:
    before = snapshot(router)

    laneway("doctor", quickstart)

    assert snapshot(router) == before
