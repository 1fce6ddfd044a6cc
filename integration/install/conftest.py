"""The fixtures of the commands' tests: a host with two uplinks, and laneway on it."""

from __future__ import annotations

from integration.commands.conftest import laneway, quickstart, router, variant

__all__ = ["laneway", "quickstart", "router", "variant"]
