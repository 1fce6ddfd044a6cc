"""What keeps tenants apart where others write nothing: in mangle FORWARD and POSTROUTING, around filter.

An ACCEPT of others before ours in FORWARD (container software puts one there with each network that it makes), or an
`iptables -F`, takes away what filter holds. What stands here holds on, in whichever variant of iptables that ACCEPT is:

* nothing reaches a tenant without a lane's mark or the crossing mark, and nothing of a tenant is forwarded without one:
  others' containers, guests and neighbours have no mark. What an operator lets in is in the chain LANEWAY-USER, of
  mangle as of filter. What has a mark comes from a tenant or by an uplink;
* from tenant to tenant there is the crossing mark alone, which `allow` and published ports give (marking.py). A flow
  that conntrack has learnt from a frame on one bridge (br_netfilter) does not lead to another bridge;
* a lane leaves by its own uplink or not at all, and by no other link;
* what leaves is translated. NAT looks at the first packet of a flow alone, and at a frame from port to port of a
  bridge as well, where nothing is translated: the flow would then leave with its private source. Until a first packet
  has left (it is confirmed) nat has not had its say, so that one may be as it is.

All of it is the same for one tenant and for thousands. A packet of a known flow that leaves meets three rules here, and
those that filter had for it before are there no more. REJECT is not to be had in mangle. So what begins, and may not,
is left for filter to refuse, and dropped on its way out (POSTROUTING) when filter is gone or somebody accepted it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.compile.beginning import BEGINS, beginnings
from laneway.compile.between import between
from laneway.compile.dispatch import ByOwner, Entry, dispatch
from laneway.compile.marking import TENANTS, TO_TENANTS
from laneway.compile.names import (
    BEGINNING,
    BETWEEN,
    BY_OTHER_LINK,
    FROM_UNMARKED,
    HOST_SERVICES,
    ISOLATE,
    LEAVING,
    NO_ANSWER,
    OWN_SOURCES,
    TO_UNMARKED,
    UNMARKED_ISOLATE,
    USER,
    comment,
    host_set,
    net_set,
)
from laneway.compile.nat import own_addresses, uplink_address
from laneway.lanes.field import HOST_OWNER, NO_UPLINK
from laneway.state.chains import (
    BaseJump,
    Bridged,
    Chain,
    ChainKey,
    ChainRule,
    Confirmed,
    CtDirection,
    CtState,
    FromPrefix,
    InInterface,
    InSet,
    Jump,
    JumpKey,
    Mark,
    OutInterface,
    SetConnMark,
    SetMark,
    ToLocal,
    Verdict,
    XtTable,
)
from laneway.state.prefix import FAMILIES, Prefix, leading, of_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.compile.scene import Resident, Scene, Way
    from laneway.state.host import HostState


def isolate(scene: Scene, state: HostState) -> None:
    """Add the chains of mangle FORWARD and POSTROUTING to `state`."""
    for family in FAMILIES:
        chains: dict[str, Chain] = {
            USER: (),
            ISOLATE: tuple(_isolate(scene)),
            UNMARKED_ISOLATE: _unmarked(),
            FROM_UNMARKED: _from_unmarked(),
            TO_UNMARKED: _to_unmarked(scene),
            BETWEEN: between(scene, family),
            BY_OTHER_LINK: _by_other_link(scene),
            **_leaving(scene, family),
            **beginnings(scene, family),
            HOST_SERVICES: tuple(_host_services(scene, family)),
            NO_ANSWER: _no_answer(scene),
        }
        state.chains.update({ChainKey(family, XtTable.MANGLE, name): rules for name, rules in chains.items()})
        state.jumps[JumpKey(family, XtTable.MANGLE, "FORWARD", ISOLATE)] = BaseJump()
        state.jumps[JumpKey(family, XtTable.MANGLE, "INPUT", HOST_SERVICES)] = BaseJump((TENANTS,))
        state.jumps[JumpKey(family, XtTable.MANGLE, "POSTROUTING", BEGINNING)] = BaseJump((BEGINS,))


def _isolate(scene: Scene) -> Iterator[ChainRule]:
    field = scene.lanes.field
    # What is translated and leaves by its uplink is most of all there is; then answers of published ports.
    for way in scene.ways:
        by_it = (OutInterface(way.uplink.interface), Mark(field.by_uplink(way.number)))
        yield ChainRule((*by_it, CtState(("SNAT",))), Verdict.RETURN)
    yield ChainRule((Mark(field.unmarked),), Jump(UNMARKED_ISOLATE, goto=True))
    for way in scene.ways:
        by_it = (OutInterface(way.uplink.interface), Mark(field.by_uplink(way.number)))
        yield ChainRule((*by_it, CtState(("DNAT",)), CtDirection("REPLY")), Verdict.RETURN)
    yield ChainRule((TENANTS, TO_TENANTS), Jump(BETWEEN, goto=True))
    # What crosses between tenants has no uplink: nobody outside answers in it as one of them.
    of_uplinks = Mark(field.by_uplink(NO_UPLINK), negated=True)
    for way in scene.ways:
        yield ChainRule((InInterface(way.uplink.interface), TO_TENANTS, of_uplinks), Verdict.RETURN)
    yield ChainRule((TO_TENANTS,), Jump(BY_OTHER_LINK, goto=True))
    # What begins is refused by filter, and if not there, on its way out (marking.py).
    known = CtState(("NEW",), negated=True)
    for way in scene.ways:
        # Somebody flushed our FIB rules: a lane leaves by its own uplink or not at all.
        other = (OutInterface(way.uplink.interface), known, Mark(field.by_uplink(way.number), negated=True))
        yield ChainRule(other, Verdict.DROP, comment(way.uplink.name, "pin"))
    for way in scene.ways:
        yield ChainRule((OutInterface(way.uplink.interface), TENANTS), Jump(LEAVING, goto=True))
    yield ChainRule((CtState(("NEW",)),), Verdict.RETURN, comment("-", "first"))
    yield ChainRule((TENANTS,), Verdict.DROP, comment("-", "elsewhere"))


def _unmarked() -> Chain:
    # Without comments: all that is forwarded in no lane, which is others', walks past both.
    return (
        ChainRule((TENANTS,), Jump(FROM_UNMARKED, goto=True)),
        ChainRule((TO_TENANTS,), Jump(TO_UNMARKED, goto=True)),
    )


def _from_unmarked() -> Chain:
    return (
        ChainRule((Bridged(),), Verdict.RETURN, comment("-", "bridged")),
        ChainRule((), Verdict.DROP, comment("-", "unmarked")),
    )


def _to_unmarked(scene: Scene) -> Chain:
    # The operator's ACCEPT there ends the walk, all else comes back. The mark tells the second layer, which knows
    # nothing of that chain, that the packet has been here (second_layer.py); it stays the packet's own.
    return (
        ChainRule((), SetMark(scene.lanes.field.let_in), comment("-", "let-in")),
        ChainRule((), Jump(USER)),
        ChainRule((), Verdict.DROP, comment("-", "between-tenants")),
    )


def _by_other_link(scene: Scene) -> Chain:
    """Return what drops the answers of somebody who speaks as whom a tenant asked, by a link that flow does not take.

    The host's own flows may take any link: a load balancer in the kernel (IPVS) has a tenant's part in them.
    """
    field = scene.lanes.field
    hosts = (Mark(field.by_owner(HOST_OWNER)), Mark(field.crossing, negated=True))
    return (
        ChainRule(hosts, Verdict.RETURN, comment("-", "host")),
        ChainRule((), Verdict.DROP, comment("-", "other-link")),
    )


def _leaving(scene: Scene, family: int) -> dict[str, Chain]:
    own = list(_own_sources(scene, family))
    rules = [
        ChainRule((Confirmed(negated=True),), Verdict.RETURN, comment("-", "first")),
        # A load balancer in the kernel (IPVS) translates by itself, and not as nat says it does.
        ChainRule((Mark(scene.lanes.field.by_owner(HOST_OWNER)),), Verdict.RETURN, comment("-", "host")),
    ]
    if own:
        rules.append(ChainRule((), Jump(OWN_SOURCES), comment("-", "own-snat")))
    for way in scene.ways:
        rules += _as_they_are(way, family)
    rules.append(ChainRule((), Verdict.DROP, comment("-", "untranslated")))
    return {LEAVING: tuple(rules), **(dispatch(OWN_SOURCES, own, ByOwner(scene.lanes.field)) if own else {})}


def _as_they_are(way: Way, family: int) -> Iterator[ChainRule]:
    """Yield what may leave by an uplink as it is: where nothing is translated all but what is for a tenant.

    And what has the uplink's address already, being a tenant's: nat calls no flow translated that keeps its source.
    """
    leaves = OutInterface(way.uplink.interface)
    note = comment(way.uplink.name, "untranslated")
    address, translated = uplink_address(way, family)
    if not translated:
        not_here = InSet(net_set(family), "dst", negated=True)
        yield ChainRule((leaves, Confirmed(), not_here), Verdict.RETURN, note)
    elif address is not None:
        yield ChainRule((FromPrefix(Prefix(address, len(address) * 8)), leaves), Verdict.RETURN, note)


def _own_sources(scene: Scene, family: int) -> Iterator[Entry]:
    """Yield for the tenants with source addresses of their own what the uplinks' rules would get wrong."""
    for resident in scene.residents:
        rules = tuple(_own_source_rules(resident, family))
        if rules:
            yield Entry(resident.owner, resident.owner, rules)


