"""Which known flows a plan makes homeless: their conntrack entries are deleted, and nobody else's.

A flow keeps the lane and the translation it began with, so what changed in a set entry, a class or a source address
reaches it only when its entry goes. Flows in the crossing lane stay: its mark is everybody's, and its table leads to
tenants' prefixes or nowhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.compile.names import CLASS_OF, OWN_SNAT, SNAT
from laneway.plan.steps import Op
from laneway.state.chains import ChainRule, Mark
from laneway.state.routing import RuleAction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from laneway.lanes.field import MarkField
    from laneway.plan.steps import Step
    from laneway.state.chains import Chain
    from laneway.state.host import HostState
    from laneway.state.marks import FwMark


def moved_flows(steps: Sequence[Step], observed: HostState, field: MarkField) -> tuple[FwMark, ...]:
    """Return, sorted, the marks whose conntrack entries no longer say the truth once `steps` are done.

    `observed` is the host before them: a lane that was not there has no flows to move.
    """
    marks = {*_of_entries(steps), *_of_lanes(steps), *_of_classes(steps, field), *_of_sources(steps)}
    lived = [rule.mark for rule in observed.fib_rules if rule.action == RuleAction.LOOKUP and rule.mark is not None]
    return tuple(
        sorted(
            mark
            for mark in marks
            if mark != field.crossing and any(lane.value & mark.mask == mark.value for lane in lived)
        )
    )


def _of_entries(steps: Iterable[Step]) -> Iterator[FwMark]:
    for step in steps:
        if step.kind == "entries" and step.op != Op.CREATE and step.old is not None:
            yield step.old


def _of_lanes(steps: Iterable[Step]) -> Iterator[FwMark]:
    for step in steps:
        if step.kind == "fib_rules" and step.op == Op.DELETE and step.key.action == RuleAction.LOOKUP:
            yield step.key.mark


def _of_classes(steps: Iterable[Step], field: MarkField) -> Iterator[FwMark]:
    """Yield every lane of a tenant whose classes changed: any may hold what a class now takes, or has let go."""
    for step in steps:
        if step.kind == "chains" and step.key.name.startswith(CLASS_OF):
            yield field.by_owner(int(step.key.name.rpartition(".")[2]))


def _of_sources(steps: Iterable[Step]) -> Iterator[FwMark]:
    """Yield the lanes whose source address changed; a rule that only moved to another chain of the tree did not."""
    changed: set[tuple[int, ChainRule]] = set()
    for step in steps:
        if step.kind == "chains" and step.key.name.startswith((SNAT, OWN_SNAT)):
            changed ^= {(step.key.family, rule) for rule in _rules(step.old)}
            changed ^= {(step.key.family, rule) for rule in _rules(step.new)}
    for _, rule in changed:
        yield from (match.mark for match in rule.matches if isinstance(match, Mark) and match.mark.value)


def _rules(chain: Chain | None) -> Iterator[ChainRule]:
    return (rule for rule in chain or () if isinstance(rule, ChainRule) and rule.comment.endswith(":snat"))
