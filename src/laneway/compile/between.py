"""What goes from one tenant's link to another's, or to the same: the crossing lane, and what stays at home."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.compile.names import apart_set, comment, src_set
from laneway.state.chains import Bridged, Chain, ChainRule, InSet, Mark, Verdict

if TYPE_CHECKING:
    from laneway.compile.scene import Scene


def between(scene: Scene, family: int) -> Chain:
    """Return the chain of what is forwarded between links of tenants, in mangle."""
    at_home = (InSet(src_set(family), "src,src"), InSet(src_set(family), "src,dst"))
    crossing = ChainRule((Mark(scene.lanes.field.crossing),), Verdict.RETURN)
    bridged = ChainRule((Bridged(),), Verdict.RETURN, comment("-", "bridged"))
    allowed: tuple[ChainRule, ...] = (crossing, bridged)
    if any(each.tenant.isolate for each in scene.residents):
        # What one workload sends another by the host, at a published port too: with br_netfilter that would be a frame
        # from port to port, which the bridge does not pass, and without it must be the same. Of ports of a bridge that
        # are others' the bridge passes frames.
        apart = ChainRule((InSet(apart_set(family), "src,dst"),), Verdict.DROP, comment("-", "isolate"))
        allowed = (bridged, apart, crossing)
    return (
        *allowed,
        # From one subnet of a tenant's to another: the source is at home on both links.
        ChainRule(at_home, Verdict.RETURN, comment("-", "home")),
        ChainRule((), Verdict.DROP, comment("-", "between-tenants")),
    )
