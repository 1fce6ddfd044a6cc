"""Real programs, each on hosts of its own."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from integration.beside.machine import Machine
from integration.beside.software import unpacked
from integration.beside.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def software(pytestconfig: pytest.Config) -> Callable[[str], Path]:
    """Return where a program's files are; fetched from Debian once, and kept for the next time."""
    assert pytestconfig.cache is not None
    store = pytestconfig.cache.mkdir("debian")
    return lambda program: unpacked(program, store)


@pytest.fixture
def world_with(software: Callable[[str], Path]) -> Iterator[Callable[..., World]]:
    """Make a host with some programs, and two providers."""
    with ExitStack() as hosts:

        def make(*programs: str) -> World:
            world = World(hosts.enter_context(Machine(*map(software, programs))))
            world.build()
            return world

        yield make
