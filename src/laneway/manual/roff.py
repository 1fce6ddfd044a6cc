"""Text as man(7) has it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_WIDTH = 78
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Page:
    """A manual page."""

    name: str
    section: int
    text: str

    @property
    def file(self) -> str:
        """Return where it is below a directory of manual pages."""
        return f"man{self.section}/{self.name}.{self.section}"


@dataclass(frozen=True, slots=True)
class About:
    """What stands at the head and the foot of every page."""

    version: str
    date: str  # as YYYY-MM-DD


def page(name: str, section: int, about: About, parts: Iterable[str]) -> Page:
    """Return a page of these parts."""
    head = f'.TH {name.upper()} {section} {about.date} "laneway {about.version}" "laneway"'
    return Page(name, section, "\n".join([head, *parts]) + "\n")


def heading(title: str) -> str:
    """Return the head of a section."""
    return f".SH {title}"


def named(name: str, summary: str) -> str:
    """Return the section that apropos(1) reads."""
    return f"{heading('NAME')}\n{_escaped(name)} \\- {inline(summary.rstrip('.'))}"


def paragraphs(text: str) -> str:
    """Return plain text, paragraphs of which are apart by an empty line."""
    return "\n.PP\n".join(inline(" ".join(part.split())) for part in text.strip().split("\n\n"))


def entry(term: str, text: str) -> str:
    """Return a term and what it means."""
    return f".TP\n\\fB{_escaped(term)}\\fR\n{inline(text)}"


def verbatim(lines: Iterable[str]) -> str:
    """Return lines that are shown as they are."""
    shown = (_guarded(_escaped(each)) for each in lines)
    return "\n".join([".PP", ".EX", *shown, ".EE"])


def inline(text: str) -> str:
    """Return text in which what stands in backticks is bold, in lines of a length that editors like."""
    bold = _CODE.sub(lambda found: f"\\fB{found[1]}\\fR", _escaped(text))
    return "\n".join(map(_guarded, wrap(bold, _WIDTH, break_long_words=False, break_on_hyphens=False)))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\e").replace("-", "\\-")


def _guarded(line: str) -> str:
    """Return a line that is no request, though it begins with a dot or a quote."""
    return f"\\&{line}" if line.startswith((".", "'")) else line
