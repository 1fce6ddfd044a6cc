"""A reason not to begin a change of a host, as a value: each check yields its own, and all are shown at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from laneway.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN = 20
"""Collisions that a message names."""


@dataclass(frozen=True, slots=True)
class Collision:
    """One thing on the host that a change would run into, and the remedy."""

    kind: str  # which check found it
    what: str
    remedy: str
    found: str = ""  # the object as its own tool prints it, where one command can move it

    @property
    def text(self) -> str:
        """Return both, as a person reads them."""
        return f"{self.what}\n   = hint: {self.remedy}"

    def as_json(self) -> dict[str, str]:
        """Return it as plain data."""
        return {"kind": self.kind, "what": self.what, "hint": self.remedy}


def refuse(found: Sequence[Collision]) -> None:
    """Raise Conflict, unless there is no collision: its text names the first, its `collisions` are all of them."""
    if found:
        error = _error(found)
        error.collisions = tuple(each.as_json() for each in found)
        raise error


def _error(found: Sequence[Collision]) -> Conflict:
    if len(found) == 1:
        return Conflict(found[0].what, found[0].remedy)
    more = [f"and {len(found) - SHOWN} more; --json names all"] if len(found) > SHOWN else []
    return Conflict("\n".join([*(each.text for each in found[:SHOWN]), *more]))
