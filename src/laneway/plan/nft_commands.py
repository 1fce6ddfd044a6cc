"""Steps on the native table of nftables as the commands an operator would type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.plan.rule_commands import here_document
from laneway.plan.steps import Op
from laneway.state.nft import TABLE
from laneway.state.nft_text import chain_lines, element_lines, table_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.plan.steps import Step
    from laneway.state.nft import NftTable


def table_command(step: Step) -> str:
    """Return what makes, changes or deletes the table; what changes keeps what is in its sets."""
    if step.op == Op.DELETE:
        return f"nft delete table inet {TABLE}"
    return here_document("nft -f -", "".join(f"{line}\n" for line in _lines(step)))


def _lines(step: Step) -> Iterator[str]:
    if step.op == Op.REPLACE and step.old.sets == step.new.sets:
        yield from _changes(step.old, step.new)
        return
    if step.op == Op.REPLACE:
        yield f"delete table inet {TABLE}"
    yield from table_lines(step.new)


def _changes(old: NftTable, new: NftTable) -> Iterator[str]:
    yield f"flush table inet {TABLE}"
    kept = {each.name: each[2:] for each in new.chains}
    for chain in old.chains:
        if kept.get(chain.name) != chain[2:]:
            yield f"delete chain inet {TABLE} {chain.name}"
    yield f"table inet {TABLE} {{"
    for chain in new.chains:
        yield from (f"    {line}" for line in chain_lines(chain))
    yield "}"


def element_command(step: Step) -> str:
    """Return what adds an element to a set of the table, or deletes it."""
    verb = "delete" if step.op == Op.DELETE else "add"
    return f"nft '{next(element_lines([step.key], verb=verb))}'"
