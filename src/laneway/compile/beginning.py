"""What is asked of new flows on their way out of the host, in mangle POSTROUTING: where nobody translates any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.compile.marking import TO_TENANTS
from laneway.compile.names import (
    BEGINNING,
    EXPECTED,
    HOSTS_FLOW,
    NOT_PUBLISHED,
    TO_TENANT,
    allow_set,
    comment,
    inside_set,
    net_set,
    src_set,
)
from laneway.compile.sets import ICMP
from laneway.lanes.field import HOST_OWNER
from laneway.state.chains import (
    Chain,
    ChainRule,
    ConnMark,
    CtState,
    FromLocal,
    InSet,
    Jump,
    MapMark,
    Mark,
    OutInterface,
    Protocol,
    RestoreMark,
    SaveMark,
    SetMark,
    Verdict,
    XorMark,
)
from laneway.state.marks import FwMark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.compile.scene import Scene

BEGINS = CtState(("ESTABLISHED",), negated=True)
"""What a helper of conntrack expects begins as related, and what others do not track is never more than untracked."""


def beginnings(scene: Scene, family: int) -> dict[str, Chain]:
    """Return the chains of flows that begin."""
    return {
        BEGINNING: tuple(_beginning(scene, family)),
        TO_TENANT: tuple(_to_tenant(scene, family)),
        HOSTS_FLOW: _hosts_flow(scene, family),
        NOT_PUBLISHED: _not_published(scene, family),
        EXPECTED: _expected(scene, family),
    }


def _beginning(scene: Scene, family: int) -> Iterator[ChainRule]:
    """Yield what is asked of new flows when filter has let them pass, or somebody before it.

    Filter refuses the same with an error, which mangle cannot. That the host's own flows to tenants are marked here
    and not in OUTPUT: here it is known which workload a published port leads to, and by which bridge.
    """
    field = scene.lanes.field
    yield ChainRule((TO_TENANTS,), Jump(TO_TENANT, goto=True))
    yield ChainRule((Mark(field.unmarked),), Verdict.RETURN)
    yield ChainRule((Mark(field.by_owner(HOST_OWNER)),), Verdict.RETURN)
    yield ChainRule((InSet(net_set(family), "dst"),), Verdict.DROP, comment("-", "not-here"))
    # Of errors it is said too, whose flow was translated.
    yield ChainRule((CtState(("DNAT",)), CtState(("NEW",))), Verdict.DROP, comment("-", "to-others"))
    for way in scene.ways:
        by_it = (OutInterface(way.uplink.interface), Mark(field.by_uplink(way.number)))
        yield ChainRule(by_it, Verdict.RETURN, comment(way.uplink.name, "out"))
    yield ChainRule((), Verdict.DROP, comment("-", "elsewhere"))


def _to_tenant(scene: Scene, family: int) -> Iterator[ChainRule]:
    field = scene.lanes.field
    yield ChainRule((CtState(("RELATED",)),), Jump(EXPECTED, goto=True), comment("-", "related"))
    own = (ConnMark(field.unmarked), FromLocal())
    yield ChainRule(own, Jump(HOSTS_FLOW, goto=True), comment("-", "host"))
    yield ChainRule((Mark(field.in_no_lane),), Verdict.RETURN)
    # A published port has the crossing mark. Where others send it on, by DNAT or without conntrack (NPTv6, stateless
    # rules of nftables), that leads to every tenant.
    elsewhere = InSet(inside_set(family), "dst,dst", negated=True)
    yield ChainRule((elsewhere,), Jump(NOT_PUBLISHED, goto=True), comment("-", "not-published"))


def _hosts_flow(scene: Scene, family: int) -> Chain:
    """Return what gives a flow of the host's own to a tenant that tenant's mark, before the first error about it."""
    note = comment("-", "host")
    return (
        ChainRule((), MapMark(src_set(family), "dst,dst"), note),
        ChainRule((), SaveMark(scene.lanes.field.mask), note),
    )


def _not_published(scene: Scene, family: int) -> Chain:
    """Return what becomes of flows to a tenant where no published port leads: what filter says, too.

    The host's own flow has its tenant's mark when its first packet is sent again. One that a process of the host sends
    with another's source (a transparent proxy) has none, unlike all that is forwarded.
    """
    field = scene.lanes.field
    balanced = (Mark(field.by_owner(HOST_OWNER)), Mark(field.crossing, negated=True))
    return (
        ChainRule((FromLocal(),), Verdict.RETURN, comment("-", "host")),
        ChainRule((ConnMark(field.unmarked),), Verdict.RETURN, comment("-", "host")),
        ChainRule((InSet(allow_set(family), "dst,dst,src"),), Verdict.RETURN, comment("-", "allow")),
        ChainRule((InSet(src_set(family), "src,dst"),), Verdict.RETURN, comment("-", "home")),
        # By a load balancer in the kernel (IPVS), which takes part in flows that somebody outside has with the host.
        ChainRule(balanced, Verdict.RETURN, comment("-", "host")),
        ChainRule((), Verdict.DROP, comment("-", "not-published")),
    )


def _expected(scene: Scene, family: int) -> Chain:
    """Return what drops a flow that a helper of conntrack (FTP, TFTP, SIP) expects and that leads to another tenant.

    It has the mark of the flow that it is expected by, and filter lets what is related pass: so it would go to whatever
    tenant the helper was told of, or others' DNAT sends it to. Of flows between tenants the mark does not say whose
    they are: what is expected by them is judged like one that begins by itself. An ICMP error gets to an end of the
    flow that it quotes or nowhere (nf_conntrack_inet_error).
    """
    field = scene.lanes.field
    note = comment("-", "related")
    others = Mark(FwMark(0, field.owner_mask), negated=True)
    return (
        ChainRule((Protocol(ICMP[family]),), Verdict.RETURN, note),
        ChainRule((FromLocal(),), Verdict.RETURN, comment("-", "host")),
        ChainRule((Mark(field.in_no_lane),), Verdict.RETURN),
        ChainRule((Mark(field.crossing),), Jump(NOT_PUBLISHED, goto=True), note),
        # Where the set knows nobody it leaves the mark alone, which would be the flow's own.
        ChainRule((), SetMark(field.unmarked), note),
        ChainRule((), MapMark(src_set(family), "dst,dst"), note),
        ChainRule((), XorMark(field.mask), note),
        ChainRule((others,), Verdict.DROP, comment("-", "between-tenants")),
        ChainRule((), RestoreMark(field.mask), note),
    )
