"""Steps as the input of iptables-restore: per xt_table one COMMIT, which the kernel takes whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.kernel.save_text import USER_CHAIN, jump_target, ours
from laneway.plan.steps import Op
from laneway.state.chain_text import MADE_CHAIN, PRIOR_CHAIN, PRIOR_TABLE, jump_text, prior_rule, rule_text
from laneway.state.prefix import IPV4

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from laneway.kernel.save_text import SavedTable
    from laneway.plan.steps import Step
    from laneway.state.chains import XtTable


class Line(NamedTuple):
    """A line for iptables-restore, and the step it is a part of."""

    text: str
    step: Step


def family_of(step: Step) -> int:
    """Return the address family whose iptables does `step`."""
    return IPV4 if step.kind == "priors" else step.key.family


def table_of(step: Step) -> XtTable:
    """Return the xt_table that `step` is about."""
    return PRIOR_TABLE if step.kind == "priors" else step.key.table


def depends_on_present(step: Step) -> bool:
    """Return whether what `step` writes depends on what is there: others' positions, copies, an operator's chain."""
    return step.kind == "priors" or (step.kind == "jumps" and step.op != Op.CREATE) or _makes_user_chain(step)


def restore_input(
    steps: Sequence[Step], present: Mapping[str, SavedTable], *, sign_new_tables: bool = False
) -> list[Line]:
    """Return the lines that do `steps`, all of one family, with the xt_tables in the order of their first step.

    `present` is what the family's xt_tables hold; it may be empty when no step depends on it. With `sign_new_tables`
    those that are not in it get a chain that says who made them.
    """
    lines: list[Line] = []
    for table in dict.fromkeys(map(table_of, steps)):
        part = [step for step in steps if table_of(step) == table]
        lines.append(Line(f"*{table}", part[0]))
        if sign_new_tables and table not in present and any(step.op == Op.CREATE for step in part):
            lines.append(Line(f":{MADE_CHAIN} - [0:0]", part[0]))
        # The sign goes with its table, which is not for iptables-restore to delete.
        lines += _table_lines([step for step in part if not (sign_new_tables and _is_sign(step))], present)
        lines.append(Line("COMMIT", part[0]))
    return lines


def _table_lines(steps: Sequence[Step], present: Mapping[str, SavedTable]) -> Iterator[Line]:
    """Yield first what others lead to, and last what nothing leads to any more."""
    chains = [step for step in steps if step.kind == "chains"]
    written = [step for step in chains if step.op != Op.DELETE and step.key.name != USER_CHAIN]
    deleted = [step for step in chains if step.op == Op.DELETE]
    yield from _user_chain(chains, present)
    yield from (Line(f":{step.key.name} - [0:0]", step) for step in written)
    for step in written:
        for rule in step.new:
            yield Line(f"-A {step.key.name} {rule_text(rule, family=step.key.family)}", step)
    yield from _prior_lines([step for step in steps if step.kind == "priors"], present)
    for step in steps:
        if step.kind == "jumps":
            yield from _jump_lines(step, present)
    # The operator's chain is not emptied: with a rule in it, it refuses to go.
    yield from (Line(f"-F {step.key.name}", step) for step in deleted if step.key.name != USER_CHAIN)
    yield from (Line(f"-X {step.key.name}", step) for step in deleted)


def _is_sign(step: Step) -> bool:
    return step.kind == "chains" and step.key.name == MADE_CHAIN


def _makes_user_chain(step: Step) -> bool:
    return step.kind == "chains" and step.op == Op.CREATE and step.key.name == USER_CHAIN


def _user_chain(chains: Sequence[Step], present: Mapping[str, SavedTable]) -> Iterator[Line]:
    for step in filter(_makes_user_chain, chains):
        table = present.get(step.key.table)
        if table is None or USER_CHAIN not in table.policies:
            yield Line(f"-N {USER_CHAIN}", step)


def _jump_lines(step: Step, present: Mapping[str, SavedTable]) -> Iterator[Line]:
    """Yield what takes every old copy of the jump away and puts the new one first, in one COMMIT."""
    key = step.key
    if step.op != Op.CREATE and key.table in present:
        for rule in present[key.table].rules.get(key.base, ()):
            if jump_target(rule) == key.chain:
                yield Line(f"-D {key.base} {rule}", step)
    if step.op != Op.DELETE:
        yield Line(f"-I {key.base} 1 {jump_text(key, step.new, family=key.family)}", step)


def _prior_lines(steps: Sequence[Step], present: Mapping[str, SavedTable]) -> Iterator[Line]:
    """Yield the chain of priors anew, with what `steps` change in it."""
    if not steps:
        return
    before = ours({IPV4: present}).priors
    priors = dict(before)
    for step in steps:
        if step.op == Op.DELETE:
            priors.pop(step.key, None)
        else:
            priors[step.key] = step.new
    last = steps[-1]
    if priors or before:
        yield Line(f":{PRIOR_CHAIN} - [0:0]", last)
    for key in sorted(priors):
        yield Line(f"-A {PRIOR_CHAIN} {rule_text(prior_rule(key, priors[key]), family=IPV4)}", last)
    if before and not priors:
        yield Line(f"-X {PRIOR_CHAIN}", last)
