"""Firewalls that flush what is not theirs: commands say that the policy is not in force, and apply mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration.beside.firewalls import Firewalld, install_ufw
from integration.beside.world import INTERNET, UPLINKS, Events

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration.beside.world import World

_DRIFT = 4


def _mended(world: World, wrong: Events, event: str) -> None:
    """Note what is wrong once it is known that laneway is gone, and applied again."""
    world.laneway("verify", str(world.policy), code=_DRIFT)
    world.laneway("doctor", str(world.policy), code=_DRIFT)
    world.apply()
    wrong[event] = world.wrong()
    world.laneway("verify", str(world.policy))


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_firewalld(world_with: Callable[..., World], backend: str) -> None:
    world = world_with("firewalld")
    firewalld = Firewalld(world.host, backend)
    firewalld.prepare()
    world.apply()
    firewalld.start()
    # As doctor says: firewalld rejects what is forwarded from a zone that is not trusted, whatever laneway accepts.
    bridges = ["--add-interface=lwb-acme", "--add-interface=lwb-globex"]
    firewalld.command("--permanent", "--zone=trusted", *bridges)
    wrong = Events()

    firewalld.command("--reload")
    _mended(world, wrong, "reload")
    firewalld.command("--complete-reload")
    _mended(world, wrong, "complete-reload")
    firewalld.stop()
    _mended(world, wrong, "stop")
    firewalld.start()
    _mended(world, wrong, "start")

    assert not any(wrong.values()), str(wrong)


def test_nftables_service(world_with: Callable[..., World]) -> None:
    world = world_with("persistent")
    world.apply()
    wrong = Events()

    world.host.sh("nft -f /etc/nftables.conf")  # what the unit of that name does at start and at reload
    _mended(world, wrong, "start of nftables.service")

    assert not any(wrong.values()), str(wrong)


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_netfilter_persistent(world_with: Callable[..., World], variant: str) -> None:
    world = world_with("persistent")
    world.use_iptables(variant)
    # A host that had no tenants yet, and every table.
    every = "for table in raw mangle nat filter; do for tool in iptables ip6tables; do $tool -t $table -P OUTPUT ACCEPT"
    world.host.sh(f"{every}; done; done; netfilter-persistent save")
    world.apply()
    wrong = Events()

    world.host.sh("netfilter-persistent reload")
    _mended(world, wrong, "reload")
    world.host.sh("netfilter-persistent save; netfilter-persistent flush")
    _mended(world, wrong, "flush")

    assert not any(wrong.values()), str(wrong)


def test_ufw(world_with: Callable[..., World]) -> None:
    world = world_with("ufw")
    world.apply()
    wrong = Events()

    install_ufw(world.host)
    wrong["enable"] = world.wrong()
    world.apply()
    wrong["apply"] = world.wrong()
    world.host.sh("ufw reload")
    wrong["reload"] = world.wrong()
    world.host.sh("ufw --force disable")
    wrong["disable"] = world.wrong()

    assert not any(wrong.values()), str(wrong)


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_a_flushed_table(world_with: Callable[..., World], variant: str) -> None:
    world = world_with("persistent")
    world.use_iptables(variant)
    leaks = Events()

    for table in ("raw", "mangle", "nat", "filter"):
        world.apply()
        world.host.sh(f"for tool in iptables ip6tables; do $tool -t {table} -F; done")
        leaks[table] = world.leaks()
        world.laneway("verify", str(world.policy), code=_DRIFT)
    world.apply()

    # What is published at south is not, and the host's own refusal goes by its default route.
    refusals = [f"north saw {UPLINKS['south'][family]} → {INTERNET[family]} tcp" for family in (0, 1)]
    assert leaks == {"raw": [], "mangle": refusals, "nat": [], "filter": []}, str(leaks)
    assert world.wrong() == []
