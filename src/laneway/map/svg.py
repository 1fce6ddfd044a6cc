"""The drawing as SVG, with its colours for light and dark inside."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, assert_never

from laneway.map.details import details
from laneway.map.escape import escaped
from laneway.map.geometry import Dot, Frame, Label, Line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from laneway.map.details import Detail
    from laneway.map.geometry import Figure
    from laneway.map.parts import Layout, Part
    from laneway.map.subject import Subject


def svg(drawn: Subject, placed: Layout) -> str:
    """Return the drawing; what is told of each part stands in its `<title>`, which viewers show on hover."""
    told = details(drawn, placed)
    return "\n".join([*opening(drawn, placed, role="img"), *body(placed, told, live=False), "</svg>"])


def opening(drawn: Subject, placed: Layout, *, role: str) -> Iterator[str]:
    """Yield the element's beginning, its name for who cannot see it, and its style."""
    size = f'viewBox="0 0 {placed.width} {placed.height}" width="{placed.width}" height="{placed.height}"'
    named = f'role="{role}" aria-labelledby="map-title map-about"'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" class="laneway" {size} {named}>'
    yield f'<title id="map-title">{escaped(drawn.title)}</title>'
    yield f'<desc id="map-about">{escaped(about(drawn))}</desc>'
    yield f"<style>{style('style.css')}</style>"


def style(name: str) -> str:
    """Return a file of this package's, which has no `<` or `&` that would need escaping in XML."""
    return "\n" + files(__package__).joinpath(name).read_text(encoding="utf-8")


def about(drawn: Subject) -> str:
    """Return the drawing in a sentence."""
    workloads = sum(len(each.workloads) for each in drawn.tenants)
    lanes = sum(len(each.lanes) for each in drawn.tenants)
    uplinks = ", ".join(each.name for each in drawn.uplinks) or "no uplink"
    return f"{len(drawn.tenants)} tenants with {workloads} workloads leave by {uplinks}, in {lanes} lanes."


def body(placed: Layout, told: Mapping[str, Detail], *, live: bool) -> Iterator[str]:
    """Yield the figures; `live` ones can be focused, and a script tells of them in place of the viewer."""
    classes = " ".join(filter(None, ["map", "dense" if placed.dense else "", "asked" if placed.lit else ""]))
    yield f'<g class="{classes}">'
    yield from map(_figure, placed.scenery)
    for part in placed.parts:
        yield from _part(part, told[part.id], lit=part.id in placed.lit, live=live)
    yield "</g>"


def _part(part: Part, detail: Detail, *, lit: bool, live: bool) -> Iterator[str]:
    classes = " ".join(filter(None, ["part", part.kind, part.style, "lit" if lit else ""]))
    access = f' tabindex="-1" role="button" aria-label="{escaped(detail.title)}"' if live else ""
    yield f'<g id="{part.id}" class="{classes}"{access}>'
    if not live:
        yield f"<title>{escaped(detail.text)}</title>"
    yield from map(_figure, part.figures)
    yield "</g>"


def _figure(figure: Figure) -> str:
    match figure:
        case Frame(box, look, radius):
            size = f'x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="{radius}"'
            return f'<rect class="{look}" {size}/>'
        case Label(x, y, text, look):
            return f'<text class="{look}" x="{x}" y="{y}">{escaped(text)}</text>'
        case Line(path, look):
            return f'<path class="{look}" d="{path}"/>'
        case Dot(x, y, radius, look):
            return f'<circle class="{look}" cx="{x}" cy="{y}" r="{radius}"/>'
        case _:
            assert_never(figure)
