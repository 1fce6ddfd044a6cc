"""The drawing as Mermaid text, which GitHub and others render in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from laneway.state.visible import visible_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.map.subject import LaneView, Subject, TenantView, UplinkView
    from laneway.map.way import Way

HUES: Final = ("#0969da", "#bc4c00", "#1a7f37", "#8250df", "#bf3989", "#0e7490", "#7d6b00")
"""Of the uplinks, legible on light and on dark."""

ENTITIES: Final = str.maketrans(
    {"#": "#35;", '"': "#quot;", "&": "#amp;", "<": "#lt;", ">": "#gt;", "`": "#96;", "\\": "#92;", ";": "#59;"}
)
"""What means something inside a quoted label, a backquote for one: Markdown begins with it."""


def mermaid(drawn: Subject, way: Way | None = None) -> str:
    """Return the flowchart; ids are numbers behind a letter, since a name may be a word of Mermaid's, such as `end`."""
    lit = way.lit if way else frozenset()
    return "\n".join(["flowchart LR", *_tenants(drawn), *_uplinks(drawn), *_edges(drawn, lit), *_nodes(drawn, lit)])


def label(*lines: str) -> str:
    """Return a quoted label of some lines."""
    return '"' + "<br/>".join(" ".join(visible_lines(each).split()).translate(ENTITIES) for each in lines if each) + '"'


def _tenants(drawn: Subject) -> Iterator[str]:
    for tenant in drawn.tenants:
        yield f"  subgraph {tenant.id}[{label(tenant.name)}]"
        for each in tenant.workloads:
            yield f"    {each.id}[{label(each.name, *each.addresses, *(f'publishes {port}' for port in each.ports))}]"
        if not tenant.workloads:
            yield f"    {tenant.id}w[{label('no workloads')}]"
        yield "  end"
        if tenant.refusal:
            yield f"  {tenant.refusal.id}{{{{{label('refused')}}}}}"


def _uplinks(drawn: Subject) -> Iterator[str]:
    yield from (f"  {each.id}([{label(*_uplink(each))}])" for each in drawn.uplinks)


def _uplink(uplink: UplinkView) -> tuple[str, ...]:
    return f"{uplink.name}: {uplink.interface}", *uplink.gateways


def _edges(drawn: Subject, lit: frozenset[str]) -> Iterator[str]:
    """Yield the lines, and after them their colours by position: the uplink's, and thick what is on a packet's way."""
    looks = []
    for edge, key, hue in _lines(drawn):
        yield f"  {edge}"
        looks.append((hue, "6px" if key in lit else "2px"))
    for look in sorted(set(looks)):
        numbers = ",".join(str(at) for at, each in enumerate(looks) if each == look)
        yield f"  linkStyle {numbers} stroke:{look[0]},stroke-width:{look[1]}"


def _lines(drawn: Subject) -> Iterator[tuple[str, str, str]]:
    """Yield each line, the id of what it stands for, and its colour."""
    uplinks = {each.name: (each.id, HUES[at % len(HUES)]) for at, each in enumerate(drawn.uplinks)}
    tenants = {each.name: each for each in drawn.tenants}
    for tenant in drawn.tenants:
        for at, lane in enumerate(tenant.lanes):
            end, hue = uplinks[lane.uplink]
            yield f"{tenant.id} {_arrow(lane, first=at == 0)} {end}", lane.id, hue
        if tenant.refusal:
            yield (
                f"{tenant.id} -. {label(*tenant.refusal.carries)} .-x {tenant.refusal.id}",
                tenant.refusal.id,
                "#cf222e",
            )
    for each in drawn.crossings:
        other = tenants[each.other]
        yield (
            f"{tenants[each.tenant].id} -- {label(each.services)} --> {_end(other, each.workload)}",
            each.id,
            "#6e7781",
        )


def _arrow(lane: LaneView, *, first: bool) -> str:
    text = label(*lane.carries)
    return f"== {text} ==>" if first else f"-. {text} .->"


def _end(tenant: TenantView, workload: str) -> str:
    return next((each.id for each in tenant.workloads if each.name == workload), tenant.id)


def _nodes(drawn: Subject, lit: frozenset[str]) -> Iterator[str]:
    workloads = [each.id for tenant in drawn.tenants for each in tenant.workloads]
    shown = [key for key in (*workloads, *(each.id for each in drawn.uplinks)) if key in lit]
    if shown:
        yield "  classDef way stroke-width:4px,stroke:#d4a72c"
        yield f"  class {','.join(shown)} way"
