"""`isolate = true`: workloads of a tenant reach everything but each other, whatever they try, and living flows end."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from integration.commands.conftest import NORTH, PROVIDER, PROVIDER6, answering, inside, script

if TYPE_CHECKING:
    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway

POLICY = """
[tenants.acme]
subnets = ["10.20.0.0/24", "fd20::/64", "10.21.0.0/24", "fd21::/64"]
uplinks = ["north"]
{isolate}
[tenants.acme.workloads.web]
addresses = ["10.20.0.10", "fd20::10"]
publish = ["8080:80/udp"]
[tenants.acme.workloads.db]
addresses = ["10.20.0.11", "fd20::11"]
[tenants.acme.workloads.far]
addresses = ["10.21.0.12", "fd21::12"]
[tenants.globex]
subnets = ["10.30.0.0/24", "fd30::/64"]
uplinks = ["north"]
[tenants.globex.workloads.app]
addresses = ["10.30.0.10", "fd30::10"]
[[tenants.globex.allow]]
to = "acme"
ports = ["80/udp"]
"""
APART = "isolate = true"
WEB = ("10.20.0.10", "fd20::10")
HERE = ("192.0.2.2", "2001:db8:a::2")
BRIDGED = "sysctl -qw net.bridge.bridge-nf-call-iptables={0} net.bridge.bridge-nf-call-ip6tables={0}"
BY_THE_HOST = """
ip -n acme-db route add 10.20.0.10/32 via 10.20.0.1
ip -n acme-db -6 route add fd20::10/128 via fd20::1
"""
ASKS = """
import socket
one = socket.socket({family}, socket.SOCK_DGRAM)
one.settimeout(0.5)
try:
    for attempt in range(3):
        try:
            one.sendto(b"?", ("{address}", {port}))
            print(one.recv(9).decode())
            break
        except TimeoutError:
            continue
except OSError:
    pass
"""


def put(laneway: Laneway, isolate: str) -> None:
    laneway.host.run(["tee", "/run/policy.toml"], input=NORTH + POLICY.format(isolate=isolate))
    laneway("apply", "/run/policy.toml")


def reached(host: Throwaway, who: str | None, port: int, *addresses: str) -> list[str]:
    """Return which of the addresses answer a datagram."""
    asked = {to: host.run([*inside(who), *script(ASKS, to, port)]).stdout.strip() for to in addresses}
    return [to for to, said in asked.items() if said == "here"]


def port_of(host: Throwaway, workload: str) -> str:
    found = host.json("ip -j link show master lwb-acme")
    return str(next(each["ifname"] for each in found if each["ifalias"].endswith(f"workload={workload}")))


@pytest.mark.parametrize("bridge_nf", ["0", "1"])
def test_workloads_reach_everything_but_each_other(router: Throwaway, laneway: Laneway, bridge_nf: str) -> None:
    router.sh(PROVIDER + PROVIDER6 + BRIDGED.format(bridge_nf))
    put(laneway, APART)
    with answering(router, "acme-web", WEB[0], 80), answering(router, "acme-web", WEB[1], 80):
        for who in ("acme-db", "acme-far"):
            assert reached(router, who, 80, *WEB) == [], "on the bridge, and from another subnet"
            assert reached(router, who, 8080, *HERE) == [], "by the tenant's published port"
        assert reached(router, "acme-web", 8080, *HERE) == [], "its own"
        router.sh(BY_THE_HOST)
        assert reached(router, "acme-db", 80, *WEB) == [], "by the host"

        assert reached(router, None, 80, *WEB) == [*WEB], "the host"
        assert reached(router, "globex-app", 80, *WEB) == [*WEB], "an allow"
        assert reached(router, "globex-app", 8080, *HERE) == [*HERE], "another tenant, by the published port"
        assert reached(router, "provider", 8080, *HERE) == [*HERE], "from outside"
    for own, outside in (("10.20.0.11", "203.0.113.9"), ("fd20::11", "2001:db8:ffff::9")):
        router.sh(f"ip -n provider route add {own} via {HERE[':' in own]}" if ":" not in own else ":")
        with answering(router, "provider", outside, 53):
            assert reached(router, "acme-db", 53, outside) == [outside]
    router.sh("ip netns exec acme-db ping -c1 -W2 10.20.0.1; ip netns exec acme-db ping -c1 -W2 fd20::1")


HEARS = """
import socket
one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
one.bind(("eth0", 3))
one.settimeout(2)
print("ready", flush=True)
try:
    while one.recv(99)[14:15] != b"!":
        continue
    print("heard")
except TimeoutError:
    print("nothing")
"""
SAYS = """
import socket
one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
one.bind(("eth0", 0))
one.send(b"\\xff" * 6 + b"\\x02\\0\\0\\0\\0\\x09" + b"\\x88\\xb5" + b"!" * 50)
"""


def heard(host: Throwaway) -> str:
    """Return what web hears of a frame that db sends to everybody."""
    argv = [*host.prefix, *inside("acme-web"), sys.executable, "-c", HEARS]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as sibling:
        assert sibling.stdout is not None
        sibling.stdout.readline()
        host.run([*inside("acme-db"), sys.executable, "-c", SAYS])
        return sibling.stdout.readline().strip()


def test_a_frame_of_one_workload_is_heard_by_no_other(router: Throwaway, laneway: Laneway) -> None:
    put(laneway, APART)
    assert heard(router) == "nothing"

    put(laneway, "")
    assert heard(router) == "heard"


def test_it_is_turned_on_and_off_in_force_and_a_change_of_it_is_drift(router: Throwaway, laneway: Laneway) -> None:
    put(laneway, "")
    with answering(router, "acme-web", WEB[0], 80), answering(router, "acme-web", WEB[1], 80):
        router.sh(BY_THE_HOST)
        assert reached(router, "acme-db", 80, *WEB) == [*WEB]
        router.sh("ip -n acme-db route del 10.20.0.10/32; ip -n acme-db -6 route del fd20::10/128")
        assert reached(router, "acme-db", 80, *WEB) == [*WEB]

        put(laneway, APART)
        assert reached(router, "acme-db", 80, *WEB) == []
        laneway("verify", "/run/policy.toml", code=0)
        laneway("verify", "/run/policy.toml", "--host", "local://", code=0)
        laneway("plan", "/run/policy.toml", code=0)

        for port in (port_of(router, "web"), port_of(router, "db")):
            router.sh(f"bridge link set dev {port} isolated off")
        assert reached(router, "acme-db", 80, *WEB) == [*WEB]
        assert "isolated on" in laneway("plan", "/run/policy.toml", "--commands", code=4).stdout
        assert "isolated" in laneway("verify", "/run/policy.toml", code=4).stdout
        assert "isolated" in laneway("verify", "/run/policy.toml", "--host", "local://", code=4).stdout
        laneway("apply", "/run/policy.toml")
        assert reached(router, "acme-db", 80, *WEB) == []

        # The bridge is made anew, and its ports with it are as they were.
        router.sh("ip link del lwb-acme")
        laneway("apply", "/run/policy.toml")
        assert reached(router, "acme-db", 80, *WEB) == []

        put(laneway, "")
        assert reached(router, "acme-db", 80, *WEB) == [*WEB]
    laneway("destroy")
    assert "lw-apart" not in router.sh("ipset list -n")
