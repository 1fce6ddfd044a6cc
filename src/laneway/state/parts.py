"""What makes a rule's parts equal their own kind alone."""

from __future__ import annotations

from typing import Any, TypeVar

T = TypeVar("T", bound=tuple[Any, ...])


def _equal_by_kind(left: tuple[Any, ...], right: object) -> bool:
    return type(left) is type(right) and tuple.__eq__(left, right)


def _unequal_by_kind(left: tuple[Any, ...], right: object) -> bool:
    return not _equal_by_kind(left, right)


def part(kind: type[T]) -> type[T]:
    """Make a named tuple equal its own kind alone: to a plain one `-i eth0` is the same as `-o eth0`."""
    kind.__eq__ = _equal_by_kind  # type: ignore[method-assign]
    kind.__ne__ = _unequal_by_kind  # type: ignore[method-assign, assignment]
    return kind
