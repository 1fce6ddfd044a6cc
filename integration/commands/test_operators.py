"""An operator keeps the way by which he or she is logged in, also where that is no uplink."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from integration.commands.conftest import NORTH, PROVIDER, PROVIDER6, inside

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway

MANAGEMENT = """
ip netns add admin
ip link add mgmt type veth peer name eth0 netns admin
ip -n admin link set lo up; ip -n admin link set eth0 address 02:00:00:00:00:01 up
ip -n admin addr add fe80::1/64 dev eth0 nodad
echo 1 > /proc/sys/net/ipv6/conf/mgmt/accept_ra; echo 0 > /proc/sys/net/ipv6/conf/mgmt/accept_dad
ip link set mgmt up
"""
ADVERTISE = """
import socket
import struct
def checked(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
ends = socket.inet_pton(socket.AF_INET6, "fe80::1") + socket.inet_pton(socket.AF_INET6, "ff02::1")
said = struct.pack(">BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)  # RFC 4861, 4.2: a router for half an hour
said = said[:2] + struct.pack(">H", checked(ends + struct.pack(">II", len(said), 58) + said)) + said[4:]
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("eth0", 0))
ethernet = bytes.fromhex("333300000001 020000000001 86dd")
out.send(ethernet + struct.pack(">IHBB", 0x60000000, len(said), 58, 255) + ends + said)
"""
LEARNT = "ip -6 route show default dev mgmt proto ra"


def advertise(router: Throwaway) -> None:
    """Let the management network's router say that it is one."""
    router.run(["ip", "netns", "exec", "admin", sys.executable, "-c", ADVERTISE])


def test_a_default_route_that_a_management_link_learnt_stays(
    router: Throwaway, laneway: Laneway, quickstart: Path
) -> None:
    router.sh(MANAGEMENT)
    router.sh("until ip -6 addr show dev mgmt scope link -tentative | grep -q fe80; do sleep 0.1; done")
    advertise(router)
    router.sh(f"until {LEARNT} | grep -q fe80::1; do sleep 0.1; done")

    laneway("apply", quickstart)

    assert "fe80::1" in router.sh(LEARNT)
    router.sh("ip -6 route del default dev mgmt")
    advertise(router)
    router.sh(f"for n in 1 2 3 4 5 6 7 8 9; do {LEARNT} | grep -q fe80::1 && exit; sleep 0.1; done; exit 1")
    laneway("destroy")
    assert "fe80::1" in router.sh(LEARNT)
    assert router.sh("cat /proc/sys/net/ipv6/conf/mgmt/accept_ra") == "1\n"


SECOND = """
ip link add stor type bridge; echo 0 > /proc/sys/net/ipv6/conf/stor/accept_ra
ip addr add {} dev stor; ip link set stor up; ip route add {} dev stor
"""


def test_what_a_new_subnet_would_cut_off_is_refused_and_named(
    router: Throwaway, laneway: Laneway, quickstart: Path
) -> None:
    router.sh(SECOND.format("10.20.0.130/25", "10.30.0.64/26"))

    for verb in ("plan", "apply"):
        told = laneway(verb, quickstart, code=7).stderr
        assert "link stor has the address 10.20.0.130/25, whose network overlaps 10.20.0.0/24 of tenant acme" in told
        assert "10.30.0.0/24 of tenant globex by link stor: 10.30.0.64/26 dev stor" in told
    assert "stor" in router.sh("ip route get 10.20.0.131")
    router.sh("ip link del stor")
    laneway("apply", quickstart)
    router.sh(SECOND.format("10.20.0.130/25", "10.30.0.64/26"))
    laneway("plan", quickstart)
    found = laneway.json("doctor", quickstart, code=4)
    assert "subnet-in-use" in {each["rule"] for each in found["findings"]}


def test_who_is_logged_in_from_a_new_subnet_is_not_cut_off(
    router: Throwaway, laneway: Laneway, quickstart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "10.20.0.77 50000 192.0.2.2 22")

    for verb in ("plan", "apply"):
        assert "you are logged in from 10.20.0.77" in laneway(verb, quickstart, code=7).stderr
    monkeypatch.setenv("SSH_CONNECTION", "203.0.113.77 50000 192.0.2.2 22")
    laneway("apply", quickstart)
    assert "192.0.2.1" in router.sh("ip route get 203.0.113.77")


BESIDE = """
for name in {links}; do
    ip netns add $name; ip link add $name type veth peer name eth0 netns $name
    ip link set $name up; ip -n $name link set eth0 up
done
set -- {links}
ip addr add 172.31.0.1/24 dev $1; ip -n $1 addr add 172.31.0.7/24 dev eth0; ip -n $1 route add default via 172.31.0.1
ip addr add 172.32.0.1/24 dev $2; ip -n $2 addr add 172.32.0.7/24 dev eth0; ip -n $2 route add default via 172.32.0.1
ip addr add fd91::1/64 dev $1 nodad; ip -n $1 addr add fd91::7/64 dev eth0 nodad; ip -n $1 route add default via fd91::1
ip addr add fd92::1/64 dev $2 nodad; ip -n $2 addr add fd92::7/64 dev eth0 nodad; ip -n $2 route add default via fd92::1
for name in $1 $2; do
    until ip -6 addr show dev $name scope link -tentative | grep -q fe80; do sleep 0.1; done
    until ip -n $name -6 addr show dev eth0 scope link -tentative | grep -q fe80; do sleep 0.1; done
done
"""


def crossed(router: Throwaway, link: str) -> list[bool]:
    """Return whether a ping gets from behind a link to what is behind the other one, in each family."""
    command = ["ip", "netns", "exec", link, "ping", "-c", "3", "-i", "0.4", "-W", "1"]
    return [router.run([*command, to], check=False).returncode == 0 for to in ("172.32.0.7", "fd92::7")]


def test_the_host_does_not_become_a_router_between_networks_of_others(
    router: Throwaway, laneway: Laneway, quickstart: Path
) -> None:
    router.sh(BESIDE.format(links="mgmt stor"))

    laneway("apply", quickstart)

    assert crossed(router, "mgmt") == [False, False]
    router.sh("for tool in iptables ip6tables; do $tool -A LANEWAY-USER -i mgmt -j ACCEPT; done")
    assert crossed(router, "mgmt") == [True, True]  # and the answers came back


def test_containers_get_out_when_their_software_starts_after_laneway(
    router: Throwaway, laneway: Laneway, quickstart: Path
) -> None:
    laneway("apply", quickstart)

    router.sh(BESIDE.format(links="docker0 stor"))

    assert crossed(router, "docker0") == [True, True]


def test_a_host_that_was_a_router_is_one_still(router: Throwaway, laneway: Laneway, quickstart: Path) -> None:
    router.sh(BESIDE.format(links="mgmt stor"))
    router.sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")

    laneway("apply", quickstart)

    assert crossed(router, "mgmt") == [True, True]


GIT = """
[tenants.acme]
subnets = ["10.20.0.0/24"]
uplinks = ["north"]
[tenants.acme.workloads.git]
addresses = ["10.20.0.10"]
publish = ["22:2222/tcp"]
"""
LISTEN = """
import socket
one = socket.create_server(("", 22))
print("ready", flush=True)
one.accept()
"""


def test_a_published_port_at_which_the_host_listens_is_told_and_that_of_the_login_refused(
    router: Throwaway, laneway: Laneway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(NORTH + GIT, encoding="utf-8")
    command = [*router.prefix, sys.executable, "-c", LISTEN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sshd:
        assert sshd.stdout is not None
        assert sshd.stdout.readline() == "ready\n"
        monkeypatch.setenv("SSH_CONNECTION", "203.0.113.9 50000 192.0.2.2 22")
        refusal = laneway("apply", policy, code=7).stderr
        monkeypatch.delenv("SSH_CONNECTION")
        planned, applied = laneway("plan", policy, code=4), laneway("apply", policy)
        answer = laneway.json("plan", policy)
        found = laneway.json("doctor", policy)
        sshd.kill()

    assert "you are logged in at 192.0.2.2 port 22, and acme/git publishes 22:2222/tcp" in refusal
    note = "note: acme/git publishes 22:2222/tcp, and this host listens at 0.0.0.0:22: what comes by north reaches"
    assert [note in told.stderr for told in (planned, applied)] == [True, True]
    assert answer["steps"] == []
    assert "published-port-in-use" in {each["rule"] for each in found["findings"]}


SSHD = """
import socket
server = socket.create_server(("::", 2222), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
held = [server.accept() for _ in range(2)]
print("both", flush=True)
input()
"""
CLIENT = """
import socket
import time
def connected(address):
    while True:
        try:
            return socket.create_connection((address, 2222), 5)
        except OSError:  # links carry packets when the kernel is round to them
            time.sleep(0.1)
held = [connected(each) for each in ("192.0.2.2", "2001:db8:a::2")]
input()
"""
BOTH = GIT.replace('"10.20.0.0/24"', '"10.20.0.0/24", "fd20::/64"').replace('"10.20.0.10"', '"10.20.0.10", "fd20::10"')


def test_every_login_is_kept_though_the_command_is_told_of_none(
    router: Throwaway, laneway: Laneway, tmp_path: Path
) -> None:
    router.sh(PROVIDER + PROVIDER6)
    router.sh(
        f"mkdir /run/programs; ln -s {sys.executable} /run/programs/sshd"
    )  # a process is named as what was executed
    policy = tmp_path / "policy.toml"
    policy.write_text(NORTH + BOTH.replace("22:2222", "2222:22"), encoding="utf-8")
    bare = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", sys.executable, "-m", "laneway", "apply", str(policy)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        subprocess.Popen([*router.prefix, "/run/programs/sshd", "-c", SSHD], **pipes) as sshd,
        subprocess.Popen([*router.prefix, *inside("provider"), sys.executable, "-c", CLIENT], **pipes) as client,
    ):
        assert sshd.stdout is not None
        assert [sshd.stdout.readline() for _ in range(2)] == ["ready\n", "both\n"]
        refused = router.run(bare, check=False)
        client.communicate("\n")
        sshd.communicate("\n")
    through = ["env", "SSH_CONNECTION=203.0.113.9 50000 192.0.2.2 2222", "sh", "-c", f"{shlex.join(bare)}; exit $?"]
    under_sudo = router.run(through, check=False)
    applied = router.run(bare, check=False)

    published = "acme/git publishes 2222:22/tcp: nobody could log in there any more"
    assert refused.returncode == 7, refused.stderr
    for address in ("192.0.2.2", "2001:db8:a::2"):
        assert f"somebody is logged in at {address} port 2222, and {published}" in refused.stderr
    assert under_sudo.returncode == 7, under_sudo.stderr
    assert f"you are logged in at 192.0.2.2 port 2222, and {published}" in under_sudo.stderr
    assert applied.returncode == 0, applied.stderr


BEHIND = """
ip netns add provider; ip link set provider0 netns provider; ip -n provider link set provider0 up
ip -n provider addr add 192.0.2.253/24 dev provider0
ip -n provider link set lo up; ip -n provider addr add 10.99.0.7/32 dev lo
ip rule add from 192.0.2.2 lookup 100; ip route add 10.99.0.0/16 via 192.0.2.253 dev eth0 table 100
"""


def test_the_operator_s_own_rules_for_answers_are_named_and_what_is_said_mends_them(
    router: Throwaway, laneway: Laneway, quickstart: Path
) -> None:
    ping = ["ip", "netns", "exec", "provider", "ping", "-c", "1", "-W", "1", "-I", "10.99.0.7", "192.0.2.2"]
    router.sh(BEHIND)
    router.run(ping)

    told = laneway("apply", quickstart).stderr

    (note,) = [
        line for line in told.splitlines() if line.startswith("note: ip rule 32765: from 192.0.2.2/32 lookup 100")
    ]
    found = laneway.json("doctor", quickstart)["findings"]
    (mended,) = [each["commands"] for each in found if each["rule"] == "answers-elsewhere"]
    assert all(command in note for command in mended)
    assert router.run(ping, check=False).returncode == 1
    router.sh("; ".join(mended))
    router.run(ping)
