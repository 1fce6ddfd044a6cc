"""Allowed crossings as brackets left of the tenants, each on a track of its own so that none hides another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from laneway.map.geometry import Box, Label, Line, fit, text_width, wire
from laneway.map.parts import Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from laneway.map.subject import CrossingView, Subject

TRACK: Final = 14
WIDEST_TEXT: Final = 190

Ends = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Span:
    """A crossing with the boxes of who may and of whom it reaches."""

    crossing: CrossingView
    start: Box
    end: Box


def text_room(drawn: Subject) -> int:
    """Return the width of the longest text at an arrow."""
    widths = [text_width(each.text, "small") for each in drawn.crossings]
    return min(max(widths, default=0), WIDEST_TEXT)


def room_beside(drawn: Subject) -> int:
    """Return how much the crossings take left of the tenants."""
    if not drawn.crossings:
        return TRACK
    return TRACK * (len(drawn.crossings) + 1) + text_room(drawn) + 2 * TRACK


def ends_of(drawn: Subject) -> Ends:
    """Return by tenant the crossings that begin or end at it, from top to bottom so that the fewest lines cross."""
    order = {tenant.name: at for at, tenant in enumerate(drawn.tenants)}
    ends: dict[str, list[tuple[int, int, int, str]]] = {}
    for at, each in enumerate(drawn.crossings):
        for here, there in ((each.tenant, each.other), (each.other, each.tenant)):
            away = order[there] - order[here]
            # Upwards the near ones first, downwards the far ones: the long brackets go around the short.
            rank = (0, -away, at) if away < 0 else (1, -away, -at)
            ends.setdefault(here, []).append((*rank, each.id))
    return {name: [key for *_, key in sorted(found)] for name, found in ends.items()}


def brackets(spans: Sequence[Span], ends: Mapping[str, Sequence[str]], left: int) -> Iterator[Part]:
    """Yield the crossings; `left` is the x of the outermost track."""
    order = sorted(spans, key=lambda each: (-abs(each.end.y - each.start.y), each.crossing.id))
    room = min(max((text_width(each.crossing.text, "small") for each in spans), default=0), WIDEST_TEXT)
    for at, span in enumerate(order):
        crossing = span.crossing
        start = _end(span.start, ends[crossing.tenant], crossing.id)
        stop = _end(span.end, ends[crossing.other], crossing.id)
        x, tip = left + TRACK * at, span.end.x - 3
        path = wire([(span.start.x, start), (x, start), (x, stop), (tip, stop)])
        arrow = f"M{tip - 7} {stop - 5}L{tip} {stop}L{tip - 7} {stop + 5}"
        text = Label(span.end.x - TRACK - room, stop - 5, fit(crossing.text, room, "small"), "small hue")
        yield Part(crossing.id, "crossing", (Line(path, "way"), Line(arrow, "way tip"), text))


def _end(box: Box, ends: Sequence[str], key: str) -> int:
    """Return the y at which a crossing meets a tenant's box."""
    return box.y + box.height * (ends.index(key) + 1) // (len(ends) + 1)
