"""The filter: what tenants may begin with each other, with the host and with the world, and refusals that say so.

A rule of others before ours ends the walk through filter, and `iptables -F` takes all of it. What must hold then too
(which link a lane leaves by, that nothing reaches a tenant or leaves one without a lane, and that what leaves is
translated) is mangle's, in `laneway.compile.isolation`, and is not asked again here. Here it is said who may begin
what, with an error to the sender, which mangle cannot give (REJECT is filter's alone).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.compile.marking import NEIGHBOUR_DISCOVERY, TENANTS, TO_TENANTS
from laneway.compile.names import (
    FORWARD,
    INPUT,
    UNMARKED,
    USER,
    allow_set,
    comment,
    host_set,
    inside_set,
    net_set,
    src_set,
)
from laneway.compile.sets import ICMP
from laneway.lanes.field import HOST_OWNER
from laneway.state.chains import (
    BaseJump,
    Bridged,
    ChainKey,
    ChainRule,
    CtState,
    IcmpType,
    InInterface,
    InSet,
    Jump,
    JumpKey,
    Mark,
    OutInterface,
    Protocol,
    Reject,
    ToLocal,
    Verdict,
    XtTable,
)
from laneway.state.links import CONTAINER_LINKS
from laneway.state.prefix import FAMILIES, IPV4, IPV6

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.compile.scene import Scene
    from laneway.state.host import HostState

REFUSED = {IPV4: Reject("icmp-admin-prohibited"), IPV6: Reject("icmp6-adm-prohibited")}
"""A refusal the sender understands at once (RFC 1812 5.2.7.1, RFC 4443 3.1)."""

KNOWN = CtState(("RELATED", "ESTABLISHED"))
TRACKED = CtState(("NEW", "RELATED", "ESTABLISHED"))

NOT_A_ROUTER = "not-a-router"

BRIDGED = ChainRule((TENANTS, Bridged()), Verdict.ACCEPT, comment("-", "bridged"))
"""With bridge-nf-call-iptables, frames between two ports of one bridge are forwarded packets too."""


def wall(scene: Scene, state: HostState) -> None:
    """Add the filter chains to `state`."""
    for family in FAMILIES:
        state.chains[ChainKey(family, XtTable.FILTER, USER)] = ()
        chains = {FORWARD: _forward(scene, family), UNMARKED: _unmarked(scene, family), INPUT: _input(scene, family)}
        for name, rules in chains.items():
            state.chains[ChainKey(family, XtTable.FILTER, name)] = tuple(rules)
        state.jumps[JumpKey(family, XtTable.FILTER, "FORWARD", FORWARD)] = BaseJump()
        state.jumps[JumpKey(family, XtTable.FILTER, "INPUT", INPUT)] = BaseJump((TENANTS,))


def _forward(scene: Scene, family: int) -> Iterator[ChainRule]:
    field, refused = scene.lanes.field, REFUSED[family]
    yield ChainRule((), Jump(USER))
    yield ChainRule((Mark(field.in_no_lane),), Jump(UNMARKED, goto=True))
    # As early as can be: most packets get no further. By which link, and translated, mangle has asked of each.
    yield ChainRule((TENANTS, KNOWN), Verdict.ACCEPT)
    yield ChainRule((TO_TENANTS, KNOWN), Verdict.ACCEPT)
    for way in scene.ways:
        # Somebody flushed our FIB rules: a lane leaves by its own uplink or not at all.
        other = Mark(field.by_uplink(way.number), negated=True)
        leaves = OutInterface(way.uplink.interface)
        yield ChainRule((leaves, other), refused, comment(way.uplink.name, "pin"))
    yield BRIDGED
    # NAT leaves alone what conntrack cannot place: it would go out with its private source.
    yield ChainRule((TENANTS, CtState(("INVALID",))), Verdict.DROP, comment("-", "invalid"))
    # Others' DNAT may have had a published port before ours.
    published = (TO_TENANTS, CtState(("DNAT",)), InSet(inside_set(family), "dst,dst"))
    yield ChainRule(published, Verdict.ACCEPT, comment("-", "published"))
    if any(each.tenant.allow for each in scene.residents):
        hole = InSet(allow_set(family), "dst,dst,src")
        crossing = Mark(field.crossing)
        yield ChainRule((TO_TENANTS, crossing, hole), Verdict.ACCEPT, comment("-", "allow"))
    # From one subnet of a tenant's to another: the source is at home on the bridge that the packet leaves by.
    yield ChainRule((TO_TENANTS, InSet(src_set(family), "src,dst")), Verdict.ACCEPT, comment("-", "home"))
    yield ChainRule((TO_TENANTS,), refused, comment("-", "between-tenants"))
    yield ChainRule((InSet(net_set(family), "dst"),), refused, comment("-", "not-here"))
    # Others' rules have made it one for a network of theirs, which no lane knows: a container's published port.
    yield ChainRule((TENANTS, CtState(("DNAT",))), refused, comment("-", "to-others"))
    for way in scene.ways:
        leaves = OutInterface(way.uplink.interface)
        yield ChainRule((leaves, TENANTS, TRACKED), Verdict.ACCEPT, comment(way.uplink.name, "out"))
    # What bears a lane's mark and has got here goes where no lane leads. Not so the host's own: a load balancer in the
    # kernel (IPVS) takes part in the host's flows, and its servers' answers are forwarded.
    yield ChainRule((TENANTS,), refused, comment("-", "elsewhere"))
    hosts = Mark(field.by_owner(HOST_OWNER), negated=True)
    yield ChainRule((hosts,), refused, comment("-", "elsewhere"))


def _unmarked(scene: Scene, family: int) -> Iterator[ChainRule]:
    yield BRIDGED
    # Somebody flushed mangle: closed, not open.
    yield ChainRule((TENANTS,), Verdict.DROP, comment("-", "unmarked"))
    yield ChainRule((TO_TENANTS,), REFUSED[family], comment("-", "between-tenants"))
    if _turned_on(scene, family):
        yield from _as_no_router(scene, family)


def _as_no_router(scene: Scene, family: int) -> Iterator[ChainRule]:
    """Yield what keeps a host that did not forward before laneway from being a router between others' networks now.

    What others translate (a published container port), answers, and what stays on a bridge pass. Whoever is inside, a
    container in a network of a name of its own, learns at once that there is no way.
    """
    yield ChainRule((CtState(("RELATED", "ESTABLISHED", "DNAT")),), Verdict.RETURN)
    yield ChainRule((Bridged(),), Verdict.RETURN, comment("-", "bridged"))
    for way in scene.ways:
        note = comment(way.uplink.name, NOT_A_ROUTER)
        yield ChainRule((InInterface(way.uplink.interface),), Verdict.DROP, note)
    # They turn forwarding on by themselves, where laneway has not done it when they start.
    for name in CONTAINER_LINKS:
        yield ChainRule((InInterface(name),), Verdict.RETURN, comment("-", "containers"))
    yield ChainRule((), REFUSED[family], comment("-", NOT_A_ROUTER))


def _turned_on(scene: Scene, family: int) -> bool:
    key = "net/ipv4/ip_forward" if family == IPV4 else "net/ipv6/conf/all/forwarding"
    return scene.facts.sysctls.get(key) == "0"


def _input(scene: Scene, family: int) -> Iterator[ChainRule]:
    """Yield what tenants may reach on the host; the jump here is for their packets alone."""
    refused = REFUSED[family]
    if family == IPV6:
        for kind in NEIGHBOUR_DISCOVERY:
            neighbours = (Protocol(ICMP[IPV6]), IcmpType(kind))
            yield ChainRule(neighbours, Verdict.ACCEPT, comment("-", "neighbours"))
    yield ChainRule((KNOWN,), Verdict.ACCEPT, comment("-", "known-flow"))
    no_uplink = Mark(scene.lanes.field.by_uplink(0))
    yield ChainRule((no_uplink,), refused, comment("-", "no-lane"))
    others = (InSet(net_set(family), "dst"), ToLocal(on_arrival_link=True, negated=True))
    yield ChainRule(others, refused, comment("-", "others-gateway"))
    yield ChainRule((InSet(host_set(family), "src,dst"),), Verdict.ACCEPT, comment("-", "host-access"))
    yield ChainRule((), refused, comment("-", "host"))
