"""An uplink does not become another interface in the apply in which what goes by it changes."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from laneway.compile.names import CLASS_OF, FORWARD, src_set
from laneway.plan.conflicts.collision import Collision
from laneway.state.chains import ChainKey, ChainRule, Mark, OutInterface, XtTable
from laneway.state.prefix import FAMILIES
from laneway.state.routing import RuleAction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.lanes.allocate import Lanes
    from laneway.lanes.field import MarkField
    from laneway.state.host import HostState

_WAY_ROUND = "change the uplink's interface in one apply, and the tenant in the next"
_HOMES = frozenset(map(src_set, FAMILIES))


def uplink_renames(observed: HostState, desired: HostState, lanes: Lanes) -> Iterator[Collision]:
    """Yield the uplinks by which a tenant's packets could leave by a link that neither the old policy nor the new says.

    Routes, sets and chains do not change at one instant: meanwhile, what is still marked for the uplink that it had is
    routed to that uplink's new interface. Two uplinks that exchange their names are the plainest case.
    """
    before, after = (dict(_interfaces(state, lanes.field)) for state in (observed, desired))
    moved = {number for number in before.keys() & after.keys() if before[number] != after[number]}
    turning = _turning(observed, desired, lanes.field) if moved else set()
    has = {rule.mark for rule in desired.fib_rules if rule.action == RuleAction.LOOKUP}
    for tenant, owner in sorted(lanes.owners.items()):
        for uplink, number in lanes.uplinks.items():
            if owner in turning and number in moved and lanes.mark(tenant, uplink) in has:
                what = f"uplink {uplink} is {before[number]} on this host, and would be {after[number]}"
                yield Collision(
                    "uplink-rename", f"{what}, while tenant {tenant} changes what goes by which uplink", _WAY_ROUND
                )


def _interfaces(state: HostState, field: MarkField) -> Iterator[tuple[int, str]]:
    """Yield number and interface of the uplinks, as the walls say it; where somebody flushed those, the routes do."""
    walls = [state.chains.get(ChainKey(family, XtTable.FILTER, FORWARD), ()) for family in FAMILIES]
    for rule in chain(*walls):
        match rule:
            case ChainRule((OutInterface(name), Mark(mark, True)), _):
                yield field.uplink_of(mark), name
    if not any(walls):
        tables = {rule.target: rule.mark for rule in state.fib_rules if rule.action == RuleAction.LOOKUP and rule.mark}
        for key, route in state.routes.items():
            if key.to.length == 0 and route.dev and not key.netns and key.table in tables:
                yield field.uplink_of(tables[key.table]), route.dev


def _turning(observed: HostState, desired: HostState, field: MarkField) -> set[int]:
    """Return the owners on the host whose packets will have another first lane, or other classes."""
    marks = [(entry, mark) for entry, mark in observed.entries.items() if entry.set in _HOMES and mark is not None]
    turned = {field.owner_of(mark) for entry, mark in marks if desired.entries.get(entry, mark) != mark}
    chains = observed.chains.keys() | desired.chains.keys()
    changed = {key for key in chains if observed.chains.get(key) != desired.chains.get(key)}
    classes = {int(key.name.removeprefix(CLASS_OF)) for key in changed if key.name.startswith(CLASS_OF)}
    return turned | (classes & {field.owner_of(mark) for _, mark in marks})
