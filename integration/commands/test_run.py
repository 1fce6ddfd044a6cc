"""`laneway run`: whatever is taken away comes back, and nobody types anything."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from integration.commands.conftest import Laneway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from integration.throwaway import Throwaway

TOLD = "/run/laneway/run.json"
IN_FORCE = "/var/lib/laneway/generations/1/policy.toml"
HOST = """
ip netns add provider
for n in 0 1; do ip link set provider$n netns provider; ip -n provider link set provider$n up; done
ip -n provider link set lo up
ip -n provider addr add 203.0.113.9/32 dev lo; ip -n provider addr add 2001:db8:ffff::9/128 dev lo
ip -n provider addr add 192.0.2.1/24 dev provider0; ip -n provider addr add 2001:db8:a::1/64 dev provider0 nodad
ip -n provider addr add 198.51.100.1/24 dev provider1; ip -n provider addr add 2001:db8:b::1/64 dev provider1 nodad
ip route add default via 198.51.100.1 metric 500; ip -6 route add default via 2001:db8:b::1 metric 5000
"""
AGAIN = """
ip addr add 198.51.100.2/24 dev eth1; ip -6 addr add 2001:db8:b::2/64 dev eth1 nodad
ip route add default via 198.51.100.1 metric 500; ip -6 route add default via 2001:db8:b::1 metric 5000
"""
MOVED = """
ip -n provider addr del 198.51.100.{here}/24 dev provider1; ip -n provider addr add 198.51.100.{there}/24 dev provider1
ip -n provider addr add 2001:db8:b::{there}/64 dev provider1 nodad
ip -n provider addr del 2001:db8:b::{here}/64 dev provider1
ip route replace default via 198.51.100.{there} metric 500
ip -6 route del default via 2001:db8:b::{here}; ip -6 route add default via 2001:db8:b::{there} metric 5000
"""
POLICY = """
[uplinks.north]
interface = "eth0"
gateways = ["192.0.2.1", "2001:db8:a::1"]
[uplinks.south]
interface = "eth1"
gateways = ["auto"]
[tenants.acme]
subnets = ["10.20.0.0/24", "fd20::/64"]
uplinks = ["south"]
[tenants.acme.workloads.web]
addresses = ["10.20.0.10", "fd20::10"]
[tenants.globex]
subnets = ["10.30.0.0/24", "fd30::/64"]
uplinks = ["north"]
[tenants.globex.workloads.app]
addresses = ["10.30.0.10", "fd30::10"]
"""
OTHER = POLICY.replace("globex", "initech").replace("10.30.", "10.31.").replace("fd30:", "fd31:")
FARS = ("203.0.113.9", "2001:db8:ffff::9")
EVENTS = {
    "link down and up": f"ip link set eth1 down; ip link set eth1 up; {AGAIN.replace('ip addr add 198', ': 198')}",
    "link deleted and made again": (
        "ip link del eth1; ip link add eth1 type veth peer name provider1 netns provider\n"
        "ip -n provider link set provider1 up; ip -n provider addr add 198.51.100.1/24 dev provider1\n"
        f"ip -n provider addr add 2001:db8:b::1/64 dev provider1 nodad; ip link set eth1 up; {AGAIN}"
    ),
    "another gateway": MOVED.format(here=1, there=7),
    "the gateway it was": MOVED.format(here=7, there=1),
    "ip rules deleted": "ip -4 rule flush protocol 147; ip -6 rule flush protocol 147",
    "routes deleted": "ip -4 route flush table all proto 147; ip -6 route flush table all proto 147",
    "our bridge down": "ip link set lwb-acme down; ip link set lwb-globex down",
    "our addresses deleted": "ip addr flush dev lwb-acme",
}


@contextmanager
def running(host: Throwaway, log: Path, *options: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `laneway run` on the host, from its first look on; `log` gets what it says."""
    command = [*host.prefix, sys.executable, "-m", "laneway", "run", *options]
    with log.open("w") as errors:
        one = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=errors, env={**os.environ, **environment})
    try:
        wait_for(lambda: told(host).get("pid") == follower(host) == one.pid)
        yield one
    finally:
        one.kill()
        one.wait(60)


def told(host: Throwaway) -> dict[str, Any]:
    """Return what the process that follows the host tells of itself."""
    found = host.run(["cat", TOLD], check=False).stdout
    return json.loads(found) if found else {}


def follower(host: Throwaway) -> int:
    """Return the process that holds the lock of whoever follows the host."""
    return int((host.run(["cat", "/run/laneway/run.lock"], check=False).stdout or "0").split()[0])


