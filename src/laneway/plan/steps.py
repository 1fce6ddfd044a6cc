"""One change to one kernel object."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple


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
