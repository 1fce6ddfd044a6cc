"""Lines of a file as a terminal shows them: nothing in them can move its cursor, and carets stand where they should.

Columns of a file count characters; columns of a terminal count cells, of which an East Asian wide character takes two
and a combining one none (Unicode Standard Annex #11).
"""

from __future__ import annotations

import unicodedata

from laneway.state.visible import cell

TAB = "    "
WIDEST = 160
"""A line longer than this many characters is shown in part, around what is wrong with it."""

LEAD = 40
"""Characters shown before the column in question of a line shown in part."""


def shown_line(number: int, text: str, column: int) -> str:
    """Return a line of a file with its number before it."""
    start, end = _window(text, column)
    before = "…" if start else ""
    after = "…" if end < len(text) else ""
    return f"{number:>4} | {before}{_shown(text[start:end])}{after}".rstrip()


def caret_line(number: int, text: str, column: int, length: int) -> str:
    """Return the carets below `shown_line`; of a quoted string they mark what is between the quotes."""
    start, end = _window(text, column)
    first = column - 1
    last = first + max(length, 1)
    value = text[first:last]
    if len(value) > 2 and value[0] == value[-1] and value[0] in "\"'":  # noqa: PLR2004  the quotes and something between
        first, last = first + 1, last - 1
    margin = " " * max(len(str(number)), 4)
    indent = bool(start) + _width(_shown(text[start:first]))
    marked = _width(_shown(text[first : min(last, end)]))
    return f"{margin} | {' ' * indent}{'^' * max(marked, 1)}"


def _window(text: str, column: int) -> tuple[int, int]:
    """Return the part of a line that is shown."""
    if len(text) <= WIDEST:
        return 0, len(text)
    start = max(0, min(column - 1 - LEAD, len(text) - WIDEST))
    return start, start + WIDEST


def _shown(text: str) -> str:
    return "".join(TAB if each == "\t" else cell(each) for each in text)


def _width(text: str) -> int:
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
