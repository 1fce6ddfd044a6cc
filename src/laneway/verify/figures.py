"""What a host has counted: of links since they were made, of lanes what their living flows carried.

Nothing is counted for laneway's sake, so that no packet pays for it. A tenant's bridge counts what passed between the
tenant and the host; an uplink counts all that went by it, others' too. Of lanes the kernel knows the flows, and what
each has carried when the host counts that anyway (net.netfilter.nf_conntrack_acct); a flow that has ended is forgotten.
ipset's own counters would tell no more: a flow meets its set with its first packet alone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from laneway.state.chains import ChainRule, Reject, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from laneway.lanes.field import MarkField
    from laneway.state.chains import Chain, ChainKey


class Traffic(NamedTuple):
    """Packets and bytes: a sum, or with `per_second` how many come in a second."""

    packets: float = 0
    bytes: float = 0

    def since(self, before: Traffic, seconds: float) -> Traffic:
        """Return the rate since `before`; a counter that began anew counts from nothing."""
        packets, octets = self.packets - before.packets, self.bytes - before.bytes
        if packets < 0:
            packets, octets = self.packets, self.bytes
        return Traffic(packets / seconds, octets / seconds)


class Flow(Protocol):
    """A flow that connection tracking knows (`laneway.kernel.flows`)."""

    @property
    def number(self) -> int:
        """Return its identity."""

    @property
    def mark(self) -> int:
        """Return its mark."""

    @property
    def packets(self) -> int:
        """Return its packets."""

    @property
    def bytes(self) -> int:
        """Return its bytes."""


class LinkFigures(Protocol):
    """A link's counters (`laneway.kernel.link_counters`)."""

    @property
    def up(self) -> bool:
        """Return whether it is administratively up."""

    @property
    def carrier(self) -> bool:
        """Return whether anything is at the other end."""

    @property
    def received(self) -> tuple[int, int]:
        """Return packets and bytes."""

    @property
    def sent(self) -> tuple[int, int]:
        """Return packets and bytes."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One look at all counters."""

    moment: float  # seconds of a clock that only goes forward
    links: Mapping[str, LinkFigures]
    flows: Mapping[int, tuple[int, Traffic]]  # mark and traffic of each, by its identity
    accounting: bool  # whether flows count what they carry

    def received(self, link: str) -> Traffic:
        """Return what came in by a link; one that is not there has counted nothing."""
        return Traffic(*self.links[link].received) if link in self.links else Traffic()

    def sent(self, link: str) -> Traffic:
        """Return what went out by a link."""
        return Traffic(*self.links[link].sent) if link in self.links else Traffic()


def marked(flows: Iterable[Flow], field: MarkField) -> dict[int, tuple[int, Traffic]]:
    """Return the flows that are in a lane."""
    return {
        each.number: (each.mark & field.mask, Traffic(each.packets, each.bytes))
        for each in flows
        if each.mark & field.mask
    }


class LaneFigures(NamedTuple):
    """A lane's living flows."""

    flows: int = 0
    traffic: Traffic = Traffic()


def by_lane(figures: Figures) -> dict[int, LaneFigures]:
    """Return the flows of each lane, by its mark."""
    found: dict[int, LaneFigures] = {}
    for mark, traffic in figures.flows.values():
        flows, (packets, octets) = found.get(mark, LaneFigures())
        found[mark] = LaneFigures(flows + 1, Traffic(packets + traffic.packets, octets + traffic.bytes))
    return found


def lane_rates(before: Figures, now: Figures) -> dict[int, Traffic]:
    """Return what each lane carries in a second, by its mark: of flows that were there, and of new ones."""
    seconds = max(now.moment - before.moment, 1e-3)
    found: dict[int, Traffic] = {}
    for number, (mark, traffic) in now.flows.items():
        earlier = before.flows.get(number, (mark, Traffic()))[1]
        rate, sum_ = traffic.since(earlier, seconds), found.get(mark, Traffic())
        found[mark] = Traffic(sum_.packets + rate.packets, sum_.bytes + rate.bytes)
    return found


def refused(
    chains: Mapping[ChainKey, Chain], counters: Mapping[ChainKey, tuple[tuple[int, int], ...]]
) -> dict[str, int]:
    """Return how many packets each wall of laneway's has refused or dropped, by the name in its rules' comments."""
    found: Counter[str] = Counter()
    for key, rules in chains.items():
        for rule, (packets, _) in zip(rules, counters.get(key, ()), strict=False):
            if isinstance(rule, ChainRule) and (isinstance(rule.target, Reject) or rule.target == Verdict.DROP):
                owner, _, what = rule.comment.removeprefix("lw:").partition(":")
                found[what if owner == "-" else f"{owner}: {what}"] += packets
    return dict(sorted(found.items()))
