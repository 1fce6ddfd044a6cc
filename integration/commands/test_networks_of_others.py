"""Networks of others that come after laneway are left as they are, and keep what they have come to need."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from integration.commands.conftest import inside
from integration.commands.test_operators import ADVERTISE
from integration.faults.driver import laneway as driven
from laneway.errors import StepFailed
from laneway.kernel.host import LinuxHost

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway
    from laneway.plan.steps import Step

# A container network as container software makes one, of which laneway knows nothing.
CONTAINER = """
ip link add {bridge} type bridge; ip link set {bridge} up
ip addr add 10.88.0.1/16 dev {bridge}; ip addr add fd88::1/64 dev {bridge} nodad
ip netns add c1; ip link add {veth} type veth peer name eth0 netns c1
ip link set {veth} master {bridge} up; ip -n c1 link set eth0 address 02:00:00:00:00:01 up
ip -n c1 addr add 10.88.0.2/16 dev eth0; ip -n c1 addr add fd88::2/64 dev eth0 nodad
ip -n c1 addr add fe80::1/64 dev eth0 nodad
ip -n c1 route add default via 10.88.0.1; ip -n c1 -6 route add default via fd88::1
until ip -6 addr show dev {bridge} scope link -tentative | grep -q fe80; do sleep 0.1; done
"""
GONE = "ip netns del c1; ip link del {bridge}"
WITHOUT_PORT = "ip link add bare0 type veth peer name bare1; ip link set bare0 up; ip link set bare1 up"
FORWARDS = "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"


def link(name: str, *, up: bool = True) -> str:
    """Return what makes a link that is no guest's: where there is no network card, a veth pair is one."""
    pair = f"ip link add {name} type veth peer name {name}x; ip link set {name}x up"
    return f"{pair}; ip link set {name} {'up' if up else 'down'}"


def read(host: Throwaway, *keys: str) -> list[str]:
    """Return the values of sysctls."""
    return host.sh(f"cat {' '.join(f'/proc/sys/{key}' for key in keys)}").split()


def container(host: Throwaway, bridge: str = "podman0", veth: str = "veth88") -> None:
    host.sh(CONTAINER.format(bridge=bridge, veth=veth))


def advertised(host: Throwaway, link: str) -> str:
    """Return what the host has learnt by a link when the container there says that it is a router."""
    host.run([*inside("c1"), sys.executable, "-c", ADVERTISE])
    host.sh("sleep 0.5")
    return host.sh(f"ip -6 route show dev {link} proto ra")


def test_a_container_network_is_not_listened_to_whenever_it_comes(
    router: Throwaway, laneway: Laneway, quickstart: Path
) -> None:
    """CVE-2020-10749: who sits in a container must not give the host a default route."""
    container(router, "before0", "veth80")
    router.sh(f"{WITHOUT_PORT}; sysctl -qw net.ipv6.conf.before0.accept_ra=1")
    laneway("apply", quickstart)
    assert read(router, *(f"net/ipv6/conf/{link}/accept_ra" for link in ("before0", "veth80", "bare0"))) == ["1"] * 3
    assert advertised(router, "before0") == ""
    router.sh(GONE.format(bridge="before0"))

    container(router)
    router.sh("ip tuntap add tap7 mode tap; ip link set tap7 up; ip link add bare2 type veth peer name bare3")
    laneway("verify", quickstart)
    laneway("apply", quickstart)

    links = ("podman0", "veth88", "tap7", "bare2", "default", "all")
    assert read(router, *(f"net/ipv6/conf/{link}/accept_ra" for link in links)) == ["1"] * 6
    assert advertised(router, "podman0") == ""
    router.sh("sysctl -qw net.ipv6.conf.podman0.accept_ra=2")  # that an advertisement is one at all
    assert "fe80::1" in advertised(router, "podman0")


def test_links_of_others_that_come_and_go_are_no_drift(router: Throwaway, laneway: Laneway, quickstart: Path) -> None:
    router.sh(f"{link('mgmt')}; ip -6 route add 2001:db8:7::/64 dev mgmt proto ra")
    router.sh("sysctl -qw net.ipv4.conf.mgmt.forwarding=1 net.ipv6.conf.mgmt.accept_ra=1")
    laneway("apply", quickstart)
    assert read(router, "net/ipv6/conf/mgmt/accept_ra", "net/ipv4/conf/mgmt/forwarding") == ["2", "1"]

    def holds() -> None:
        for verb in ("verify", "plan"):
            laneway(verb, quickstart)
        laneway("status")

    container(router)
    holds()
    router.sh("sysctl -qw net.ipv6.conf.mgmt.accept_ra=0")  # somebody means it so
    holds()
    router.sh(f"{GONE.format(bridge='podman0')}; ip link del mgmt")
    holds()
    router.sh(link("mgmt"))  # another one of that name
    holds()
    assert read(router, "net/ipv6/conf/mgmt/accept_ra") == ["1"]
    laneway("destroy")
    assert read(router, "net/ipv6/conf/mgmt/accept_ra", *FORWARDS) == ["1", "0", "0"]


