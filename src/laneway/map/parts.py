"""What a layout is made of: parts that a reader can point at, each drawn of a few figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from laneway.map.geometry import Box, Figure

UPLINK_COLOURS = 7
"""More uplinks than this share colours; their names tell them apart."""


@dataclass(frozen=True, slots=True)
class Part:
    """Something with an id: what it looks like, and the space that is its own."""

    id: str
    kind: str  # "tenant", "workload", "lane", "refusal", "uplink", "crossing", "bundle"
    figures: tuple[Figure, ...]
    box: Box | None = None  # None: a line, which may cross others
    style: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """A drawing with every position decided."""

    width: int
    height: int
    dense: bool
    scenery: tuple[Figure, ...]  # what nobody can point at: the host's outline, the legend
    parts: tuple[Part, ...]  # the first is drawn first
    lit: frozenset[str] = field(default_factory=frozenset)  # the ids on a packet's way; empty: none was asked about


def colour(number: int) -> str:
    """Return the style of an uplink's colour, by its position among the uplinks."""
    return f"u{number % UPLINK_COLOURS}"
