"""A gateway that nobody has is told of: by doctor, who looks for it, and by verify once somebody has looked in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration.commands.test_uplink_fails import FAR, POLICY, PROVIDERS, ask

if TYPE_CHECKING:
    from pathlib import Path

    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway

WRONG = ("198.51.100.77", "2001:db8:b::77")


@pytest.fixture
def variant() -> str:
    """One variant of iptables: neighbours are the same with the other."""
    return "legacy"


def told(laneway: Laneway, command: str) -> list[str]:
    found = laneway.json(command, code=0)["findings"]
    return sorted(each["what"] for each in found if each["rule"] == "gateway-silent")


def test_a_gateway_that_does_not_answer(router: Throwaway, laneway: Laneway, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    router.sh(PROVIDERS)
    policy.write_text(POLICY, encoding="utf-8")
    laneway("apply", policy)
    assert told(laneway, "doctor") == []

    policy.write_text(POLICY.replace('"198.51.100.1", "2001:db8:b::1"', '"198.51.100.77", "2001:db8:b::77"'))
    laneway("apply", policy)
    assert told(laneway, "verify") == []
    laneway("status")
    assert "77" not in router.sh("ip neigh show dev eth1")  # neither has sent anything
    said = [f"uplink south: the gateway {WRONG[0]} does not answer on eth1 (ARP)"]
    said += [f"uplink south: the gateway {WRONG[1]} does not answer on eth1 (neighbour discovery)"]
    assert told(laneway, "doctor") == said
    router.sh("ip neigh flush dev eth1")
    for far in FAR:
        assert ask(router, "globex-web", far, 53) != "here"
    assert told(laneway, "verify") == said

    router.sh("ip -n provider1 addr add 198.51.100.77/24 dev provider1")
    router.sh("ip -n provider1 addr add 2001:db8:b::77/64 dev provider1 nodad")
    assert told(laneway, "doctor") == []
    assert told(laneway, "verify") == []
