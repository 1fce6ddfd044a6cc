"""The ladder: FIB rules that find a packet's lane in a few steps, however many lanes there are.

The kernel walks its rules as a list, but a rule may `goto` a later priority (ip-rule(8), net/core/fib_rules.c). So the
lane number is taken apart into digits, most significant first, and every digit has a block of rules: gotos to the
blocks of the next digit, in the last block lookups of the lanes' tables. A block's priority is a function of its
digits alone: a new tenant adds rules and moves none.

Digit 0 needs care: a request to delete a rule cannot say "mark 0", which the kernel takes for any mark, and the
first rule it finds at that priority for the one meant (net/core/fib_rules.c, rule_find). So the rule for digit 0
differs from its neighbours in the mask, which then covers the digit alone; in the first block, where that is no
difference, it has a priority to itself. It cannot have one in the others: a goto needs a rule at its very target.

A block ends in `unreachable` for whatever is marked, so that a marked packet never reaches main. The rule is
written as `not fwmark 0/M`: whatever becomes of the rules around it, it cannot trap a packet that is not ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.errors import Conflict
from laneway.lanes.field import HOST_OWNER, NO_UPLINK
from laneway.state.marks import FwMark
from laneway.state.prefix import FAMILIES
from laneway.state.routing import FibRule, RuleAction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.compile.scene import Scene
    from laneway.lanes.field import MarkField
    from laneway.state.host import HostState

DIGIT_BITS = 3
"""Eight rules a block: with wider blocks the list in each is longer, with narrower ones there are more of them."""

LEAF_OWNER_BITS = 2
"""Lanes of four owners share a leaf block."""

_STRIDE = 2
"""Priorities of a block: its rules, and its end."""

_FIXED = 6
"""Priorities besides the blocks': three at the head, three at the end."""


class Ladder(NamedTuple):
    """Where every block of the ladder stands."""

    field: MarkField
    first: int  # the first priority that is laneway's
    last: int

    def digits(self) -> list[int]:
        """Return the bits of each digit, most significant first; the last is the leaf block's."""
        leaf = min(self.field.uplink_bits + LEAF_OWNER_BITS, self.field.width)
        above = self.field.width - leaf
        upper = [DIGIT_BITS] * (above // DIGIT_BITS)
        if above % DIGIT_BITS:
            upper.insert(0, above % DIGIT_BITS)
        return [*upper, leaf]

    def needed(self) -> int:
        """Return how many priorities the ladder takes."""
        return _FIXED + _STRIDE * sum(1 << bits for bits in self._bits_above())

    def _bits_above(self) -> list[int]:
        digits = self.digits()
        return [sum(digits[:level]) for level in range(len(digits))]

    def blocks(self, lane: int) -> Iterator[tuple[int, FwMark]]:
        """Yield the blocks on the way to `lane`: each one's priority, and the mark its packets have in common."""
        done = 0
        for above in self._bits_above():
            head = lane >> (self.field.width - above)
            low = self.field.shift + self.field.width - above
            mask = self.field.mask >> low << low
            yield self.first + 3 + _STRIDE * (done + head), FwMark(head << low, mask)
            done += 1 << above

    @property
    def host_block(self) -> int:
        """Return the priority of the block of the host's own lanes."""
        return self.last - 2


def climb(scene: Scene, state: HostState) -> None:
    """Add the ladder, for both families, to `state`.

    Raises Conflict when host.priorities has too little room for the mark field.
    """
    first, last = scene.policy.host.priorities
    ladder = Ladder(scene.lanes.field, first, last)
    if ladder.needed() > last - first + 1:
        message = f"host.priorities {first}-{last}: {ladder.needed()} priorities are needed for this mark field"
        raise Conflict(message, "give host.priorities more room, or host.marks fewer bits")
    for family in FAMILIES:
        for rule in _rules(scene, ladder, family):
            state.fib_rules[rule] = None


def _rules(scene: Scene, ladder: Ladder, family: int) -> Iterator[FibRule]:
    field = scene.lanes.field
    yield FibRule(family, ladder.last, RuleAction.NOP)
    yield FibRule(family, ladder.first, RuleAction.GOTO, field.unmarked, ladder.last)
    yield from _host_rules(scene, ladder, family)
    leaf_bits = ladder.digits()[-1]
    leaves: dict[int, int] = {}  # priorities of leaf blocks, by what their lanes' numbers have in common
    for mark, action, table in _answers(scene):
        common = mark.value >> field.shift >> leaf_bits
        if common not in leaves:
            yield from _rungs(ladder, family, mark)
            leaves[common] = _leaf(ladder, mark)
        yield FibRule(family, leaves[common], action, mark, table)


def _answers(scene: Scene) -> Iterator[tuple[FwMark, RuleAction, int]]:
    """Yield what is to become of every mark: an action and, to look up, a table."""
    for resident in scene.residents:
        for lane in resident.lanes:
            yield lane.mark, RuleAction.LOOKUP, lane.table
        if any(each.action == "reject" for each in resident.tenant.classes):
            yield scene.lanes.field.mark(resident.owner, NO_UPLINK), RuleAction.PROHIBIT, 0


def _host_rules(scene: Scene, ladder: Ladder, family: int) -> Iterator[FibRule]:
    """Yield the host's own block: the crossing lane ends here, the host's answers may go on to main."""
    field, block = scene.lanes.field, ladder.host_block
    yield FibRule(family, block + 1, RuleAction.UNREACHABLE, field.crossing)
    yield FibRule(family, block, RuleAction.LOOKUP, field.crossing, scene.lanes.table(field.crossing))
    for way in scene.ways:
        mark = scene.lanes.host_mark(way.uplink.name)
        yield FibRule(family, block, RuleAction.LOOKUP, mark, scene.lanes.table(mark))
    yield FibRule(family, ladder.first + 1, RuleAction.GOTO, field.by_owner(HOST_OWNER), block)


def _rungs(ladder: Ladder, family: int, mark: FwMark) -> Iterator[FibRule]:
    field = ladder.field
    above, over = 0, FwMark(0, 0)
    for block, common in ladder.blocks(mark.value >> field.shift):
        yield FibRule(family, block + 1, RuleAction.UNREACHABLE, field.unmarked, inverted=True)
        if above:
            digit = FwMark(common.value & ~over.mask, common.mask & ~over.mask)
            if digit.value:
                yield FibRule(family, above, RuleAction.GOTO, common, block)
            else:
                yield FibRule(family, above if over.mask else above - 1, RuleAction.GOTO, digit, block)
        above, over = block, common


def _leaf(ladder: Ladder, mark: FwMark) -> int:
    *_, (block, _common) = ladder.blocks(mark.value >> ladder.field.shift)
    return block
