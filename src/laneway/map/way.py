"""A packet's way on the map: which parts it touches, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from laneway.explain.hop import Verdict
from laneway.explain.report import BAD, FAINT, GOOD, lines
from laneway.map.subject import CrossingView

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.explain.explanation import Explanation
    from laneway.explain.places import Places
    from laneway.explain.report import Line
    from laneway.map.subject import Subject, TenantView
    from laneway.policy.model import Source

TONES = {GOOD: "good", BAD: "bad", FAINT: "faint"}

Said = tuple[tuple[str, str], ...]
"""A line in pieces: text and style."""


@dataclass(frozen=True, slots=True)
class Way:
    """What is lit, and the lines below the drawing."""

    lit: frozenset[str]
    said: tuple[Said, ...]

    @property
    def title(self) -> str:
        """Return the packet and what becomes of it, as plain text."""
        return "".join(text for text, _ in self.said[0])


def with_way(drawn: Subject, told: Explanation, places: Places) -> tuple[Subject, Way]:
    """Return the packet's way; a crossing that no `allow` is behind is added to what is drawn."""
    drawn, crossing = _with_crossing(drawn, told)
    lit = {*_ends(drawn, told), *_lane(drawn, told), *crossing}
    said = tuple(_said(line) for line in lines(told, places))
    return drawn, Way(frozenset(lit), said)


def _said(line: Line) -> Said:
    return tuple((part.text, TONES.get(part.tone, "")) for part in line if part.text)


def _ends(drawn: Subject, told: Explanation) -> Iterator[str]:
    """Yield who sends, who gets it, and the uplinks of packet and answer."""
    for name in (told.sender, told.by):
        tenant_name, _, workload_name = name.partition("/")
        for tenant in _named(drawn, tenant_name):
            yield tenant.id
            yield from (each.id for each in tenant.workloads if each.name == workload_name)
    ways = {told.uplink, told.reply_uplink}
    yield from (each.id for each in drawn.uplinks if each.name in ways)


def _lane(drawn: Subject, told: Explanation) -> Iterator[str]:
    """Yield the lane that takes the packet, or what of the tenant's refuses it."""
    behind = _behind(told)
    for tenant in _named(drawn, told.sender.partition("/")[0]):
        if tenant.refusal and not behind.isdisjoint(tenant.refusal.sources):
            yield tenant.refusal.id
            return
    lane = told.lane
    if lane is None or (told.verdict is not Verdict.DELIVERED and told.ground.origins.tenant_of(told.packet.to)):
        return  # at the wall between two tenants it was in no lane that leads anywhere
    for tenant in _named(drawn, lane.owner):
        yield tenant.id
        yield from (each.id for each in tenant.lanes if each.uplink == lane.uplink)


def _behind(told: Explanation) -> frozenset[Source]:
    """Return the places of the policy behind the packet's steps."""
    found = (told.ground.origins.of(hop) for hop in told.walk.forward.hops)
    return frozenset(each for each in found if each is not None)


def _with_crossing(drawn: Subject, told: Explanation) -> tuple[Subject, tuple[str, ...]]:
    sender, other = told.sender.partition("/")[0], told.by.partition("/")[0]
    met = [*_named(drawn, sender), *_named(drawn, other)]
    if len(met) != 2 or sender == other:  # noqa: PLR2004  two ends
        return drawn, ()
    behind = _behind(told)
    allowed = tuple(each.id for each in drawn.crossings if each.source in behind)
    if allowed:
        return drawn, allowed
    new = CrossingView(f"c{len(drawn.crossings)}", sender, other, told.by.partition("/")[2], "published", "")
    return replace(drawn, crossings=(*drawn.crossings, new)), (new.id,)


def _named(drawn: Subject, name: str) -> list[TenantView]:
    return [each for each in drawn.tenants if each.name == name]
