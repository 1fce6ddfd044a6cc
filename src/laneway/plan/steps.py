"""One change to one kernel object."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Op(StrEnum):
    """What a step does to its object."""

    CREATE = "create"
    REPLACE = "replace"
    DELETE = "delete"


class Step(NamedTuple):
    """A change of one object, in the terms of one mapping of `HostState`."""

    op: Op
    kind: str  # the name of the mapping: "links", "routes", ...
    key: Any
    old: Any = None  # the observed value, of REPLACE and DELETE
    new: Any = None  # the desired value, of CREATE and REPLACE


def merged(steps: Iterable[Step]) -> list[Step]:
    """Return the steps with those on one object as one: a link is made, and later brought up."""
    found: dict[tuple[str, Any], Step] = {}
    for step in steps:
        before = found.get((step.kind, step.key))
        found[step.kind, step.key] = step if before is None else before._replace(new=step.new)
    return list(found.values())


def touched(steps: Iterable[Step]) -> Counter[str]:
    """Return how many objects of each kind the steps touch."""
    return Counter(step.kind for step in merged(steps))
