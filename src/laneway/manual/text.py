"""Pages as lines for a terminal."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Final, NamedTuple

from laneway.manual.markdown import Code, Heading, Item, Paragraph, Table, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from laneway.manual.markdown import Block

WIDEST: Final = 100
"""Columns of a paragraph at most: longer lines are hard to read."""

_GAP: Final = 2
_NARROWEST: Final = 24
"""Columns that the last cell of a table is wrapped to at least."""


class Line(NamedTuple):
    """A line, and whether it is a heading."""

    text: str
    is_heading: bool = False


def lines(page: str, *, columns: int) -> Iterator[Line]:
    """Yield the page for a terminal of so many columns."""
    width = min(columns, WIDEST)
    before: Block | None = None
    for block in blocks(page):
        if before is not None and not (isinstance(before, Item) and isinstance(block, Item)):
            yield Line("")
        yield from _lines(block, width)
        before = block


def _lines(block: Block, width: int) -> Iterator[Line]:
    match block:
        case Heading(text=text):
            yield Line(text, is_heading=True)
        case Paragraph(text):
            yield from map(Line, _wrapped(text, width))
        case Item(depth, text):
            indent = "  " * depth
            first, *rest = _wrapped(text, width - len(indent) - 2)
            yield Line(f"{indent}* {first}")
            yield from (Line(f"{indent}  {each}") for each in rest)
        case Code(shown):
            yield from (Line(f"    {each}".rstrip()) for each in shown)
        case Table(rows):
            yield from map(Line, table(rows, width))


def table(rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Yield a table as lines: in columns, the last of them wrapped; without room for that, a point for each row."""
    head, *body = rows
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    last = width - sum(each + _GAP for each in widths[:-1])
    if last < min(_NARROWEST, widths[-1]):
        for row in body:
            yield from _point(head, row, width)
        return
    for row in (
        (head, [*("-" * each for each in widths[:-1]), "-" * min(widths[-1], last)], *body) if any(head) else body
    ):
        *cells, text = row
        start = "".join(f"{cell:{size + _GAP}}" for cell, size in zip(cells, widths, strict=False))
        for at, each in enumerate(_wrapped(text, last) or [""]):
            yield f"{' ' * len(start) if at else start}{each}".rstrip()


def _point(head: Sequence[str], row: Sequence[str], width: int) -> Iterator[str]:
    facts = (f"{name}: {cell}" if name else cell for name, cell in zip(head[1:], row[1:], strict=True) if cell)
    first, *rest = _wrapped(f"{row[0]}  {'; '.join(facts)}", width - 2)
    yield f"* {first}"
    yield from (f"  {each}" for each in rest)


def _wrapped(text: str, width: int) -> list[str]:
    return wrap(text, width, break_long_words=False, break_on_hyphens=False)