def _own_source_rules(resident: Resident, family: int) -> Iterator[ChainRule]:
    note = comment(resident.tenant.name, "snat")
    for lane, address in own_addresses(resident, family):
        matches = (OutInterface(lane.way.uplink.interface), Mark(lane.mark))
        if any(leading(address.packed, length) == leading(net, length) for net, length in resident.prefixes(family)):
            yield ChainRule((FromPrefix(of_address(address)), *matches), Verdict.ACCEPT, note)
        if not uplink_address(lane.way, family)[1]:
            yield ChainRule(matches, Verdict.DROP, comment(resident.tenant.name, "untranslated"))


def _host_services(scene: Scene, family: int) -> Iterator[ChainRule]:
    """Yield what a tenant's new flow to the host meets before filter says the same with an error.

    Where filter is gone, or others' ACCEPT comes first, the flow gets no answer (marking.py), and none of its packets
    but the first gets in: filter must see that one to refuse it.
    """
    field = scene.lanes.field
    refused = (Mark(field.by_uplink(0)), Mark(field.unmarked, negated=True), Mark(field.crossing, negated=True))
    yield ChainRule((*refused, CtDirection("ORIGINAL"), Confirmed()), Verdict.DROP, comment("-", "host"))
    yield ChainRule((CtState(("NEW",), negated=True),), Verdict.RETURN)
    others = (InSet(net_set(family), "dst"), ToLocal(on_arrival_link=True, negated=True))
    yield ChainRule(others, Jump(NO_ANSWER, goto=True), comment("-", "others-gateway"))
    yield ChainRule((InSet(host_set(family), "src,dst"),), Verdict.RETURN, comment("-", "host-access"))
    yield ChainRule((), Jump(NO_ANSWER, goto=True), comment("-", "host"))


def _no_answer(scene: Scene) -> Chain:
    note = comment("-", "no-answer")
    return (
        ChainRule((Confirmed(),), Verdict.DROP, comment("-", "host")),
        ChainRule((), SetConnMark(scene.lanes.field.by_uplink(0)), note),
    )
