"""The layout for hosts of a few tenants: each a box with its workloads, from which its lanes lead to the uplinks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from laneway.map.crossings import TRACK, Span, brackets, ends_of, room_beside
from laneway.map.geometry import Box, Frame, Label, fit, text_width
from laneway.map.parts import Part
from laneway.map.strands import NECK, REACH, Strand, label_width, place, stack_height, uplinks_and_strands

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from laneway.map.geometry import Figure
    from laneway.map.strands import Placed
    from laneway.map.subject import Subject, TenantView, WorkloadView

PAD: Final = 12
HEAD: Final = 50
TENANT_GAP: Final = 26
CARD_GAP: Final = 8
CARD_HEAD: Final = 28
ADDRESSES: Final = 17
TAG: Final = 20
TAG_GAP: Final = 6
NARROWEST, WIDEST = 250, 390


@dataclass(frozen=True, slots=True)
class Block:
    """One tenant with the height that it takes."""

    tenant: TenantView
    strands: tuple[Strand, ...]
    height: int


def detailed(drawn: Subject, left: int, top: int) -> tuple[list[Part], int]:
    """Return the parts of the drawing, and the x at which the host ends: in the middle of its uplinks."""
    ends = ends_of(drawn)
    width = tenant_width(drawn.tenants)
    blocks = [_block(tenant, width, len(ends.get(tenant.name, ()))) for tenant in drawn.tenants]
    x = left + room_beside(drawn)
    boxes: dict[str, Box] = {}
    placed: list[Placed] = []
    labels = label_width([strand for block in blocks for strand in block.strands])
    y = top
    for block in blocks:
        box = boxes[block.tenant.name] = Box(x, y, width, block.height)
        start = y + (block.height - stack_height(block.strands)) // 2
        placed += place(block.strands, start=box.right, top=start, width=labels)
        y += block.height + TENANT_GAP
    uplinks_at = x + width + NECK + labels + REACH
    uplinks, lines = uplinks_and_strands(drawn.uplinks, placed, x=uplinks_at, top=top)
    spans = [Span(each, boxes[each.tenant], boxes[each.other]) for each in drawn.crossings]
    parts = [*brackets(spans, ends, left + TRACK), *lines, *uplinks]
    for block in blocks:
        parts += _tenant(block.tenant, boxes[block.tenant.name])
    return parts, uplinks_at


def strands(tenant: TenantView) -> tuple[Strand, ...]:
    """Return the lanes of a tenant, the preferred first, and what it is refused last."""
    found = [
        Strand(
            each.id, "lane", each.uplink, at == 0, f"{each.mark.partition('/')[0]} · table {each.table}", each.carries
        )
        for at, each in enumerate(tenant.lanes)
    ]
    if tenant.refusal:
        found.append(Strand(tenant.refusal.id, "refusal", "", False, "by class", tenant.refusal.carries))  # noqa: FBT003
    return tuple(found)


def tenant_width(tenants: Sequence[TenantView]) -> int:
    """Return the width that all tenants have: that of the longest line in them, within reason."""
    needed = [text_width(", ".join(each.subnets), "small") + 2 * PAD for each in tenants]
    needed += [
        text_width(text, "small") + 4 * PAD + 2 * TAG_GAP
        for tenant in tenants
        for workload in tenant.workloads
        for text in (", ".join(workload.addresses), *workload.ports)
    ]
    return min(max([NARROWEST, *needed]), WIDEST)


def _block(tenant: TenantView, width: int, ends: int) -> Block:
    lanes = strands(tenant)
    cards = sum(_card_height(each, width - 2 * PAD) + CARD_GAP for each in tenant.workloads)
    content = HEAD + cards + PAD - CARD_GAP if tenant.workloads else HEAD + 10
    return Block(tenant, lanes, max(content, stack_height(lanes), (ends + 1) * TRACK * 2))


def _card_height(workload: WorkloadView, width: int) -> int:
    rows = 1 + max((row for row, _, _ in _tags(workload.ports, width - 2 * PAD)), default=-1)
    return CARD_HEAD + ADDRESSES + rows * (TAG + TAG_GAP) + (2 if rows else 0)


def _tags(ports: Sequence[str], width: int) -> Iterator[tuple[int, Box, str]]:
    """Yield each tag's row, its box relative to the first, and its text."""
    x = row = 0
    for port in ports:
        text = fit(port, width - 2 * TAG_GAP, "small")
        wide = text_width(text, "small") + 2 * TAG_GAP
        if x and x + wide > width:
            x, row = 0, row + 1
        yield row, Box(x, row * (TAG + TAG_GAP), wide, TAG), text
        x += wide + TAG_GAP


def _tenant(tenant: TenantView, box: Box) -> Iterator[Part]:
    room = box.width - 2 * PAD
    figures: list[Figure] = [
        Frame(box, "tenant", 10),
        Label(box.x + PAD, box.y + 23, fit(tenant.name, room, "name"), "name"),
        Label(box.x + PAD, box.y + 40, fit(", ".join(tenant.subnets), room, "small"), "small faint"),
    ]
    yield Part(tenant.id, "tenant", tuple(figures), box)
    y = box.y + HEAD
    for workload in tenant.workloads:
        card = Box(box.x + PAD, y, room, _card_height(workload, room))
        yield Part(workload.id, "workload", tuple(_card(workload, card)), card)
        y = card.bottom + CARD_GAP


def _card(workload: WorkloadView, box: Box) -> Iterator[Figure]:
    room = box.width - 2 * PAD
    yield Frame(box, "workload")
    yield Label(box.x + PAD, box.y + 19, fit(workload.name, room, "word"), "word")
    addresses = fit(", ".join(workload.addresses), room, "small")
    yield Label(box.x + PAD, box.y + CARD_HEAD + 7, addresses, "small faint")
    for _, relative, text in _tags(workload.ports, room):
        x, y = box.x + PAD + relative.x, box.y + CARD_HEAD + ADDRESSES + relative.y - 1
        yield Frame(Box(x, y, relative.width, relative.height), "tag", 10)
        yield Label(x + TAG_GAP, y + 14, text, "small port")
