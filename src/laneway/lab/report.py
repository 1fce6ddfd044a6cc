"""What a trial came to, as a table for people and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from laneway.errors import Exit
from laneway.lab.trial import Outside, Resident
from laneway.state.visible import visible, visible_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import RenderableType

    from laneway.lab.topology import Topology
    from laneway.lab.trial import Probe, Result
    from laneway.policy.model import Address

FEW = 3
"""Names that a cell spells out; more are counted."""

WIDE = 36
"""Columns for the destinations."""

REACHED = "reached"

MANY = 20
"""Failures that are told one by one."""

OWN = "its own address"

PHRASES = {
    "neighbour": "each other",
    "stranger": "other tenants",
    "alien": "others' gateways",
    "direct": "unpublished ports",
    "hairpin": "its own published ports",
    "neighbourly": "others' published ports",
}
"""What the lines of a kind say for the destinations, where to name each would hide the point."""

ORDER = ("internet", "class", "route", "published", "neighbour", "hairpin", "neighbourly", "allow", "host_access")
"""What a tenant may, in the order of the table; what it may not, and the policy's own tests, follow."""


@dataclass(frozen=True, slots=True)
class LabReport:
    """The results of all probes of a trial."""

    results: tuple[Result, ...]
    seconds: float  # from the first probe to the last answer

    @property
    def failed(self) -> tuple[Result, ...]:
        """Return the results that are not as expected."""
        return tuple(each for each in self.results if not each.held)

    @property
    def exit_code(self) -> Exit:
        """Return what the command should end with."""
        return Exit.EXPECTATION if self.failed else Exit.DONE


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: all probes of one kind that had to go the same way."""

    group: str
    kind: str
    who: str
    whom: str
    packets: str
    by: str
    seen_as: str
    verdict: str
    count: int
    failed: int


def rows(results: Iterable[Result]) -> tuple[Row, ...]:
    """Return the lines of the table, in the order of the tenants; of each, what it may before what it may not."""
    together: dict[tuple[object, ...], list[Result]] = {}
    for each in results:
        way = (each.expected.delivered, each.expected.uplink)
        together.setdefault((each.probe.group, each.probe.kind, *way), []).append(each)
    grouped: dict[str, list[Row]] = {}
    for several in together.values():
        grouped.setdefault(several[0].probe.group, []).append(_row(several))
    return tuple(row for each in grouped.values() for row in sorted(each, key=_place))


def _place(row: Row) -> int:
    kind = row.kind.partition(" ")[0]
    return ORDER.index(kind) if kind in ORDER else len(ORDER) + (kind == "expect")


def _row(several: list[Result]) -> Row:
    probes = [each.probe for each in several]
    kind = probes[0].kind
    held = [each for each in several if each.held]
    return Row(
        group=probes[0].group,
        kind=kind,
        who=_few(_sender(each) for each in probes),
        whom=PHRASES.get(kind) or _few(each.whom for each in probes),
        packets=_packets(probes),
        by=_ways(several),
        seen_as=_few(filter(None, map(_seen_as, held))),
        verdict=REACHED if several[0].expected.delivered else "refused",
        count=len(several),
        failed=len(several) - len(held),
    )


def _sender(probe: Probe) -> str:
    return probe.sender.workload if isinstance(probe.sender, Resident) else str(probe.sender)


def _few(words: Iterable[str]) -> str:
    distinct = list(dict.fromkeys(words))
    more = len(distinct) - FEW
    return ", ".join(distinct[:FEW]) + (f" and {more} more" if more > 0 else "")


def _packets(probes: list[Probe]) -> str:
    protocols = " ".join(dict.fromkeys(each.protocol for each in probes))
    families = {each.family for each in probes}
    return protocols if len(families) > 1 else f"{protocols} v{min(families)}"


def _ways(several: list[Result]) -> str:
    distinct = list(dict.fromkeys(filter(None, map(_way, several))))
    return ", ".join(distinct) if len(distinct) < FEW else f"{len(distinct)} uplinks"


def _way(result: Result) -> str:
    sender = result.probe.sender
    return sender.uplink if isinstance(sender, Outside) else result.expected.uplink or ""


def _seen_as(result: Result) -> str:
    source = result.outcome.source
    if isinstance(result.probe.sender, Outside):
        return OWN if source is not None and source == result.probe.source else str(source or "")
    return str(source) if source is not None and result.outcome.uplink else ""


def failures(report: LabReport) -> Iterator[str]:
    """Yield what did not come out as expected, two lines each: the packet, and what became of it."""
    for each in report.failed[:MANY]:
        probe = each.probe
        by = f" by {probe.sender.uplink}" if isinstance(probe.sender, Outside) else ""
        port = f" {probe.port}" if probe.port else ""
        forged = f" as {probe.source}" if probe.spoofed else ""
        yield f"{probe.sender}{by}{forged} → {probe.to} {probe.protocol}{port} ({probe.whom})"
        yield "    " + "; ".join(each.faults)
    if len(report.failed) > MANY:
        yield f"… and {len(report.failed) - MANY} more; --json has them all"


def summary(report: LabReport) -> str:
    """Return the last line."""
    total, failed = len(report.results), len(report.failed)
    tail = "all as expected" if not failed else f"{total - failed} as expected, {failed} not"
    return f"{total} probes in {report.seconds:.1f} s: {tail}"


def table(report: LabReport, topology: Topology) -> RenderableType:
    """Return the table for a terminal, or for a file in plain text."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [
        Text(visible_lines(legend(topology)), style="dim"),
        *_grid(rows(report.results)),
        Text(),
    ]
    parts += [Text(visible(line), style="" if line.startswith(" ") else "bold red") for line in failures(report)]
    parts.append(Text(summary(report), style="bold red" if report.failed else "bold green"))
    return Group(*parts)


