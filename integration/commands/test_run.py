"""`laneway run`: whatever is taken away comes back, and nobody types anything."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
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
def running(host: Throwaway, log: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run `laneway run` on the host, from its first look on; `log` gets what it says."""
    command = [*host.prefix, sys.executable, "-m", "laneway", "run", *options]
    with log.open("w") as errors:
        one = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=errors, text=True)
    try:
        wait_for(lambda: bool(told(host)) and told(host)["pid"] == follower(host))
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
