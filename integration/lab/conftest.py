"""A lab with two uplinks and two tenants, on whose host laneway was never run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration.lab.plain_router import make_router
from laneway.lab.run import Lab
from tests.lab.samples import NORTH, SOUTH, policy, tenant, workload

if TYPE_CHECKING:
    from collections.abc import Iterator

POLICY = policy(
    NORTH,
    SOUTH,
    tenant("acme", "10.20.0.0/24 fd20::/64", "north", workload("web", "10.20.0.10 fd20::10")),
    tenant("globex", "10.30.0.0/24 fd30::/64", "south", workload("app", "10.30.0.10 fd30::10")),
)


@pytest.fixture
def lab() -> Iterator[Lab]:
    """The world, and a host that only has its uplinks."""
    with Lab(POLICY) as made:
        yield made


@pytest.fixture
def router(lab: Lab) -> Lab:
    """The same with the tenants' workloads, and a host that forwards whatever comes, by main alone."""
    make_router(lab)
    return lab
