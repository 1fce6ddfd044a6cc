"""Boxes, lines and the width of text, for a drawing that nobody measures before it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ELLIPSIS: Final = "…"
BEND: Final = 8
"""Radius of a line's corners."""

CHARACTER: Final = {"title": 12.4, "name": 9.4, "word": 8.2, "mono": 7.23, "small": 6.63}
"""Width of a character by the style of its text, in pixels; a little more than in the widest font that is asked for."""


class Box(NamedTuple):
    """A rectangle, in pixels from the upper left corner."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """Return where the box ends."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """Return where the box ends below."""
        return self.y + self.height

    @property
    def middle(self) -> int:
        """Return half the way from top to bottom."""
        return self.y + self.height // 2

    def overlaps(self, other: Box) -> bool:
        """Return whether the two have a point in common; those that only touch have none."""
        apart = self.right <= other.x or other.right <= self.x or self.bottom <= other.y or other.bottom <= self.y
        return not apart

    def holds(self, other: Box) -> bool:
        """Return whether the other lies inside."""
        across = self.x <= other.x and other.right <= self.right
        return across and self.y <= other.y and other.bottom <= self.bottom


class Frame(NamedTuple):
    """A rectangle to draw."""

    box: Box
    style: str
    radius: int = 6


class Label(NamedTuple):
    """One line of text; `y` is its baseline."""

    x: int
    y: int
    text: str
    style: str


class Line(NamedTuple):
    """A line along SVG path data."""

    path: str
    style: str


class Dot(NamedTuple):
    """A small disc."""

    x: int
    y: int
    radius: int
    style: str


Figure = Frame | Label | Line | Dot


def text_width(text: str, style: str) -> int:
    """Return how wide a text is at most, in pixels; wide characters of East Asian scripts count double."""
    columns = sum(2 if ord(each) >= 0x1100 else 1 for each in text if each != ELLIPSIS) + text.count(ELLIPSIS)  # noqa: PLR2004
    return round(columns * CHARACTER[style] + 0.5)


def fit(text: str, width: int, style: str) -> str:
    """Return the text, cut to what fits into `width` pixels."""
    if text_width(text, style) <= width:
        return text
    while text and text_width(text + ELLIPSIS, style) > width:
        text = text[:-1]
    return text + ELLIPSIS


def straight(x: int, y: int, to_x: int) -> str:
    """Return a level line."""
    return f"M{x} {y}H{to_x}"


def curve(x: int, y: int, to_x: int, to_y: int) -> str:
    """Return a line that leaves and arrives level."""
    middle = (x + to_x) // 2
    return f"M{x} {y}C{middle} {y} {middle} {to_y} {to_x} {to_y}"


def wire(points: Sequence[tuple[int, int]]) -> str:
    """Return a line through points that are level with, or straight above, their neighbours, with rounded corners."""
    through = list(_without_repeats(points))
    text = "M{} {}".format(*through[0])
    for before, corner, after in zip(through, through[1:], through[2:], strict=False):
        room = min(BEND, _distance(before, corner) // 2, _distance(corner, after) // 2)
        start, end = _towards(corner, before, room), _towards(corner, after, room)
        text += f"L{start[0]} {start[1]}Q{corner[0]} {corner[1]} {end[0]} {end[1]}"
    return text + "L{} {}".format(*through[-1])


def _without_repeats(points: Iterable[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    last = None
    for point in points:
        if point != last:
            yield point
        last = point


def _distance(one: tuple[int, int], other: tuple[int, int]) -> int:
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def _towards(point: tuple[int, int], goal: tuple[int, int], by: int) -> tuple[int, int]:
    def step(start: int, end: int) -> int:
        return start + by * ((end > start) - (end < start))

    return step(point[0], goal[0]), step(point[1], goal[1])
