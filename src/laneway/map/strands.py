"""The right half of the drawing, detailed and dense alike: lanes with their labels, and the uplinks they lead to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from laneway.map.geometry import Box, Dot, Frame, Label, Line, curve, fit, straight, text_width
from laneway.map.parts import Part, colour

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from laneway.map.geometry import Figure
    from laneway.map.subject import UplinkView

NECK: Final = 44  # from a tenant to its lanes' labels
REACH: Final = 190  # from there to the uplinks
GAP: Final = 10
PAD: Final = 10
LINE: Final = 16
HEAD: Final = 24
MOST_CARRIED: Final = 4  # lines below a label's first; the rest is counted
PLUG: Final = 14  # between two lanes where they meet an uplink
UPLINK_WIDTH: Final = 206
UPLINK_GAP: Final = 34
NARROWEST, WIDEST = 210, 350
UNUSED: Final = 1 << 30
"""Below everything: where an uplink would be that no lane leads to, so that it comes last."""


@dataclass(frozen=True, slots=True)
class Strand:
    """A line from a tenant, or from several, to an uplink; without an uplink it ends in a cross."""

    id: str
    kind: str
    uplink: str
    preferred: bool
    faint: str
    carries: tuple[str, ...]
    weight: str = ""  # a style: how thick

    @property
    def rows(self) -> tuple[str, ...]:
        """Return the lines below the first."""
        if len(self.carries) <= MOST_CARRIED:
            return self.carries
        shown = self.carries[: MOST_CARRIED - 1]
        return (*shown, f"and {len(self.carries) - len(shown)} more")

    @property
    def title(self) -> str:
        """Return the name in the label."""
        return self.uplink or "refused"

    @property
    def height(self) -> int:
        """Return how high the label is."""
        return HEAD + LINE * len(self.rows) + (4 if self.rows else 0)


def stack_height(strands: Sequence[Strand]) -> int:
    """Return how high the labels of one tenant are together."""
    return sum(each.height + GAP for each in strands) - GAP if strands else 0


def label_width(strands: Sequence[Strand]) -> int:
    """Return the width that all labels have."""
    needed = [_head_width(each) for each in strands]
    needed += [text_width(row, "small") + 2 * PAD for each in strands for row in each.rows]
    return min(max([NARROWEST, *needed]), WIDEST)


def _head_width(strand: Strand) -> int:
    return text_width(strand.title, "word") + text_width(strand.faint, "small") + 2 * PAD + 14


@dataclass(frozen=True, slots=True)
class Placed:
    """A strand with the place of its label."""

    strand: Strand
    start: int  # where it leaves its tenant
    label: Box


def place(strands: Sequence[Strand], *, start: int, top: int, width: int) -> Iterator[Placed]:
    """Yield each with its label, one below the other."""
    for strand in strands:
        yield Placed(strand, start, Box(start + NECK, top, width, strand.height))
        top += strand.height + GAP


def uplinks_and_strands(
    uplinks: Sequence[UplinkView], placed: Sequence[Placed], *, x: int, top: int, level: bool = True
) -> tuple[list[Part], list[Part]]:
    """Return the uplinks at `x` and what leads to them; with `level` each uplink near the middle of its lanes."""
    by_uplink = {each.name: [one for one in placed if one.strand.uplink == each.name] for each in uplinks}
    numbers = {each.name: at for at, each in enumerate(uplinks)}
    boxes: dict[str, Box] = {}
    bottom = top
    highest = _centre if level else _top
    for uplink in sorted(uplinks, key=lambda each: (highest(by_uplink[each.name]), each.name)):
        height = _uplink_height(uplink, len(by_uplink[uplink.name]))
        wanted = _centre(by_uplink[uplink.name]) - height // 2 if level and by_uplink[uplink.name] else top
        boxes[uplink.name] = Box(x, max(wanted, bottom), UPLINK_WIDTH, height)
        bottom = boxes[uplink.name].bottom + UPLINK_GAP
    drawn = [_uplink(each, boxes[each.name], colour(numbers[each.name])) for each in uplinks]
    ends = dict(_plugs(by_uplink, boxes))
    lines = [_strand(each, ends.get(each.strand.id), numbers) for each in placed]
    return drawn, lines


def _centre(placed: Sequence[Placed]) -> int:
    return sum(each.label.middle for each in placed) // len(placed) if placed else UNUSED


def _top(placed: Sequence[Placed]) -> int:
    return min((each.label.y for each in placed), default=UNUSED)


def _uplink_height(uplink: UplinkView, lanes: int) -> int:
    return max(38 + LINE * (len(uplink.gateways) + 1), 24 + PLUG * lanes)


def _plugs(
    by_uplink: Mapping[str, Sequence[Placed]], boxes: Mapping[str, Box]
) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield where each strand meets its uplink, in the order in which they come."""
    for name, placed in by_uplink.items():
        first = boxes[name].middle - PLUG * (len(placed) - 1) // 2
        for at, each in enumerate(sorted(placed, key=lambda one: one.label.y)):
            yield each.strand.id, (boxes[name].x, first + PLUG * at)


def _strand(placed: Placed, end: tuple[int, int] | None, numbers: Mapping[str, int]) -> Part:
    strand, label = placed.strand, placed.label
    paint = colour(numbers[strand.uplink]) if strand.uplink else "no"
    style = f"{paint} {'first' if strand.preferred else 'other'} {strand.weight}".strip()
    figures: list[Figure] = [Line(straight(placed.start, label.middle, label.x), "way")]
    if end is None:
        x, y = label.right + 26, label.middle
        figures += [Line(straight(label.right, y, x - 6), "way")]
        figures += [Line(f"M{x - 6} {y - 6}L{x + 6} {y + 6}M{x + 6} {y - 6}L{x - 6} {y + 6}", "cross")]
    else:
        figures += [Line(curve(label.right, label.middle, *end), "way"), Dot(*end, 4, "plug")]
    return Part(strand.id, strand.kind, (*figures, *_label(strand, label)), label, style)


def _label(strand: Strand, box: Box) -> Iterator[Figure]:
    yield Frame(box, "label")
    yield Label(box.x + PAD, box.y + LINE, strand.title, "word hue")
    beside = box.x + PAD + text_width(strand.title, "word") + 8
    yield Label(beside, box.y + LINE, fit(strand.faint, box.right - PAD - beside, "small"), "small faint")
    for at, row in enumerate(strand.rows):
        text = fit(row, box.width - 2 * PAD, "small")
        yield Label(box.x + PAD, box.y + HEAD + LINE * at + 11, text, "small")


def _uplink(uplink: UplinkView, box: Box, paint: str) -> Part:
    room = box.width - 2 * PAD - 8
    rows = [fit(each, room, "mono") for each in uplink.gateways]
    top = box.middle - (LINE * (len(rows) + 1) + 4) // 2
    figures: list[Figure] = [
        Frame(box, "uplink"),
        Frame(Box(box.right - 6, box.y, 6, box.height), "edge", 3),
        Label(box.x + PAD + 8, top + 12, fit(uplink.name, room * 2 // 3, "name"), "name hue"),
    ]
    beside = box.x + PAD + 16 + text_width(uplink.name, "name")
    figures.append(Label(beside, top + 12, fit(uplink.interface, box.right - PAD - beside, "mono"), "mono"))
    figures += [Label(box.x + PAD + 8, top + 30 + LINE * at, row, "mono faint") for at, row in enumerate(rows)]
    out = box.right
    figures.append(Line(f"M{out} {box.middle}h30m-7 -6l7 6l-7 6", "out"))
    return Part(uplink.id, "uplink", tuple(figures), box, paint)
