"""A `HostState` as bytes, and back: what the journal keeps of the host before a change."""

from __future__ import annotations

import io
import pickle
from itertools import compress, starmap
from types import NoneType
from typing import TYPE_CHECKING, Any

from laneway.errors import HostRefused
from laneway.state.host import HostState

if TYPE_CHECKING:
    from collections.abc import Collection

_PACKAGE = "laneway.state."


def dump(state: HostState) -> bytes:
    """Return the state as bytes; sixteen thousand tenants are written in a second."""
    kinds = {kind: (_columns(each.keys()), _columns(each.values())) for kind, each in state.kinds().items()}
    return pickle.dumps(kinds, protocol=5)


def load(data: bytes) -> HostState:
    """Return the state again; raises HostRefused for bytes that are not a whole one of this laneway's."""
    try:
        kinds = _Reader(io.BytesIO(data)).load()
        return HostState(**{kind: dict(zip(*map(_values, both), strict=True)) for kind, both in kinds.items()})
    except (pickle.UnpicklingError, EOFError, TypeError, ValueError, AttributeError, ImportError, IndexError) as error:
        message = f"the snapshot of the host cannot be read: {error}"
        raise HostRefused(message, "it is incomplete, or of another version of laneway") from error


def _columns(values: Collection[Any]) -> tuple[Any, ...]:
    """Return `values`, where they are named tuples of one type, as that type and a column for each of its fields.

    Named tuples are pickled by a call to Python for each, columns of numbers, bytes and strings in C. Where some are
    None, a byte for each tells which are not.
    """
    types = set(map(type, values))
    kinds = types - {NoneType}
    if len(kinds) != 1 or not getattr(kind := kinds.pop(), "_fields", ()):
        return None, list(values)
    if len(types) == 1:
        return kind, [_columns(column) for column in zip(*values, strict=True)]
    there = bytes(each is not None for each in values)
    return kind, [_columns(column) for column in zip(*compress(values, there), strict=True)], there


def _values(column: tuple[Any, ...]) -> list[Any]:
    kind, parts, *holes = column
    whole = parts if kind is None else list(starmap(kind, zip(*map(_values, parts), strict=True)))
    for there in holes:
        if sum(there) != len(whole):
            message = f"{len(whole)} values for {sum(there)} places"
            raise ValueError(message)
        present = iter(whole)
        whole = [next(present) if each else None for each in there]
    return whole


class _Reader(pickle.Unpickler):
    """Reads values of laneway's own nouns and nothing else, whoever wrote the bytes."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401  as pickle has it
        if module.startswith(_PACKAGE) and "." not in name:
            found = super().find_class(module, name)
            if isinstance(found, type) and found.__module__ == module:
                return found
        message = f"{module}.{name} has no place in it"
        raise pickle.UnpicklingError(message)