def wait_for(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something holds; fail when it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come in time"
        time.sleep(0.1)


def reaches(host: Throwaway, netns: str, far: str) -> bool:
    """Tell whether a packet of a workload comes back."""
    done = host.run(["ip", "netns", "exec", netns, "ping", "-c1", "-W1", far], check=False)
    return done.returncode == 0


def flows(host: Throwaway) -> bool:
    """Tell whether both tenants reach the world, in both families."""
    return all(reaches(host, netns, far) for netns in ("acme-web", "globex-app") for far in FARS)


def in_step(laneway: Laneway) -> bool:
    """Tell whether the host holds what its policy asks: a plan of nothing."""
    return laneway("plan", "/run/policy.toml", code=None).returncode == 0


@pytest.fixture
def applied(laneway: Laneway) -> Laneway:
    """A host with two tenants, each behind its uplink."""
    laneway.host.sh(HOST)
    laneway.host.run(["tee", "/run/policy.toml"], input=POLICY)
    laneway("apply", "/run/policy.toml")
    wait_for(lambda: flows(laneway.host))
    return laneway


def test_what_is_taken_away_comes_back(applied: Laneway, variant: str, tmp_path: Path) -> None:
    host = applied.host
    more = {"nf_tables flushed": "nft flush ruleset"} if variant == "nft" else {}
    with running(host, tmp_path / "log") as process:
        for name, script in {**EVENTS, **more}.items():
            before = len(told(host)["repairs"])
            host.sh(script)
            wait_for(lambda before=before: len(told(host)["repairs"]) > before)  # type: ignore[misc]
            wait_for(lambda: flows(host))
            wait_for(lambda: in_step(applied))
            assert process.poll() is None, name
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert flows(host)
    assert applied.json("history")["generations"][-1]["generation"] == 1  # repairs make none


def test_it_holds_what_is_in_force_and_nothing_else(laneway: Laneway, tmp_path: Path) -> None:
    host, log = laneway.host, tmp_path / "log"
    host.sh(HOST)
    with running(host, log, "--every", "2s") as process:
        wait_for(lambda: "no policy is in force on this host: waiting" in log.read_text())
        host.run(["tee", "/run/policy.toml"], input=POLICY)
        laneway("apply", "/run/policy.toml")  # taken over at once
        wait_for(lambda: told(host)["generation"] == 1)
        assert laneway.json("status", code=None)["run"]["pid"] == process.pid
        assert "Exit code" not in laneway("run", code=9).stdout  # one follows this host already

        host.run(["tee", "/run/policy.toml"], input=OTHER)
        host.sh("ip rule flush protocol 147; ipset flush")  # the set has no events
        wait_for(lambda: flows(host))
        assert "globex-app" in host.sh("ip netns")  # an edited file is not in force

        laneway("apply", "/run/policy.toml", "--prune", "--confirm-within", "5m")
        wait_for(lambda: told(host)["generation"] == 2)
        host.sh("ip rule flush protocol 147")
        wait_for(lambda: told(host)["repairs"][-1]["what"].endswith("ip rules"))
        assert "initech-app" in host.sh("ip netns")  # repaired to the change that waits
        laneway("rollback")
        wait_for(lambda: told(host)["generation"] == 1)
        assert "globex-app" in host.sh("ip netns")

        process.send_signal(signal.SIGKILL)
        process.wait(30)
    before = seen(host)
    assert laneway.json("status", code=None)["run"] is None
    assert flows(host)
    with running(host, log) as process:
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert seen(host) == before


def test_what_cannot_be_read_is_told_and_the_host_left_as_it_is(applied: Laneway, tmp_path: Path) -> None:
    host, log = applied.host, tmp_path / "log"
    host.sh(f"cp {IN_FORCE} /run/good; echo 'tenants = 1' > {IN_FORCE}")
    before = seen(host)
    heard = manager(tmp_path / "notify")
    systemd = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
    with running(host, log, **systemd) as process:
        wait_for(lambda: any(each.startswith("READY=1\n") for each in heard))
        wait_for(lambda: heard.count("WATCHDOG=1") > 2, seconds=5)  # twice in each second
        wait_for(lambda: bool(told(host)["trouble"]))
        assert "tenants" in log.read_text()
        assert seen(host) == before
        host.sh(f"cp /run/good {IN_FORCE}; ip rule flush protocol 147")
        wait_for(lambda: not told(host)["trouble"] and bool(told(host)["repairs"]))
        assert seen(host) == before
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    wait_for(lambda: "STOPPING=1" in heard)


def manager(path: Path) -> list[str]:
    """Listen as a service manager does, and return the list that what is told goes into."""
    heard: list[str] = []
    one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.bind(str(path))

    def listen() -> None:
        while True:
            heard.append(one.recv(999).decode())

    threading.Thread(target=listen, daemon=True).start()
    return heard


def test_it_does_not_fight(applied: Laneway, tmp_path: Path) -> None:
    host, log = applied.host, tmp_path / "log"
    with running(host, log):
        for done in range(1, 4):
            host.sh("ip route del default table lw.globex.north")
            wait_for(lambda done=done: len(told(host)["repairs"]) == done)  # type: ignore[misc]
        wait_for(lambda: "undone again and again" in told(host)["waits"])
        assert "undone again and again, by" in applied("status", code=None).stdout
        host.sh("ip route del default table lw.globex.north; ip rule flush protocol 147")  # the rules are not contested
        wait_for(lambda: len(told(host)["repairs"]) > 3)
        host.sh("ip route del default table lw.globex.north")
        end = time.monotonic() + 4  # the wait is ten seconds by now
        while time.monotonic() < end:
            assert "default" not in host.sh("ip route show table lw.globex.north").replace("unreachable default", "")
            time.sleep(0.2)
        wait_for(lambda: reaches(host, "globex-app", FARS[0]))


def seen(host: Throwaway) -> str:
    """Return what tools of others see of the host: rules, routes, links and chains."""
    return host.sh(
        "for f in 4 6; do ip -$f rule; ip -$f route show table all proto 147; done\n"
        "iptables-save | grep -v '^[#:]'; ip6tables-save | grep -v '^[#:]'; ipset save | sort"
    )
