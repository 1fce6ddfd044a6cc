"""The layout for hosts of many tenants: those with the same uplinks share a grid, and one line to each uplink."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from laneway.map.geometry import Box, Dot, Frame, Label, Line, fit, text_width, wire
from laneway.map.parts import Part, colour
from laneway.map.strands import NECK, REACH, Strand, label_width, place, stack_height, uplinks_and_strands

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from laneway.map.geometry import Figure
    from laneway.map.strands import Placed
    from laneway.map.subject import CrossingView, Subject, TenantView, WorkloadView

CHIP_WIDTH, CHIP_HEIGHT = 152, 42
GUTTER: Final = 14
"""Between the boxes: room for the lines that run there."""

HEAD: Final = 44
PAD: Final = 22
GROUP_GAP: Final = 30
PEN: Final = 3
"""Between two lines in one gutter."""

COLUMNS: Final = ((400, 6), (1200, 9))
MOST_COLUMNS: Final = 14


@dataclass(frozen=True, slots=True)
class Group:
    """The tenants with the same uplinks in the same order, and their grid."""

    tenants: tuple[TenantView, ...]
    box: Box
    columns: int
    strands: tuple[Strand, ...]

    def chip(self, at: int) -> Box:
        """Return the box of a tenant by its position in the group."""
        row, column = divmod(at, self.columns)
        x = self.box.x + PAD + column * (CHIP_WIDTH + GUTTER)
        return Box(x, self.box.y + HEAD + row * (CHIP_HEIGHT + GUTTER), CHIP_WIDTH, CHIP_HEIGHT)


def dense(drawn: Subject, left: int, top: int) -> tuple[list[Part], list[Figure], int]:
    """Return the parts, the frames behind them, and the x at which the host ends."""
    groups = list(_groups(drawn, left, top))
    width = label_width([each for group in groups for each in group.strands])
    placed: list[Placed] = []
    for group in groups:
        placed += place(group.strands, start=group.box.right, top=group.box.y, width=width)
    ends_at = groups[0].box.right + NECK + width + REACH
    uplinks, lines = uplinks_and_strands(drawn.uplinks, placed, x=ends_at, top=top, level=False)
    chips = {tenant.name: group.chip(at) for group in groups for at, tenant in enumerate(group.tenants)}
    homes = {tenant.name: group for group in groups for tenant in group.tenants}
    labels = {each.strand.id: each.label for each in placed}
    parts = [*lines, *uplinks]
    parts += [_crossing(at, each, chips, homes) for at, each in enumerate(drawn.crossings)]
    parts += [_chip(tenant, chips[tenant.name]) for tenant in drawn.tenants]
    numbers = {each.name: at for at, each in enumerate(drawn.uplinks)}
    for group in groups:
        for tenant in group.tenants:
            parts += _lanes(tenant, group, chips[tenant.name], labels, numbers)
    scenery: list[Figure] = [figure for group in groups for figure in _frame(group)]
    return parts, scenery, ends_at


def grouped(drawn: Subject) -> dict[tuple[str, ...], list[TenantView]]:
    """Return the tenants by their uplinks, most tenants first."""
    found: dict[tuple[str, ...], list[TenantView]] = {}
    for tenant in drawn.tenants:
        found.setdefault(tuple(each.uplink for each in tenant.lanes), []).append(tenant)
    return dict(sorted(found.items(), key=lambda each: (-len(each[1]), each[0])))


def bundles(number: int, tenants: Sequence[TenantView]) -> tuple[Strand, ...]:
    """Return one strand for each uplink of a group, and one for what is refused."""
    found = []
    sorts = any(lane.classes for tenant in tenants for lane in tenant.lanes)
    for at, lane in enumerate(tenants[0].lanes):
        counts = Counter(name for tenant in tenants for name in tenant.lanes[at].classes)
        carries = tuple(f"{name}: {_count(many, 'tenant')}" for name, many in sorted(counts.items()))
        rest = ("everything else" if sorts else "everything",) if at == 0 else ()
        thick = f"w{min(len(str(len(tenants))), 4)}"
        found.append(
            Strand(
                f"b{number}l{at}",
                "bundle",
                lane.uplink,
                at == 0,
                _count(len(tenants), "lane"),
                (*carries, *rest),
                thick,
            )
        )
    refusing = sum(1 for tenant in tenants if tenant.refusal)
    if refusing:
        found.append(Strand(f"b{number}x", "bundle", "", False, "by class", (_count(refusing, "tenant"),)))  # noqa: FBT003
    return tuple(found)


def _count(many: int, noun: str) -> str:
    return f"{many} {noun}{'' if many == 1 else 's'}"


def _groups(drawn: Subject, left: int, top: int) -> Iterator[Group]:
    columns = next((columns for most, columns in COLUMNS if len(drawn.tenants) <= most), MOST_COLUMNS)
    columns = min(columns, max(len(each) for each in grouped(drawn).values()))
    width = 2 * PAD + columns * (CHIP_WIDTH + GUTTER) - GUTTER
    for number, tenants in enumerate(grouped(drawn).values()):
        strands = bundles(number, tenants)
        rows = -(-len(tenants) // columns)
        height = max(HEAD + rows * (CHIP_HEIGHT + GUTTER) + 8, stack_height(strands))
        yield Group(tuple(tenants), Box(left, top, width, height), columns, strands)
        top += height + GROUP_GAP


def _frame(group: Group) -> Iterator[Figure]:
    box = group.box
    ways = [each.uplink for each in group.tenants[0].lanes]
    names = f"{ways[0]} first, then {', '.join(ways[1:])}" if len(ways) > 1 else f"{ways[0]} alone"
    many = _count(len(group.tenants), "tenant")
    yield Frame(box, "tenant group", 10)
    yield Label(box.x + PAD, box.y + 26, many, "name")
    beside = box.x + PAD + text_width(many, "name") + 4
    yield Label(beside, box.y + 26, fit(names, box.right - PAD - beside, "word"), "word faint")


def _chip(tenant: TenantView, box: Box) -> Part:
    dots = 12 * len(tenant.lanes) + 6
    figures = (
        Frame(box, "workload"),
        Label(box.x + 9, box.y + 17, fit(tenant.name, box.width - 12 - dots, "word"), "word"),
        Label(box.x + 9, box.y + 33, fit(_summary(tenant.workloads), box.width - 16, "small"), "small port"),
    )
    return Part(tenant.id, "tenant", figures, box)


def _summary(workloads: Sequence[WorkloadView]) -> str:
    """Return the ports of a tenant; of one that publishes none its workloads."""
    ports = [each.partition("→")[0].removesuffix("/tcp") for workload in workloads for each in workload.ports]
    return " ".join(ports) or " ".join(each.name for each in workloads) or "no workloads"


def _lanes(
    tenant: TenantView, group: Group, chip: Box, labels: Mapping[str, Box], numbers: Mapping[str, int]
) -> Iterator[Part]:
    """Yield each lane: a dot in the tenant's box, and a line that is shown when somebody points at it."""
    for at, (lane, bundle) in enumerate(zip(tenant.lanes, group.strands, strict=False)):
        label = labels[bundle.id]
        gutter = chip.bottom + 4 + PEN * (at % 3)
        down = group.box.right + 10 + 6 * at
        x = chip.right - 12 - 12 * at
        path = wire([(x, chip.bottom), (x, gutter), (down, gutter), (down, label.middle), (label.x, label.middle)])
        style = f"{colour(numbers[lane.uplink])} {'first' if at == 0 else 'other'}"
        yield Part(lane.id, "lane", (Line(path, "way shy"), Dot(x, chip.y + 13, 4, "plug")), style=style)


def _crossing(at: int, crossing: CrossingView, chips: Mapping[str, Box], homes: Mapping[str, Group]) -> Part:
    """Return a line through the gutters, from below the one to above the other."""
    start, end = chips[crossing.tenant], chips[crossing.other]
    pen = PEN * (at % 3) + 3
    below, above = start.bottom + pen, end.y - GUTTER + pen
    same = homes[crossing.tenant] is homes[crossing.other]
    column = end.x if same else homes[crossing.tenant].box.x + PAD
    beside = column - GUTTER + pen
    from_x, to_x = start.x + start.width // 2, end.x + end.width // 2
    path = wire(
        [(from_x, start.bottom), (from_x, below), (beside, below), (beside, above), (to_x, above), (to_x, end.y - 1)]
    )
    arrow = f"M{to_x - 4} {end.y - 6}L{to_x} {end.y}L{to_x + 4} {end.y - 6}"
    return Part(crossing.id, "crossing", (Line(path, "way"), Line(arrow, "way tip")))
