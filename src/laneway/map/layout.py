"""Where everything stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from laneway.map.dense import bundles, dense, grouped
from laneway.map.detailed import detailed
from laneway.map.geometry import Box, Frame, Label, Line, fit, text_width
from laneway.map.parts import Layout
from laneway.map.strands import UPLINK_WIDTH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from laneway.map.geometry import Figure
    from laneway.map.subject import Subject
    from laneway.map.way import Said, Way

MARGIN: Final = 24
TITLE: Final = 50
HEADLINE: Final = 22  # what becomes of the packet, below the title
HOST_PAD: Final = 26
OUTSIDE: Final = 44  # right of the uplinks
SAID: Final = 19  # between two lines of what is said of a packet
COLUMN: Final = 7.224  # of the text of a packet's way, which stands in columns
DETAILED_TENANTS: Final = 24
DETAILED_WORKLOADS: Final = 72
LEGEND: Final = (
    ("way first", "first choice"),
    ("way other", "other lanes"),
    ("way allowed", "allowed between tenants"),
    ("tag", "published port"),
)


def layout(drawn: Subject, way: Way | None = None, *, is_dense: bool | None = None) -> Layout:
    """Return the drawing of a host, with a packet's way lit if there is one.

    A host of many tenants is drawn dense, unless `is_dense` says how.
    """
    if is_dense is None:
        is_dense = wants_dense(drawn)
    head = MARGIN + TITLE + (HEADLINE if way else 0)
    top, left = head + HOST_PAD, MARGIN + HOST_PAD
    frames: list[Figure] = []
    if is_dense and drawn.tenants:
        parts, frames, edge = dense(drawn, left, top)
    else:
        parts, edge = detailed(drawn, left, top)
    bottom = max([top + 60, *(part.box.bottom for part in parts if part.box), *_bottoms(frames)])
    host = Box(MARGIN, head, edge + UPLINK_WIDTH // 2 - MARGIN, bottom + HOST_PAD - head)
    width = edge + UPLINK_WIDTH + OUTSIDE + MARGIN
    width = max([width, *(MARGIN * 2 + _said_width(each) for each in (way.said if way else ()))])
    name = Label(host.x + 16, host.bottom - 9, "this host", "small faint")
    scenery = [Frame(host, "host", 16), name, *_title(drawn.title, edge + UPLINK_WIDTH), *frames]
    height = host.bottom + MARGIN
    if way:
        scenery += _said(way.said[:1], head - 16)
        scenery += _said(way.said[1:], height)
        height += SAID * len(way.said)
    return Layout(width, height, is_dense, tuple(scenery), tuple(parts), _lit(drawn, way, is_dense=is_dense))


def wants_dense(drawn: Subject) -> bool:
    """Return whether there is too much to draw for boxes with everything in them."""
    workloads = sum(len(each.workloads) for each in drawn.tenants)
    return len(drawn.tenants) > DETAILED_TENANTS or workloads > DETAILED_WORKLOADS


def _lit(drawn: Subject, way: Way | None, *, is_dense: bool) -> frozenset[str]:
    """Return what is on the way; in a dense drawing with the bundles that its lanes are in."""
    if way is None or not is_dense:
        return way.lit if way else frozenset()
    found = set(way.lit)
    for number, tenants in enumerate(grouped(drawn).values()):
        for tenant in tenants:
            for lane, bundle in zip(tenant.lanes, bundles(number, tenants), strict=False):
                found |= {bundle.id} if lane.id in way.lit else set()
            if tenant.refusal and tenant.refusal.id in way.lit:
                found.add(f"b{number}x")
    return frozenset(found)


def _bottoms(figures: Sequence[Figure]) -> Iterator[int]:
    yield from (each.box.bottom for each in figures if isinstance(each, Frame))


def _title(title: str, right: int) -> Iterator[Figure]:
    x = right - sum(text_width(text, "small") + 58 for _, text in LEGEND) + 18
    yield Label(MARGIN + 2, MARGIN + 22, fit(title, x - MARGIN - 20, "title"), "title")
    y = MARGIN + 18
    for style, text in LEGEND:
        if style == "tag":
            yield Frame(Box(x, y - 9, 28, 18), "tag", 9)
        else:
            tip = "m-6 -5l6 5l-6 5" if "allowed" in style else ""
            yield Line(f"M{x} {y}h28{tip}", f"{style} key")
        yield Label(x + 36, y + 4, text, "small faint")
        x += text_width(text, "small") + 58


def _said_width(line: Said) -> int:
    return sum(text_width(text, "mono") for text, _ in line)


def _said(lines: Sequence[Said], top: int) -> Iterator[Figure]:
    for at, line in enumerate(lines):
        column = 0
        for text, style in line:
            yield Label(MARGIN + 2 + round(column * COLUMN), top + SAID * at, text, f"mono {style}".strip())
            column += len(text)
