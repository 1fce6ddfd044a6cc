"""A host with two uplinks that is well, and laneway on it."""

from __future__ import annotations

import pytest

from integration.commands.conftest import laneway, quickstart, router

__all__ = ["laneway", "quickstart", "router"]


@pytest.fixture
def variant() -> str:
    """The variant of iptables where a test does not say."""
    return "nft"
