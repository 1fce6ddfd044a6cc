"""One comparison for every kind of kernel object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Delta(Generic[K, V]):
    """What must be made, changed and taken away."""

    create: Mapping[K, V]
    replace: Mapping[K, tuple[V, V]]  # (observed, desired)
    delete: Mapping[K, V]


def diff(desired: Mapping[K, V], observed: Mapping[K, V]) -> Delta[K, V]:
    """Return what must change so that `observed`, already limited to our own objects, becomes `desired`."""
    if desired == observed:  # the common case, compared in C
        return Delta({}, {}, {})
    return Delta(
        create={key: value for key, value in desired.items() if key not in observed},
        replace={k: (observed[k], v) for k, v in desired.items() if k in observed and observed[k] != v},
        delete={key: value for key, value in observed.items() if key not in desired},
    )
