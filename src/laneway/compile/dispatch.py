"""Finding one tenant's rules among thousands: a tree of chains over the digits of a number.

The number is the owner in a packet's mark, or the destination port. A chain holds a few rules, or gotos by the next
two bits of the number to chains further down; digits that all entries share take no chain. The last goto asks nothing:
the rules at its end match for themselves. The gotos carry no comment, which would cost each packet a call. The tree is
a function of its entries alone, so the same policy gives the same chains, and one tenant more changes a chain or two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.lanes.field import MarkField
from laneway.state.chains import ChainRule, Jump, Mark, Match, Protocol, ToPorts
from laneway.state.marks import FwMark

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DIGIT_BITS = 2
"""With three there are fewer chains, but a tenth more rules on the way to one tenant of 4000."""

LEAF_RULES = 8
"""A chain with more rules than this is divided, if its numbers can be told apart."""


class Entry(NamedTuple):
    """Rules for the packets whose number is in an inclusive range; they must match for themselves as well."""

    first: int
    last: int
    rules: tuple[ChainRule, ...]


class ByOwner(NamedTuple):
    """Tells packets apart by the owner in their mark."""

    field: MarkField

    @property
    def width(self) -> int:
        """Return the number of bits of an owner number."""
        return self.field.width - self.field.uplink_bits

    def matches(self, value: int, below: int) -> tuple[Match, ...]:
        """Return what matches the owners whose bits above the lowest `below` are `value`."""
        low = below + self.field.uplink_bits + self.field.shift
        return (Mark(FwMark(value << low, self.field.mask >> low << low)),)


class ByPort(NamedTuple):
    """Tells packets of one protocol apart by their destination port."""

    protocol: int

    @property
    def width(self) -> int:
        """Return the number of bits of a port."""
        return 16

    def matches(self, value: int, below: int) -> tuple[Match, ...]:
        """Return what matches the ports whose bits above the lowest `below` are `value`."""
        return (Protocol(self.protocol), ToPorts(value << below, ((value + 1) << below) - 1))


def dispatch(root: str, entries: Sequence[Entry], by: ByOwner | ByPort) -> dict[str, tuple[ChainRule, ...]]:
    """Return the chains, the first of them `root`, that lead a packet to the rules of its number."""
    return dict(_grow(root, root, sorted(entries, key=lambda entry: entry[:2]), by, by.width))


def _grow(
    root: str, name: str, entries: Sequence[Entry], by: ByOwner | ByPort, undecided: int
) -> Iterator[tuple[str, tuple[ChainRule, ...]]]:
    if sum(len(entry.rules) for entry in entries) <= LEAF_RULES or undecided == 0:
        yield name, tuple(rule for entry in entries for rule in entry.rules)
        return
    below = (undecided - 1) // DIGIT_BITS * DIGIT_BITS
    groups = _groups(entries, below)
    if len(groups) == 1:
        yield from _grow(root, name, entries, by, below)
        return
    children = [(value, f"{root}.{by.width - below}.{value:x}", group) for value, group in sorted(groups.items())]
    *asked, (_, last, _) = children
    yield (
        name,
        (
            *(ChainRule(by.matches(value, below), Jump(child, goto=True)) for value, child, _ in asked),
            ChainRule((), Jump(last, goto=True)),
        ),
    )
    for _, child, group in children:
        yield from _grow(root, child, group, by, below)


def _groups(entries: Sequence[Entry], below: int) -> dict[int, list[Entry]]:
    groups: dict[int, list[Entry]] = {}
    for entry in entries:
        for value in range(entry.first >> below, (entry.last >> below) + 1):
            groups.setdefault(value, []).append(entry)
    return groups
