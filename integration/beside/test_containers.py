"""Tenants and others' containers on one host: each works, neither reaches the other, whoever was there first."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest

from integration.beside import engines
from integration.beside.world import Events

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration.beside.engines import Engine
    from integration.beside.world import World

_NETWORK = ("10.99.0.0/24", "fd99::/64")
_FORWARDING = "sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding net.ipv6.conf.default.forwarding"

ENGINES = pytest.mark.parametrize(
    ("program", "start", "variant"),
    [
        pytest.param("podman", lambda world: engines.podman(world, "netavark"), "nft", id="podman with netavark"),
        pytest.param("podman", lambda world: engines.podman(world, "cni"), "legacy", id="podman with CNI"),
        pytest.param("docker", engines.docker, "nft", id="Docker"),
        pytest.param(
            "docker",
            lambda world: engines.docker(world, "--userland-proxy=false"),
            "legacy",
            id="Docker without proxies",
        ),
    ],
)


@ENGINES
def test_containers_that_were_there_before_laneway(
    world_with: Callable[..., World], program: str, start: Callable[[World], Engine], variant: str
) -> None:
    world = world_with(program)
    world.use_iptables(variant)
    engine = start(world)
    engine.network("both", *_NETWORK)
    engine.run("first", port=8081)
    engine.run("second", "--network", "both", port=8082)
    forwarding = world.host.sh(_FORWARDING)
    wrong = Events()
    wrong["starting containers"] = world.wrong(tenants=False)

    world.apply()
    wrong["apply"] = world.wrong()
    world.laneway("destroy")
    wrong["destroy"] = world.wrong(tenants=False)

    assert not any(wrong.values()), str(wrong)
    assert world.host.sh(_FORWARDING) == forwarding


@ENGINES
def test_containers_that_come_after_laneway(
    world_with: Callable[..., World], program: str, start: Callable[[World], Engine], variant: str
) -> None:
    world = world_with(program)
    world.use_iptables(variant)
    world.apply()
    wrong = Events()

    engine = start(world)
    engine.run("first", *(("--restart", "always") if program == "docker" else ()), port=8081)
    wrong["a container came"] = world.wrong()

    engine.network("both", *_NETWORK)
    engine.run("second", "--network", "both", port=8082)
    wrong["a network came"] = world.wrong()

    engine.remove("second")
    engine("network", "rm", "both")
    if program == "docker":
        engine.restart()
    wrong["both went"] = world.wrong()

    world.apply()
    wrong["the second apply"] = world.wrong()
    engine.run("third")
    world.laneway("verify", str(world.policy))  # that links of others come and go is no drift
    engine.remove("third")
    world.laneway("verify", str(world.policy))
    world.laneway("destroy")
    wrong["destroy"] = world.wrong(tenants=False)

    assert not any(wrong.values()), str(wrong)


_ADVERTISES = """
import socket, struct, time
one = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
router = struct.pack(">BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)  # RFC 4861, 4.2: for half an hour
prefix = struct.pack(">BBBBIII16s", 3, 4, 64, 0xC0, 7200, 7200, 0, socket.inet_pton(socket.AF_INET6, "2001:db8:bad::"))
for again in range(3):
    one.sendto(router + prefix, ("ff02::1", 0))
    time.sleep(0.2)
"""
_HEEDED = "grep . /proc/sys/net/ipv6/conf/podman*/accept_ra"
_LEARNT = "ip -6 route show table all proto ra; ip -6 address show dynamic; ip -6 route show default"


def test_no_container_is_the_hosts_router(world_with: Callable[..., World]) -> None:
    world = world_with("podman")
    engine = engines.podman(world, "netavark")
    # The default network has no IPv6, so that its bridge has the kernel's own value of accept_ra.
    containers = [engine.run("before")]
    world.apply()
    engine("network", "create", "later")
    containers.append(engine.run("after", "--network", "later"))
    heeded, learnt = world.host.sh(_HEEDED), world.host.sh(_LEARNT)

    world.apply()
    for one in containers:
        settled = f"nsenter --net={one.netns} ip -6 address show scope link -tentative"
        world.host.until(partial(world.host.holds, f"{settled} | grep -q fe80::"), f"{one.name} has no IPv6")
        world.host.run(["nsenter", f"--net={one.netns}", sys.executable, "-c", _ADVERTISES])

    assert world.host.sh(_LEARNT) == learnt
    assert world.host.sh(_HEEDED) == heeded
