"""Fixtures of the tests that need root and a real kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration.throwaway import Throwaway

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def throwaway() -> Iterator[Throwaway]:
    """A fresh host: a network, a /run, an /etc and a /var/lib of its own."""
    with Throwaway() as host:
        yield host
