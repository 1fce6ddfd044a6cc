"""`laneway map`: the host drawn from its policy."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from laneway.cli import output
from laneway.cli.app import finish
from laneway.errors import Exit, UsageError

if TYPE_CHECKING:
    from typer import Typer

    from laneway.cli.explain import Asked
    from laneway.map.subject import Subject
    from laneway.map.way import Way


class Format(StrEnum):
    """What to draw with."""

    SVG = "svg"
    HTML = "html"
    MERMAID = "mermaid"


NOT_OF_THE_PACKET = {
    "policy": "--policy",
    "paths": "PATH",
    "live": "--live",
    "why": "--why-not",
    "full": "--full",
    "as_json": "--json",
}
"""Options of `laneway explain` that have no meaning here, by their parameters."""

ENDINGS = {".svg": Format.SVG, ".html": Format.HTML, ".htm": Format.HTML, ".mmd": Format.MERMAID}


def register(app: "Typer") -> None:
    """Add the verb to the application."""
    import typer

    @app.command(name="map", short_help="Draw the host that the policy describes: SVG, HTML, Mermaid.")
    def map_(
        paths: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="Files or directories.")] = None,
        *,
        form: Annotated[
            Format | None, typer.Option("--format", help="What to draw; by default what the file's name says, or svg.")
        ] = None,
        file: Annotated[
            Path | None, typer.Option("--output", "-o", help=f"Write to this file ({', '.join(ENDINGS)}).")
        ] = None,
        packet: Annotated[
            str | None,
            typer.Option(
                "--explain", metavar="OPTIONS", help='Light a packet\'s way: "--from acme/web --to host --icmp".'
            ),
        ] = None,
    ) -> None:
        """Draw the host that the policy describes: uplinks, lanes, tenants, workloads, published ports, crossings.

        No host is looked at. --explain takes the options of `laneway explain`.
        """
        asked = None if packet is None else asked_of(packet)
        finish(lambda: run(paths or [], form=form, file=file, asked=asked))


def asked_of(packet: str) -> "Asked":
    """Return the packet given by the options of `laneway explain`; what is wrong with them Typer tells."""
    import shlex

    import typer
    from typer.main import get_command

    from laneway.cli import explain

    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    explain.register(app)
    try:
        words = shlex.split(packet)
    except ValueError as error:
        raise typer.BadParameter(f"{packet}: {error}", param_hint="--explain") from error
    given = get_command(app).make_context("laneway map --explain", words).params
    if given["ipv4"] and given["ipv6"]:
        raise typer.BadParameter("-4 and -6 at once", param_hint="--explain")
    others = [each for each in NOT_OF_THE_PACKET if given[each]]
    if others:
        raise typer.BadParameter(f"{NOT_OF_THE_PACKET[others[0]]} is not about the packet", param_hint="--explain")
    family = 4 if given["ipv4"] else 6 if given["ipv6"] else None
    return explain.Asked(family=family, **{key: given[key] for key in explain.Asked._fields if key != "family"})


def run(paths: Sequence[str | Path], *, form: Format | None, file: Path | None, asked: "Asked | None" = None) -> Exit:
    """Draw the policy at `paths`."""
    chosen = form or form_of(file)
    text = _drawn(*_subject(paths, asked), form=chosen)
    if file is None:
        output.data(text)
    else:
        _write(file, text)
    return Exit.DONE


def form_of(file: Path | None) -> Format:
    """Return what a file's name says is to be drawn, SVG where it says nothing; raises UsageError on another ending."""
    ending = file.suffix if file else ""
    form = ENDINGS.get(ending.lower()) if ending else Format.SVG
    if form is None:
        message = f"{file}: no drawing has the ending {ending}"
        raise UsageError(message, f"known are {', '.join(ENDINGS)}; --format says what to draw, whatever the name")
    return form


def _drawn(drawn: "Subject", way: "Way | None", *, form: Format) -> str:
    from laneway.map.html import html
    from laneway.map.layout import layout
    from laneway.map.mermaid import mermaid
    from laneway.map.svg import svg

    if form is Format.MERMAID:
        return mermaid(drawn, way)
    placed = layout(drawn, way)
    if form is Format.HTML:
        return html(drawn, placed, way.title if way else drawn.title)
    return svg(drawn, placed)


def _subject(paths: Sequence[str | Path], asked: "Asked | None") -> "tuple[Subject, Way | None]":
    """Return what is to be drawn, with the packet's way on it."""
    from laneway.cli.asked import policy_asked_about
    from laneway.cli.explain import answer
    from laneway.cli.paths import is_named, policy_paths
    from laneway.explain.assume import assumed_host
    from laneway.explain.places import Places
    from laneway.map.subject import subject
    from laneway.map.way import with_way

    ground = assumed_host(policy_asked_about(paths))
    places, policy, lanes = Places(), ground.origins.policy, ground.origins.lanes
    title = " ".join(map(str, policy_paths(paths))) if is_named(paths) else "the policy of this host"
    drawn = subject(title, policy, lanes=lanes, state=ground.terrain.state, place_of=places.text)
    if asked is None:
        return drawn, None
    return with_way(drawn, answer(ground, asked, live=False), places)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}", "give -o a file that can be written") from error
    output.note(f"{file}: written")