def came_after(host: Throwaway, what: str) -> None:
    """Let something come that needs forwarding."""
    if what == "a network":
        container(host)
    elif what == "a bridge whose guests are stopped":
        # A bridge has no carrier while none of its ports has one: what is on it has been stopped.
        host.sh("ip link add mybr0 type bridge; ip link add off0 type veth peer name off1")
        host.sh("ip link set off0 master mybr0 up; ip link set mybr0 up; ip addr add 172.31.0.1/24 dev mybr0")
        host.sh("ip addr add fd31::1/64 dev mybr0 nodad")
        assert "NO-CARRIER" in host.sh("ip link show mybr0")
    elif what == "a second LAN":
        host.sh(f"{link('lan')}; ip addr add 172.31.0.1/24 dev lan")
        host.sh("ip addr add fd31::1/64 dev lan nodad")
    elif what == "a nat rule":
        host.sh("iptables -t nat -A POSTROUTING -s 10.88.0.0/16 -j MASQUERADE")
        host.sh("ip6tables -t nat -A POSTROUTING -s fd88::/64 -j MASQUERADE")
    elif what == "rules of the other variant":
        host.sh("for v in nft legacy; do for t in iptables ip6tables; do $t-$v -A FORWARD -i x0 -j ACCEPT; done; done")
    else:
        host.sh("nft add table inet x; nft add chain inet x f '{ type filter hook forward priority 5; }'")
        host.sh("nft add rule inet x f iifname x0 accept")


NEEDS = [
    "a network",
    "a bridge whose guests are stopped",
    "a second LAN",
    "a nat rule",
    "rules of the other variant",
    "a native chain",
]


@pytest.mark.parametrize("what", NEEDS)
def test_destroy_leaves_forwarding_on_for_what_came_after_and_says_so(
    router: Throwaway, laneway: Laneway, quickstart: Path, what: str
) -> None:
    router.sh(f"{link('mgmt')}; ip addr add 172.30.0.1/24 dev mgmt")
    router.sh("iptables -A FORWARD -i mgmt -j ACCEPT; ip6tables -A FORWARD -p icmpv6 -j ACCEPT")
    laneway("apply", quickstart)
    came_after(router, what)

    told = laneway("destroy", "--json")

    assert read(router, *FORWARDS) == ["1", "1"]
    assert told.stderr.count("forwarding stays on: ") == 2
    assert "sysctl -w net/ipv4/ip_forward=0" in told.stderr
    assert laneway.json("destroy")["notes"] == []


def test_without_anything_new_forwarding_ends_and_what_links_had_of_it_alone_is_put_back(
    router: Throwaway, laneway: Laneway, quickstart: Path
) -> None:
    router.sh(f"{link('mgmt')}; ip addr add 172.30.0.1/24 dev mgmt")
    router.sh(f"{link('down7', up=False)}; iptables -A FORWARD -i mgmt -j ACCEPT")
    alone = [f"net/ipv{family}/conf/{link}/forwarding" for family in (4, 6) for link in ("mgmt", "down7", "eth1")]
    others = [f"net/ipv{family}/conf/{link}/forwarding" for family in (4, 6) for link in ("eth0", "default")]
    router.sh("; ".join(f"echo 1 > /proc/sys/{key}" for key in alone))
    for times in (1, 2):
        for _ in range(times):
            laneway("apply", quickstart)

        told = laneway("destroy")

        assert "stays on" not in told.stderr
        assert read(router, *alone, *others, *FORWARDS) == ["1"] * 6 + ["0"] * 6, times


def timed_out(laneway: Laneway, paths: Sequence[str | Path]) -> str:
    laneway("apply", "--confirm-within", "2s", *paths)
    container(laneway.host)
    laneway.host.sh("while test -e /var/lib/laneway/pending; do sleep 0.2; done")
    return laneway.host.sh("cat /var/lib/laneway/confirm.log")


def rolled_back(laneway: Laneway, paths: Sequence[str | Path]) -> str:
    laneway("apply", "--confirm-within", "60s", *paths)
    container(laneway.host)
    return laneway("rollback").stderr


def failed(laneway: Laneway, paths: Sequence[str | Path]) -> str:
    """Fail when forwarding is on already, and the container network has come meanwhile."""
    host = laneway.host

    def prepare() -> None:
        honest = LinuxHost.run

        def run(self: LinuxHost, steps: Sequence[Step]) -> None:
            honest(self, steps)
            if any(step.key == FORWARDS[1] and step.new == "1" for step in steps):
                subprocess.run(["sh", "-ec", CONTAINER.format(bridge="podman0", veth="veth88")], check=True)
                raise StepFailed(steps[-1], "broken on purpose")

        pytest.MonkeyPatch().setattr(LinuxHost, "run", run)

    ended = driven(host, "apply", *map(str, paths), prepare=prepare)
    assert ended.code == 5, ended
    return ended.err


@pytest.mark.parametrize("way", [timed_out, rolled_back, failed])
def test_a_change_that_is_taken_back_leaves_forwarding_on_too(
    router: Throwaway, laneway: Laneway, quickstart: Path, way: object
) -> None:
    assert callable(way)
    told = way(laneway, [quickstart])

    assert read(router, *FORWARDS) == ["1", "1"]
    assert "IPv4 forwarding stays on: podman0" in told
    assert "IPv6 forwarding stays on: podman0" in told
    laneway("apply", quickstart)
    router.sh(GONE.format(bridge="podman0"))
    laneway("destroy")  # as it was before that: on
    assert read(router, *FORWARDS) == ["1", "1"]
