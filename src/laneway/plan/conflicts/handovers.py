"""All that may not pass from one owner to another in one change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.plan.conflicts.lane_handover import changed_marks, lane_handovers
from laneway.plan.conflicts.prefix_handover import prefix_handovers
from laneway.plan.conflicts.uplink_rename import uplink_renames

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.lanes.allocate import Lanes
    from laneway.plan.conflicts.collision import Collision
    from laneway.state.host import HostState


def handovers(observed: HostState, desired: HostState, lanes: Lanes) -> Iterator[Collision]:
    """Yield why the host that is `observed` cannot become the desired one in one change, the widest reason first.

    Marks divided anew make every lane another, and lanes divided anew every uplink: only the cause is told.
    """
    numbers = tuple(changed_marks(observed, lanes.field)) or tuple(lane_handovers(observed, desired))
    yield from numbers or uplink_renames(observed, desired, lanes)
    yield from prefix_handovers(observed, desired)
