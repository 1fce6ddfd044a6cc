"""Lanes that are closed though their uplink is up: nothing else that is found says that tenants have no way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.doctor.finding import error
from laneway.state.closed import Why

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from laneway.doctor.finding import Finding
    from laneway.state.closed import ClosedLane

SHOWN = 5
"""Tenants named in one finding."""


def judge(closed: Sequence[ClosedLane]) -> Iterator[Finding]:
    """Yield a finding for each uplink whose lanes lost their default routes."""
    lost = [each for each in closed if each.why is Why.NO_ROUTE]
    for uplink in sorted({each.uplink for each in lost}):
        of_uplink = [each for each in lost if each.uplink == uplink]
        tenants = sorted({each.tenant for each in of_uplink})
        families = " and ".join(f"IPv{family}" for family in sorted({each.family for each in of_uplink}))
        named = ", ".join(tenants[:SHOWN]) + (f" and {len(tenants) - SHOWN} more" if len(tenants) > SHOWN else "")
        yield error(
            "lane-closed",
            f"uplink {uplink}: its lanes are closed in {families}, the default routes are gone ({named})",
            "a link that goes down takes its routes along and does not bring them back: what these tenants send is "
            "refused",
            "laneway apply --in-force",
        )
