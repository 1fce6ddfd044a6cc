"""The pages of laneway(8) and of each of its commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from laneway.errors import EXIT_STATUS, Exit
from laneway.manual import roff

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from laneway.manual.roff import About, Page

FILES: Final = {
    "/etc/laneway": "Policy files, *.toml, when neither a path nor LANEWAY_POLICY is given.",
    "/var/lib/laneway": "The history: every policy that was in force, and a change that waits for its confirmation.",
    "/etc/iproute2/rt_tables.d/laneway.conf": "Names of the routing tables, which are the leases of their numbers.",
}

ENVIRONMENT: Final = {
    "LANEWAY_POLICY": "Where the policy is, when no path is given.",
    "LANEWAY_STATE_DIR": "Where the history is kept, instead of /var/lib/laneway.",
    "NO_COLOR": "Print without colours.",
}


@dataclass(frozen=True, slots=True)
class Command:
    """A command, as its `--help` has it."""

    words: tuple[str, ...]  # ("laneway", "service", "install")
    usage: str  # what follows the words: [OPTIONS] [PATH]...
    text: str
    options: tuple[tuple[str, str], ...]
    commands: tuple[Command, ...] = ()

    @property
    def summary(self) -> str:
        """Return its first sentence."""
        first = " ".join(self.text.partition("\n\n")[0].split())
        return first.partition(". ")[0].rstrip(".")


def pages(whole: Command, about: About) -> Iterator[Page]:
    """Yield the page of laneway, and one for each command."""
    yield roff.page("laneway", 8, about, _whole(whole))
    for each in whole.commands:
        others = [other for other in whole.commands if other is not each]
        yield roff.page("-".join(each.words), 8, about, _one(each, others))


def _whole(whole: Command) -> Iterator[str]:
    yield roff.named("laneway", whole.summary)
    yield from _synopsis(whole)
    yield from _description(whole)
    yield roff.heading("COMMANDS")
    for each in whole.commands:
        yield roff.entry(f"{'-'.join(each.words)}(8)", f"{each.summary}.")
    yield from _options(whole)
    yield roff.heading("EXIT STATUS")
    for code in Exit:
        yield roff.entry(str(int(code)), f"{EXIT_STATUS[code]}.")
    for title, rows in (("FILES", FILES), ("ENVIRONMENT", ENVIRONMENT)):
        yield roff.heading(title)
        yield from (roff.entry(*row) for row in rows.items())
    yield from _see_also([*("-".join(each.words) + "(8)" for each in whole.commands), "laneway.toml(5)"])


def _one(command: Command, others: Sequence[Command]) -> Iterator[str]:
    yield roff.named("-".join(command.words), command.summary)
    yield from _synopsis(*(command.commands or (command,)))
    yield from _description(command)
    for each in command.commands:
        yield f'.SS "{" ".join(each.words)}"'
        yield roff.paragraphs(each.text)
        yield from (roff.entry(*row) for row in each.options)
    if not command.commands:
        yield from _options(command)
    yield roff.heading("EXIT STATUS")
    yield roff.inline("As laneway(8) lists them.")
    yield from _see_also(["laneway(8)", *("-".join(each.words) + "(8)" for each in others), "laneway.toml(5)"])


def _synopsis(*commands: Command) -> Iterator[str]:
    yield roff.heading("SYNOPSIS")
    for number, each in enumerate(commands):
        if number:
            yield ".br"
        yield roff.inline(f"`{' '.join(each.words)}` {each.usage}")


def _description(command: Command) -> Iterator[str]:
    yield roff.heading("DESCRIPTION")
    yield roff.paragraphs(command.text)


def _options(command: Command) -> Iterator[str]:
    yield roff.heading("OPTIONS")
    yield from (roff.entry(*row) for row in command.options)


def _see_also(references: Sequence[str]) -> Iterator[str]:
    yield roff.heading("SEE ALSO")
    yield roff.inline(", ".join(references))
