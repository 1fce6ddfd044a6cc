"""A lane by which nothing leaves."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Why(StrEnum):
    """What a lane lacks."""

    NOT_UP = "the interface is not up"
    NO_GATEWAY = "no gateway is known"
    REFUSED = "the kernel refuses a route to its gateway"
    NO_ROUTE = "its default route is gone"


class ClosedLane(NamedTuple):
    """A tenant's lane in one family: what would go by it is refused."""

    tenant: str
    uplink: str
    family: int
    why: Why
