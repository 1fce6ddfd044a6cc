"""Warnings about classes: those never reached, and those that change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.policy.lint_boxes import Box, box, covering, covers, meets, ranges
from laneway.policy.lint_near import LOOKED_AT, Index
from laneway.policy.lint_ways import gateway_of
from laneway.policy.problems import Fault, Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from laneway.policy.model import Network, PolicySet, Tenant, TrafficClass, Uplink

    Found = Iterator[tuple[str, Fault]]
    Boxes = dict[int, Box]

FAMILIES = (4, 6)
OTHER_ALONE = {4: 'to = ["::/0"]', 6: 'to = ["0.0.0.0/0"]'}
"""What in `match` leaves a family out."""


def lint_classes(policy: PolicySet) -> Found:
    """Yield warnings about every tenant's classes."""
    uplinks = {each.name: each for each in policy.uplinks}
    for tenant in policy.tenants:
        if tenant.classes:
            yield from _of_tenant(tenant, uplinks)


def _of_tenant(tenant: Tenant, uplinks: Mapping[str, Uplink]) -> Found:
    boxes = [_boxes(tenant, each) for each in tenant.classes]
    index = Index(boxes)
    for number, each in enumerate(tenant.classes):
        if not boxes[number]:
            yield _matches_nothing(tenant, each)
            continue
        before = _taken_before(index, boxes, number)
        if before:
            yield _unreachable(tenant, each, [tenant.classes[other] for other in before])
            continue
        if each.uplink == tenant.uplinks[0] and not _shields(tenant.classes, index, boxes, number):
            yield _no_effect(tenant, each)
        if each.uplink is not None:
            yield from _refused(tenant, each, boxes[number], uplinks)


def _boxes(tenant: Tenant, each: TrafficClass) -> Boxes:
    found = {family: box(each.match, family, tenant.subnets) for family in FAMILIES}
    return {family: one for family, one in found.items() if one is not None}


def _taken_before(index: Index, boxes: Sequence[Boxes], number: int) -> list[int]:
    """Return the classes that take all packets of this one before it; none of them when they leave it some."""
    found: set[int] = set()
    for family, target in boxes[number].items():
        earlier = index.near(family, target, before=number)
        places = covering([boxes[other][family] for other in earlier], target)
        if not places:
            return []
        found.update(earlier[place] for place in places)
    return sorted(found)


def _shields(classes: Sequence[TrafficClass], index: Index, boxes: Sequence[Boxes], number: int) -> bool:
    """Tell whether packets of this class would otherwise be of a later one that does something else with them."""
    for family, one in boxes[number].items():
        later = index.near(family, one, after=number)
        if len(later) >= LOOKED_AT:
            return True  # there may be more: what is not known to change nothing is not said to
        for other in later:
            if classes[other].uplink != classes[number].uplink and meets(one, boxes[other][family]):
                return True
    return False


def _label(tenant: Tenant, each: TrafficClass) -> str:
    return f"tenant {tenant.name}, class {each.name}"


def _matches_nothing(tenant: Tenant, each: TrafficClass) -> tuple[str, Fault]:
    if each.match.to and all(_at_home(tenant, to) for to in each.match.to):
        message = f"{_label(tenant, each)}: matches nothing: what stays in the tenant's own subnets stays on its bridge"
        return "class-matches-nothing", Fault(message, Place.of(each.source, "match", "to"))
    message = f"{_label(tenant, each)}: matches nothing: no packet of the tenant comes from or goes to these prefixes"
    hint = f"the tenant's subnets are {', '.join(map(str, tenant.subnets))}"
    notes = (("note: its subnets are", Place.of(tenant.source, "subnets")),)
    key = "from" if each.match.from_ else "to"
    return "class-matches-nothing", Fault(message, Place.of(each.source, "match", key), hint, notes)


def _at_home(tenant: Tenant, to: Network) -> bool:
    return covers(ranges(tenant.subnets, to.version), ranges([to], to.version))


def _unreachable(tenant: Tenant, each: TrafficClass, before: Sequence[TrafficClass]) -> tuple[str, Fault]:
    names = " and ".join(other.name for other in before)
    message = f"{_label(tenant, each)}: never reached: all of its packets are taken by {names} before it"
    notes = tuple(("note: this comes first", Place.of(other.source, "match")) for other in before)
    hint = "the first class that matches wins: put it earlier, or take it out"
    return "class-unreachable", Fault(message, Place.of(each.source, "match"), hint, notes)


def _no_effect(tenant: Tenant, each: TrafficClass) -> tuple[str, Fault]:
    message = (
        f"{_label(tenant, each)}: changes nothing: {each.uplink} is where the tenant's traffic goes anyway, "
        "and no later class would send these packets elsewhere"
    )
    notes = ((f"note: {each.uplink} comes first", Place.of(tenant.source, "uplinks")),)
    return "class-no-effect", Fault(message, Place.of(each.source, "uplink"), "take it out", notes)


def _refused(tenant: Tenant, each: TrafficClass, boxes: Boxes, uplinks: Mapping[str, Uplink]) -> Found:
    name = each.uplink or ""
    for family in sorted(boxes):
        carriers = [other for other in tenant.uplinks if gateway_of(uplinks[other], family) is not None]
        # Of a family that none of its uplinks carries, or not its first, the tenant hears elsewhere.
        if not carriers or name in carriers or name == tenant.uplinks[0]:
            continue
        message = f"{_label(tenant, each)}: its IPv{family} packets are refused: {name} does not carry IPv{family}"
        hint = f"give {name} an IPv{family} gateway, or match the other family alone: {OTHER_ALONE[family]}"
        notes = ((f"note: {name} is here", Place.of(uplinks[name].source, on_key=True)),)
        yield "class-family-refused", Fault(message, Place.of(each.source, "uplink"), hint, notes)
