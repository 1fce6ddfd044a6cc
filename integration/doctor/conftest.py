"""A host with two uplinks that is well, and laneway on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration.commands.conftest import laneway, quickstart
from integration.commands.conftest import router as bare_router

if TYPE_CHECKING:
    from integration.throwaway import Throwaway

__all__ = ["bare_router", "laneway", "quickstart"]

_GATEWAYS = """
ip neigh replace 192.0.2.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent
ip neigh replace 2001:db8:a::1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent
ip neigh replace 198.51.100.1 lladdr 02:00:00:00:00:02 dev eth1 nud permanent
ip neigh replace 2001:db8:b::1 lladdr 02:00:00:00:00:02 dev eth1 nud permanent
"""
"""Nobody is there, and nobody is looked for."""


@pytest.fixture
def router(bare_router: Throwaway) -> Throwaway:
    """A host with two uplinks whose gateways are known."""
    bare_router.sh(_GATEWAYS)
    return bare_router


@pytest.fixture
def variant() -> str:
    """The variant of iptables where a test does not say."""
    return "nft"
