"""TCP segments that conntrack calls INVALID (nf_conntrack_proto_tcp.c), and that nat leaves with the host's address.

The host has no such connection. It would end the one that it knows nothing of, with a reset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.compile.marking import TENANTS, TO_TENANTS
from laneway.compile.names import CROSS, IN_INVALID, OUT_RESET, comment, publish_set
from laneway.state.chains import (
    ChainKey,
    ChainRule,
    CtState,
    InInterface,
    InSet,
    OutInterface,
    Verdict,
    XtTable,
)
from laneway.state.prefix import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.compile.scene import Scene
    from laneway.state.host import HostState


def end_no_connection(scene: Scene, state: HostState) -> None:
    """Add to `state` what keeps the host from ending connections of workloads."""
    for family in FAMILIES:
        state.chains[ChainKey(family, XtTable.MANGLE, IN_INVALID)] = tuple(_out_of_window(scene, family))
        state.chains[ChainKey(family, XtTable.MANGLE, OUT_RESET)] = tuple(_resets(scene))


def _out_of_window(scene: Scene, family: int) -> Iterator[ChainRule]:
    """Yield what drops such segments to published ports, by the links by which these are reached."""
    for way in scene.ways:
        published = InSet(publish_set(family, way.uplink.name), "dst,dst")
        matches = (InInterface(way.uplink.interface), published)
        yield ChainRule(matches, Verdict.DROP, comment(way.uplink.name, "invalid"))
    published = InSet(publish_set(family, CROSS), "dst,dst")
    yield ChainRule((TENANTS, published), Verdict.DROP, comment("-", "invalid"))


def _resets(scene: Scene) -> Iterator[ChainRule]:
    """Yield what drops resets of the host's about no connection of its own: those conntrack knows.

    By its port nothing tells an answer to what a tenant began, and that left with the uplink's address, from what is
    for the host.
    """
    for way in scene.ways:
        matches = (OutInterface(way.uplink.interface), CtState(("INVALID",)))
        yield ChainRule(matches, Verdict.DROP, comment(way.uplink.name, "reset"))
    yield ChainRule((TO_TENANTS, CtState(("INVALID",))), Verdict.DROP, comment("-", "reset"))
