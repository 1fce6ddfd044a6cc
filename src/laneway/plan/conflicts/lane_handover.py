"""A lane, and the marks that flows bear, do not pass from one owner to another in one apply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.lanes.leases import HOST_NAME, PATH, holders
from laneway.plan.conflicts.collision import Collision
from laneway.state.routing import RuleAction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.lanes.field import MarkField
    from laneway.state.host import HostState

_WAY_ROUND = "take an id away in one apply and give it to another in the next; for max_uplinks, `laneway destroy` first"


def changed_marks(observed: HostState, field: MarkField) -> Iterator[Collision]:
    """Yield that marks in use would be read as others, for the reason of `lane_handovers`.

    In a field without a common bit a known flow has no lane, and would be given its tenant's first one.
    """
    used = {rule.mark.mask for rule in observed.fib_rules if rule.action == RuleAction.LOOKUP and rule.mark}
    if used and field.mask not in used:
        message = f"host.marks is {min(used):#010x} on this host, and would be {field.mask:#010x}"
        yield Collision("marks-changed", message, "established flows keep the marks they have: `laneway destroy` first")


def lane_handovers(observed: HostState, desired: HostState) -> Iterator[Collision]:
    """Yield the lanes that are somebody's on the host and would be another's.

    Sets, chains and tables do not change at one instant: meanwhile packets with its mark would be taken for those of
    whoever has it next, and leave by that tenant's uplink, as that tenant's address.
    """
    before, after = (holders(state.files.get(PATH, "")) for state in (observed, desired))
    for number in sorted(before.keys() & after.keys()):
        old, new = before[number], after[number]
        if old != new:
            message = f"lane number {number} is {_named(old)}'s on this host, and would be {_named(new)}'s"
            yield Collision("lane-handover", message, _WAY_ROUND)


def _named(owner: str) -> str:
    return "the host" if owner == HOST_NAME else f"tenant {owner}"
