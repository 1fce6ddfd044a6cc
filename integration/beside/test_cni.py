"""CNI's plugins beside laneway: networks by bridges of any name, and ports of the host that are theirs."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from integration.beside.cni import Cni
from integration.beside.world import INTERNET, Events

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration.beside.world import World


BRIDGES = pytest.mark.parametrize(("bridge", "variant"), [("mybr0", "nft"), ("cni0", "legacy")])


@BRIDGES
def test_a_network_that_was_there_before_laneway(world_with: Callable[..., World], bridge: str, variant: str) -> None:
    world = world_with("cni")
    world.use_iptables(variant)
    network = Cni(world, bridge)
    network.add("first", 8081)
    wrong = Events()

    wrong["CNI"] = world.wrong(tenants=False)
    world.apply()
    network.add("second", 8082)
    wrong["apply and another container"] = world.wrong()
    world.laneway("verify", str(world.policy))
    world.laneway("destroy")
    wrong["destroy"] = world.wrong(tenants=False)

    assert not any(wrong.values()), str(wrong)


@BRIDGES
def test_a_network_that_comes_after_laneway(world_with: Callable[..., World], bridge: str, variant: str) -> None:
    world = world_with("cni")
    world.use_iptables(variant)
    world.apply()
    network = Cni(world, bridge)
    network.add("first", 8081)
    wrong = Events()

    world.apply()
    network.add("second", 8082)
    wrong["apply and another container"] = world.wrong()
    world.laneway("destroy")
    wrong["destroy"] = world.wrong(tenants=False)

    # laneway knows bridges of container software by their names; by another one, LANEWAY-USER has to accept.
    kept_in = _no_way_out("first", "second") if bridge == "mybr0" else []
    found = [each.partition(", refused by ") for each in wrong.pop("apply and another container")]
    assert [each for each, _, _ in found] == kept_in, str(found)
    assert all(refused for _, refused, _ in found), str(found)  # at once
    assert wrong == {"destroy": []}, str(wrong)


def _no_way_out(*names: str) -> list[str]:
    asked = product(names, INTERNET, ("tcp/80", "udp/80", "icmp"))
    return sorted(f"{name} → {to} {said} has no answer from north, and it did not arrive" for name, to, said in asked)


def test_a_port_that_portmap_has_is_not_published_silently(world_with: Callable[..., World]) -> None:
    world = world_with("cni")
    Cni(world, "cni0").add("first", 8080)  # the port that acme publishes
    told = world.laneway("plan", str(world.policy), code=None)

    assert "acme/web publishes 8080:80/tcp, and a rule of others' sends that port on" in told.stdout + told.stderr
