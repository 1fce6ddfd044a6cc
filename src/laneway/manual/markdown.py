"""The part of Markdown that laneway's pages are written in, read into blocks.

Headings, paragraphs, lists, fenced code and tables: what a page needs, so that it reads well on a code host, in a
terminal and as a manual page. A picture is left out of the latter two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ITEM: Final = re.compile(r"( *)(?:\*|-|[0-9]+\.) +(.*)")
_LINK: Final = re.compile(r"\[([^]]+)\]\([^)]*\)")
_STEP: Final = 4
"""Columns that an inner list is indented by."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A title; level 1 is the page's own."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Text that is wrapped where it is shown."""

    text: str


@dataclass(frozen=True, slots=True)
class Item:
    """A point of a list; an inner list has depth 1."""

    depth: int
    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """Lines that are shown as they are."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, the first of them the head."""

    rows: tuple[tuple[str, ...], ...]


Block = Heading | Paragraph | Item | Code | Table


def blocks(text: str) -> Iterator[Block]:
    """Yield the blocks of a page."""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        line = lines[at]
        end = _end(lines, at)
        if line.startswith("```"):
            yield Code(tuple(lines[at + 1 : end - 1]))
        elif line.startswith("|"):
            yield Table(tuple(_cells(each) for each in lines[at:end] if not each.startswith("|---")))
        elif line.startswith("#"):
            marks, _, title = line.partition(" ")
            yield Heading(len(marks), _plain(title))
        elif line and not line.startswith("!["):
            words = " ".join(each.strip() for each in lines[at:end])
            found = _ITEM.fullmatch(line)
            if found is None:
                yield Paragraph(_plain(words))
            else:
                yield Item(len(found[1]) // _STEP, _plain(words[len(line.strip()) - len(found[2]) :]))
        at = end


def _end(lines: Sequence[str], start: int) -> int:
    """Return the number of the line after the block that begins at `start`."""
    first = lines[start]
    if first.startswith("```"):
        return next((n + 1 for n in range(start + 1, len(lines)) if lines[n] == "```"), len(lines))
    end = start + 1
    if first.startswith("|"):
        while end < len(lines) and lines[end].startswith("|"):
            end += 1
    elif first and not first.startswith("#"):
        while end < len(lines) and lines[end] and not _ITEM.fullmatch(lines[end]) and not lines[end].startswith("```"):
            end += 1
    return end


def _cells(row: str) -> tuple[str, ...]:
    return tuple(_plain(each.replace("\\|", "|").strip()) for each in re.split(r"(?<!\\)\|", row.strip()[1:-1]))


def _plain(text: str) -> str:
    """Return text whose links and bold words are words alone; code keeps its backticks."""
    parts = text.split("`")
    parts[::2] = (_LINK.sub(r"\1", each).replace("**", "") for each in parts[::2])
    return "`".join(parts)
