"""`laneway help`: the pages that come with laneway, readable without a network."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from laneway.cli import output
from laneway.cli.app import VERBS, command_line, finish
from laneway.errors import Exit, UsageError

if TYPE_CHECKING:
    from typer import Typer

    from laneway.cli.output import Painted


def register(app: "Typer") -> None:
    """Add the verb to the application."""
    import typer

    @app.command(name="help", short_help="List the pages of the manual, or show one.")
    def show(
        topic: Annotated[
            str | None,
            typer.Argument(metavar="[TOPIC]", help="A page, or a command.", autocompletion=_offered),
        ] = None,
    ) -> None:
        """List the pages of the manual, or show one: of a topic, or the help of a command."""
        finish(lambda: run(topic))


def _offered(incomplete: str) -> list[str]:
    from laneway.manual.topics import topics

    return [each for each in (*(topic.name for topic in topics()), *VERBS) if each.startswith(incomplete)]


def run(asked: str | None) -> int:
    """Print the page that is asked for, or which pages there are; raises UsageError for one that is not there."""
    if asked in VERBS:
        return command_line([str(asked), "--help"])
    for text in _listed() if asked is None else _page(asked):
        output.data(text)
    return Exit.DONE


def _listed() -> Iterator["str | Painted"]:
    from laneway.manual.topics import KINDS, topics

    found = topics()
    width = max(len(each.name) for each in found)
    for kind, heading in KINDS.items():
        yield output.Painted(heading, output.BOLD)
        yield from (f"  {each.name:{width}}  {each.title}" for each in found if each.kind == kind)
        yield ""
    yield "`laneway help TOPIC` shows a page, `laneway help COMMAND` the help of a command."


def _page(asked: str) -> Iterator["str | Painted"]:
    from difflib import get_close_matches
    from shutil import get_terminal_size

    from laneway.manual.text import lines
    from laneway.manual.topics import topics

    found = {each.name: each for each in topics()}
    if asked not in found:
        near = get_close_matches(asked, [*found, *VERBS], n=1)
        hint = f"did you mean {near[0]}?" if near else "`laneway help` lists the topics"
        raise UsageError(f"there is no page on {asked}", hint)
    for line in lines(found[asked].text, columns=get_terminal_size().columns):
        yield output.Painted(line.text, output.BOLD) if line.is_heading else line.text
