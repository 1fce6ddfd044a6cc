"""What is told of a part when somebody points at it, and which other parts belong to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.map.dense import bundles, grouped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.map.parts import Layout
    from laneway.map.subject import CrossingView, LaneView, Subject, TenantView, UplinkView, WorkloadView

Row = tuple[str, str]


class Detail(NamedTuple):
    """A part in words."""

    title: str
    rows: tuple[Row, ...]
    lights: tuple[str, ...] = ()  # the parts that belong to it
    find: str = ""  # what a search looks at; empty: it is not looked for

    @property
    def text(self) -> str:
        """Return all of it as plain lines."""
        return "\n".join([self.title, *(f"{name}: {value}" if name else value for name, value in self.rows)])


def details(drawn: Subject, placed: Layout) -> dict[str, Detail]:
    """Return what is told of each part of a layout, by its id."""
    bundle_of = dict(_bundles(drawn)) if placed.dense else {}
    found: dict[str, Detail] = {}
    ways = {each.name: each.id for each in drawn.uplinks}
    for tenant in drawn.tenants:
        found[tenant.id] = _tenant(tenant, drawn, bundle_of)
        for workload in tenant.workloads:
            found[workload.id] = _workload(tenant, workload)
        for lane in tenant.lanes:
            inside = (each.id for each in tenant.workloads)
            lights = [tenant.id, *inside, ways[lane.uplink], bundle_of.get(lane.id, "")]
            found[lane.id] = Detail(f"{tenant.name} by {lane.uplink}", (*_lane(lane),), tuple(filter(None, lights)))
        if tenant.refusal:
            rows = (*(("refuses", each) for each in tenant.refusal.carries), ("policy", tenant.refusal.place))
            found[tenant.refusal.id] = Detail(f"refused to {tenant.name}", rows, (tenant.id,))
    found.update((each.id, _uplink(each, drawn, bundle_of)) for each in drawn.uplinks)
    found.update((each.id, _crossing(each, drawn)) for each in drawn.crossings)
    found.update(_bundle_details(drawn) if placed.dense else {})
    ids = {each.id for each in placed.parts}
    return {key: found[key] for key in sorted(found.keys() & ids)}


def _tenant(tenant: TenantView, drawn: Subject, bundle_of: dict[str, str]) -> Detail:
    rows: list[Row] = [("subnets", ", ".join(tenant.subnets)), ("may ask of the host", tenant.host_access)]
    ways = {each.name: each.id for each in drawn.uplinks}
    lights: list[str] = []
    for workload in tenant.workloads:
        published = f", publishes {' '.join(workload.ports)}" if workload.ports else ""
        rows.append((workload.name, ", ".join(workload.addresses) + published))
        lights.append(workload.id)
    for lane in tenant.lanes:
        rows.append(
            (f"by {lane.uplink}", f"mark {lane.mark}, table {lane.table} {lane.table_name}, ip rule {lane.rule}")
        )
        rows += [("", each) for each in lane.carries]
        lights += [lane.id, ways[lane.uplink], bundle_of.get(lane.id, "")]
    if tenant.refusal:
        rows += [("refuses", each) for each in tenant.refusal.carries]
        lights += [tenant.refusal.id, bundle_of.get(tenant.refusal.id, "")]
    for each in drawn.crossings:
        if each.tenant == tenant.name:
            rows.append(("may reach", f"{each.other} {each.text}"))
            lights.append(each.id)
        elif each.other == tenant.name:
            rows.append(("reached by", f"{each.tenant} {each.text}"))
            lights.append(each.id)
    rows.append(("policy", tenant.place))
    words = [tenant.name, *tenant.subnets]
    words += [text for each in tenant.workloads for text in (each.name, *each.addresses, *each.ports)]
    return Detail(f"tenant {tenant.name}", tuple(rows), tuple(filter(None, lights)), " ".join(words).lower())


def _workload(tenant: TenantView, workload: WorkloadView) -> Detail:
    rows: list[Row] = [("addresses", ", ".join(workload.addresses))]
    rows += [("publishes", each) for each in workload.ports]
    return Detail(f"workload {tenant.name}/{workload.name}", (*rows, ("policy", workload.place)), (tenant.id,))


def _lane(lane: LaneView) -> Iterator[Row]:
    yield "mark", lane.mark
    yield "table", f"{lane.table} {lane.table_name}"
    if lane.rule:
        yield "ip rule", lane.rule
    yield from (("carries", each) for each in lane.carries)
    yield "policy", lane.place


def _uplink(uplink: UplinkView, drawn: Subject, bundle_of: dict[str, str]) -> Detail:
    first = [each for each in drawn.tenants if each.lanes and each.lanes[0].uplink == uplink.name]
    mine = [lane for each in drawn.tenants for lane in each.lanes if lane.uplink == uplink.name]
    rows = (
        ("interface", uplink.interface),
        ("gateways", ", ".join(uplink.gateways)),
        ("outside sees", uplink.seen_as),
        ("lanes", f"{len(mine)}, for {len(first)} of them the first choice"),
        ("policy", uplink.place),
    )
    lights = [*(each.id for each in first), *(each.id for each in mine)]
    bundled = sorted({bundle_of[each.id] for each in mine if each.id in bundle_of})
    return Detail(f"uplink {uplink.name}", rows, (*lights, *bundled))


def _crossing(crossing: CrossingView, drawn: Subject) -> Detail:
    rows: list[Row] = [("may reach", crossing.services)]
    if crossing.workload:
        rows.append(("of workload", crossing.workload))
    if crossing.place:
        rows.append(("policy", crossing.place))
    ends = tuple(each.id for each in drawn.tenants if each.name in (crossing.tenant, crossing.other))
    return Detail(f"{crossing.tenant} → {crossing.other}", tuple(rows), ends)


def _bundles(drawn: Subject) -> Iterator[tuple[str, str]]:
    """Yield every lane with the bundle it is in."""
    for number, tenants in enumerate(grouped(drawn).values()):
        for tenant in tenants:
            yield from ((lane.id, f"b{number}l{at}") for at, lane in enumerate(tenant.lanes))
            if tenant.refusal:
                yield tenant.refusal.id, f"b{number}x"


def _bundle_details(drawn: Subject) -> Iterator[tuple[str, Detail]]:
    ways = {each.name: each.id for each in drawn.uplinks}
    for number, tenants in enumerate(grouped(drawn).values()):
        for at, strand in enumerate(bundles(number, tenants)):
            rows = (
                ("lanes" if strand.uplink else "refused", strand.faint),
                *(("carries", each) for each in strand.carries),
            )
            mine = [each for each in tenants if strand.uplink or each.refusal]
            lanes = [each.lanes[at].id for each in mine] if strand.uplink else []
            end = [ways[strand.uplink]] if strand.uplink else []
            title = f"lanes by {strand.uplink}" if strand.uplink else "refused by classes"
            yield strand.id, Detail(title, rows, (*(each.id for each in mine), *lanes, *end))