def _grid(lines: tuple[Row, ...]) -> Iterator[RenderableType]:
    """Yield the rows under one another, and a tenant's name above its own: a line of its own costs no column."""
    from rich.text import Text

    cells = [("who", "to", "with", "by", "seen as")]
    cells += [(each.who, _short(each.whom), each.packets, each.by, each.seen_as) for each in lines]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    verdicts = [_verdict(each) for each in lines]
    margin = max(map(len, verdicts), default=0)
    yield Text()
    yield _line(" " * (margin + 4), cells[0], widths, "dim")
    group = None
    for row, words, verdict in zip(lines, cells[1:], verdicts, strict=True):
        if row.group != group:
            yield Text(visible(row.group), style="bold cyan")
            group = row.group
        mark = f"  {verdict.ljust(margin)}  "
        yield _line(mark, words, widths, "bold red" if row.failed else "green" if row.verdict == REACHED else "")


def _verdict(row: Row) -> str:
    return (
        f"✗ {row.count - row.failed} of {row.count} {row.verdict}" if row.failed else f"✓ {row.count:3} {row.verdict}"
    )


def _line(mark: str, words: Iterable[str], widths: Iterable[int], style: str) -> RenderableType:
    from rich.text import Text

    padded = "  ".join(visible(word).ljust(width) for word, width in zip(words, widths, strict=True))
    return Text.assemble((mark, style), padded.rstrip(), no_wrap=True, overflow="ellipsis")


def _short(text: str) -> str:
    return text if len(text) <= WIDE else text[: WIDE - 1].rstrip(", ") + "…"


def legend(topology: Topology) -> str:
    """Return one line per uplink: what is where."""
    lines = []
    for each in topology.providers:
        sides = ", ".join(f"{side.host} → {side.gateway or 'the link'}" for side in each.sides.values())
        lines.append(f"{each.uplink}: {each.interface}, {sides}")
    return "\n".join(lines)


def as_json(report: LabReport) -> dict[str, Any]:
    """Return the report as JSON-ready data."""
    return {
        "laneway": 1,
        "probes": len(report.results),
        "failed": len(report.failed),
        "seconds": round(report.seconds, 3),
        "results": list(_json_results(report.results)),
    }


def _json_results(results: Iterable[Result]) -> Iterator[dict[str, Any]]:
    for each in results:
        probe, expected, outcome = each.probe, each.expected, each.outcome
        yield {
            "tenant": probe.group,
            "kind": probe.kind,
            "from": str(probe.sender),
            "arrives": probe.sender.uplink if isinstance(probe.sender, Outside) else None,
            "source": _text(probe.source),
            "to": str(probe.to),
            "protocol": probe.protocol,
            "port": probe.port or None,
            "expected": {
                "delivered": expected.delivered,
                "by": expected.by,
                "uplink": expected.uplink,
                "source_seen": _text(expected.source),
            },
            "delivered": outcome.delivered,
            "by": outcome.by or None,
            "uplink": outcome.uplink or None,
            "source_seen": _text(outcome.source),
            "how": outcome.how or None,
            "held": each.held,
            "faults": list(each.faults),
        }


def _text(address: object) -> str | None:
    return None if address is None else str(address)


def banner(topology: Topology, workloads: Iterable[str], internet: Address) -> str:
    """Return what the lab's shell says first: one screen, what is where and what to try."""
    names = list(workloads)
    one = min(names, key=len, default="TENANT-WORKLOAD")
    url = f"http://[{internet}]/" if ":" in str(internet) else f"http://{internet}/"
    return f"""This is the lab: a throw-away host with the policy applied. It vanishes when you leave (exit, or Ctrl-D).

{legend(topology)}
workloads (network namespaces): {_few(names) or "none"}
internet: every address and port there answers who asked, and by which provider it was seen.

  ip netns exec {one} curl {url}
  ip rule; ip route show table all; iptables-save; ip -d link
  ip netns exec _provider.{topology.providers[0].uplink if topology.providers else "UPLINK"} tcpdump -ni up0
"""
