"""The pages that come with laneway, by the topic that `laneway help` knows each by."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from laneway.manual import roff
from laneway.manual.markdown import Code, Heading, Item, Paragraph, Table, blocks
from laneway.manual.text import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.manual.markdown import Block
    from laneway.manual.roff import About, Page

KINDS: Final = {"tutorial": "Tutorial", "howto": "How to", "reference": "Reference", "explanation": "Explanation"}
"""Directories of pages, and the heading that `laneway help` lists each of them under (https://diataxis.fr)."""

_WIDTH: Final = 71  # what man(1) leaves of 78 columns beside its indent


@dataclass(frozen=True, slots=True)
class Topic:
    """A page: what it is asked for by, its kind, and its text in Markdown."""

    name: str
    kind: str
    text: str

    @property
    def title(self) -> str:
        """Return its first line."""
        return self.text.partition("\n")[0].removeprefix("# ")


def topics() -> tuple[Topic, ...]:
    """Return all pages, in the order in which they are listed."""
    return tuple(_topics())


def _topics() -> Iterator[Topic]:
    root = files("laneway") / "pages"
    for kind in KINDS:
        for each in sorted((root / kind).iterdir(), key=lambda file: file.name):
            if each.name.endswith(".md"):
                yield Topic(each.name.removesuffix(".md"), kind, each.read_text(encoding="utf-8"))


def pages(about: About) -> Iterator[Page]:
    """Yield the manual page of each topic; that of policy files is laneway.toml(5), made of the schema."""
    for topic in topics():
        if topic.name != "policy":
            _, *body = blocks(topic.text)
            name = f"laneway-{topic.name}"
            first = () if isinstance(body[0], Heading) else (roff.heading("DESCRIPTION"),)
            parts = [roff.named(name, topic.title), *first, *map(_roff, body), roff.heading("SEE ALSO")]
            yield roff.page(name, 7, about, [*parts, roff.inline("laneway(8), laneway.toml(5)")])


def _roff(block: Block) -> str:
    match block:
        case Heading(level=2, text=text):
            return roff.heading(text.replace("`", "").upper())
        case Heading(text=text):
            return f".SS {text.replace('`', '')}"
        case Paragraph(text):
            return f".PP\n{roff.inline(text)}"
        case Item(depth, text):
            start, end = (".RS\n" * depth, "\n.RE" * depth)
            return f"{start}.IP \\(bu 2\n{roff.inline(text)}{end}"
        case Code(lines):
            return roff.verbatim(lines)
        case Table(rows):
            return roff.verbatim(tuple(table(rows, _WIDTH)))
