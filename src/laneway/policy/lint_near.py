"""Which classes a class is compared with: those that could share a port with it, and never more than some hundreds."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from laneway.policy.lint_boxes import Box

LOOKED_AT = 256
"""Things of one kind that one thing is compared with: comparing each with each, thousands of classes took minutes."""

FEW = 64
"""Ports that are looked up one by one; who matches more is compared with whatever stands near."""


class Index:
    """The classes of a tenant by the ports that they match, in their order."""

    def __init__(self, boxes: Sequence[Mapping[int, Box]]) -> None:
        """Enter them all."""
        self._wide: dict[int, list[int]] = {4: [], 6: []}
        self._all: dict[int, list[int]] = {4: [], 6: []}
        self._by_port: dict[tuple[int, int], list[int]] = {}
        for number, families in enumerate(boxes):
            for family, each in families.items():
                self._all[family].append(number)
                ports = _few_ports(each)
                if ports is None:
                    self._wide[family].append(number)
                for port in ports or ():
                    self._by_port.setdefault((family, port), []).append(number)

    def near(self, family: int, target: Box, *, before: int | None = None, after: int | None = None) -> list[int]:
        """Return classes that may share packets with this one, in order: the first before it, or after."""
        ports = _few_ports(target)
        lists = [self._all[family]]
        if ports is not None:
            lists = [self._wide[family], *(self._by_port.get((family, port), []) for port in ports)]
        found = dict.fromkeys(merge(*(_part(each, before, after) for each in lists)))
        return list(islice(found, LOOKED_AT))


def _part(numbers: Sequence[int], before: int | None, after: int | None) -> Iterator[int]:
    start = 0 if after is None else bisect_right(numbers, after)
    end = len(numbers) if before is None else bisect_left(numbers, before)
    return iter(numbers[start : min(end, start + LOOKED_AT)])


def _few_ports(one: Box) -> list[int] | None:
    """Return the ports of a box, None for many."""
    if sum(last - first + 1 for first, last in one.spans[0]) > FEW:
        return None
    return [port for first, last in one.spans[0] for port in range(first, last + 1)]
