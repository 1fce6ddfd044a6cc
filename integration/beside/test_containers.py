"""Tenants and others' containers on one host: each works, neither reaches the other, whoever was there first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration.beside import engines

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
    assert world.wrong(tenants=False) == []

    world.apply()
    assert world.wrong() == []

    world.apply()
    assert world.wrong() == []

    world.laneway("destroy")
    assert world.wrong(tenants=False) == []
    assert world.host.sh(_FORWARDING) == forwarding
