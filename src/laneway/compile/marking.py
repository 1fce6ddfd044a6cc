"""Which lane a packet is in: anti-spoofing in raw, the mark in mangle."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from laneway.compile.dispatch import ByOwner, Entry, dispatch
from laneway.compile.names import (
    CLASS,
    CLASS_OF,
    CROSS,
    FORGED,
    FROM,
    FROM_RELATED,
    IN,
    IN_INVALID,
    KNOWN,
    MARK,
    OUT,
    OUT_RESET,
    RAW,
    RELATED,
    TAKE,
    allow_set,
    comment,
    net_set,
    publish_set,
    src_set,
)
from laneway.compile.sets import ICMP, PROTOCOL_NUMBERS
from laneway.lanes.field import HOST_OWNER, NO_UPLINK
from laneway.policy.services import PROTOCOLS
from laneway.state.chain_text import canonical
from laneway.state.chains import (
    BaseJump,
    Chain,
    ChainKey,
    ChainRule,
    ConnMark,
    CtDirection,
    CtState,
    Dscp,
    FromGroup,
    FromLocal,
    FromPrefix,
    IcmpType,
    InInterface,
    InSet,
    Jump,
    JumpKey,
    MapMark,
    Mark,
    Match,
    Protocol,
    Resets,
    RestoreMark,
    SaveMark,
    SetConnMark,
    SetMark,
    ToGroup,
    ToLocal,
    ToPorts,
    ToPrefix,
    Verdict,
    XorMark,
    XtTable,
)
from laneway.state.links import GROUP
from laneway.state.marks import FwMark
from laneway.state.prefix import FAMILIES, IPV6, LINK_LOCAL, Prefix, of_network, prefix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.compile.scene import Resident, Scene
    from laneway.policy.model import ClassMatch, Network, TrafficClass
    from laneway.state.host import HostState

NEIGHBOUR_DISCOVERY = (133, 135, 136)
"""ICMPv6 types of router solicitation, neighbour solicitation and advertisement (RFC 4861)."""

TCP = PROTOCOL_NUMBERS["tcp"]
UNSPECIFIED = prefix("::/128")
TENANTS = FromGroup(GROUP)
TO_TENANTS = ToGroup(GROUP)

_LINK_LOCAL = ChainRule((FromPrefix(LINK_LOCAL),), Verdict.RETURN, comment("-", "link-local"))
"""Link-local traffic never leaves its link, so no lane can carry it."""


def mark_packets(scene: Scene, state: HostState) -> None:
    """Add the raw and mangle chains to `state`."""
    by_owner = [each for each in scene.residents if each.tenant.classes]
    for family in FAMILIES:
        chains: dict[ChainKey, Chain] = {
            ChainKey(family, XtTable.MANGLE, MARK): tuple(_mark(scene, family)),
            ChainKey(family, XtTable.MANGLE, KNOWN): _known(family),
            ChainKey(family, XtTable.MANGLE, RELATED): tuple(_related(scene, family)),
            ChainKey(family, XtTable.MANGLE, FROM_RELATED): _from_related(scene, family),
            ChainKey(family, XtTable.MANGLE, FROM): tuple(_from_tenants(scene, family)),
            ChainKey(family, XtTable.MANGLE, IN): tuple(_arrivals(scene, family)),
            ChainKey(family, XtTable.MANGLE, OUT): _answers(scene, family),
        }
        for name, rules in _anti_spoof(family).items():
            chains[ChainKey(family, XtTable.RAW, name)] = rules
        for name, rules in _class_chains(scene, by_owner, family).items():
            chains[ChainKey(family, XtTable.MANGLE, name)] = rules
        state.chains.update(chains)
        state.jumps[JumpKey(family, XtTable.RAW, "PREROUTING", RAW)] = BaseJump((TENANTS,))
        state.jumps[JumpKey(family, XtTable.MANGLE, "PREROUTING", MARK)] = BaseJump()
        state.jumps[JumpKey(family, XtTable.MANGLE, "INPUT", IN)] = BaseJump()
        state.jumps[JumpKey(family, XtTable.MANGLE, "OUTPUT", OUT)] = BaseJump()


def _anti_spoof(family: int) -> dict[str, Chain]:
    """Return what stops a source address that is not the tenant's who sends, before conntrack sees it."""
    note, stranger = comment("-", "anti-spoof"), InSet(src_set(family), "src,src", negated=True)
    if family != IPV6:
        return {RAW: (ChainRule((stranger,), Verdict.DROP, note),)}
    neighbours = comment("-", "neighbours")
    return {
        RAW: (ChainRule((stranger,), Jump(FORGED, goto=True), note),),
        FORGED: (
            ChainRule((FromPrefix(LINK_LOCAL),), Verdict.RETURN, neighbours),
            ChainRule((FromPrefix(UNSPECIFIED), Protocol(ICMP[IPV6])), Verdict.RETURN, neighbours),
            ChainRule((), Verdict.DROP, note),
        ),
    }


def _mark(scene: Scene, family: int) -> Iterator[ChainRule]:
    field = scene.lanes.field
    marked = Mark(field.unmarked, negated=True)
    yield ChainRule((), RestoreMark(field.mask))
    if family == IPV6:
        # A tenant that speaks as its gateway in a flow of the host's own.
        hosts = (Mark(field.by_owner(HOST_OWNER)), TENANTS, Mark(field.crossing, negated=True))
        yield ChainRule(hosts, Verdict.DROP, comment("-", "host-source"))
    # One rule for nearly all that tenants send in known flows.
    yield ChainRule((TENANTS, marked, CtState(("RELATED",), negated=True)), Verdict.RETURN)
    yield ChainRule((marked,), Jump(KNOWN, goto=True))
    yield ChainRule((TENANTS,), Jump(FROM, goto=True), comment("-", "tenants"))
    # What follows is about flows that begin. One that conntrack knows, and no mark goes with, is the host's or others'
    # and stays what it is.
    yield ChainRule((CtState(("NEW",), negated=True),), Verdict.RETURN)
    yield ChainRule((InInterface("lo"),), Verdict.RETURN, comment("-", "host"))
    if family == IPV6:
        yield _LINK_LOCAL
    # Somebody else who begins one as a tenant, by an uplink or by any other link: the tenant would be part of it.
    yield ChainRule((InSet(net_set(family), "src"),), Verdict.DROP, comment("-", "tenant-source"))
    for way in scene.ways:
        name = way.uplink.name
        if family == IPV6:
            # Somebody outside who speaks as the host: the answers of a published port would reach the host's services.
            as_host = (InInterface(way.uplink.interface), FromLocal())
            yield ChainRule(as_host, Verdict.DROP, comment(name, "host-source"))
        arrived = MapMark(publish_set(family, name), "dst,dst")
        yield ChainRule((InInterface(way.uplink.interface), ToLocal()), arrived, comment(name, "publish"))
    yield ChainRule((marked,), SaveMark(field.mask), comment("-", "remember"))


def _known(family: int) -> Chain:
    # A tenant's own get here only when they are related.
    return (
        ChainRule((CtState(("RELATED",)),), Jump(RELATED, goto=True), comment("-", "related")),
        _begun_by_another(family),
    )


def _begun_by_another(family: int) -> ChainRule:
    """Return what drops what somebody else says as a tenant in a flow that the tenant began, by an uplink or any link.

    Answers to it are not asked.
    """
    begins = (CtDirection("ORIGINAL"), InSet(net_set(family), "src"))
    return ChainRule(begins, Verdict.DROP, comment("-", "tenant-source"))


def _related(scene: Scene, family: int) -> Iterator[ChainRule]:
    """Yield what drops an ICMP error about a tenant's flow that comes by a link which that flow never takes."""
    field = scene.lanes.field
    note = comment("-", "related")
    yield ChainRule((TENANTS,), Jump(FROM_RELATED, goto=True), note)
    yield _begun_by_another(family)
    for way in scene.ways:
        yield ChainRule((InInterface(way.uplink.interface),), Verdict.RETURN, comment(way.uplink.name, "related"))
    # The host's own flows may take any link. What crosses between tenants has a mark of the host's, and takes theirs.
    hosts = (Mark(field.by_owner(HOST_OWNER)), Mark(field.crossing, negated=True))
    yield ChainRule(hosts, Verdict.RETURN, note)
    yield ChainRule((), Verdict.DROP, comment("-", "other-link"))


def _from_related(scene: Scene, family: int) -> Chain:
    """Return what drops a tenant's ICMP error about a flow of another's.

    The kernel takes an error to belong to the flow that it quotes, whoever sends it, so that it would go where that
    flow may. Its owner is the same as the sender's when their marks differ in no bit of it. Flows between tenants have
    one mark: errors about those pass.
    """
    field = scene.lanes.field
    note = comment("-", "related")
    others = Mark(FwMark(0, field.owner_mask), negated=True)
    return (
        ChainRule((ConnMark(field.crossing),), Verdict.RETURN, note),
        # The set does not know a link-local source, and leaves the mark alone then, which is the flow's own.
        ChainRule((), SetMark(field.unmarked), note),
        ChainRule((), MapMark(src_set(family), "src,src"), note),
        ChainRule((), XorMark(field.mask), note),
        ChainRule((others,), Verdict.DROP, note),
        ChainRule((), RestoreMark(field.mask), note),
    )


def _from_tenants(scene: Scene, family: int) -> Iterator[ChainRule]:
    field = scene.lanes.field
    not_refused = Mark(field.by_uplink(0), negated=True)
    # An ICMP error is part of the flow it quotes, which has no lane: it is the host's own, or others'. What the host
    # begins with a tenant has that tenant's mark from its first packet on, so that this one is forged.
    yield ChainRule((CtState(("RELATED",)),), Verdict.DROP, comment("-", "related"))
    if family == IPV6:
        yield _LINK_LOCAL
        # The gateway's address is in the tenant's prefix, but the host's: the answers would reach the host's own
        # services. Of IPv4 the kernel takes no such source (fib_validate_source).
        yield ChainRule((FromLocal(),), Verdict.DROP, comment("-", "host-source"))
    yield ChainRule((), MapMark(src_set(family), "src,src"), comment("-", "tenant"))
    if any(each.tenant.classes for each in scene.residents):
        yield ChainRule((), Jump(CLASS), comment("-", "classes"))
    if any(each.tenant.allow for each in scene.residents):
        yield ChainRule((not_refused,), MapMark(allow_set(family), "dst,dst,src"), comment("-", "allow"))
    to_published = MapMark(publish_set(family, CROSS), "dst,dst")
    yield ChainRule((not_refused, ToLocal()), to_published, comment("-", "publish"))
    marked = Mark(field.unmarked, negated=True)
    yield ChainRule((marked,), SaveMark(field.mask), comment("-", "remember"))


def _arrivals(scene: Scene, family: int) -> Iterator[ChainRule]:
    """Yield what remembers by which uplink somebody reached the host's own services.

    This is in INPUT, where others' DNAT has had its say: their forwarded flows are none of laneway's.
    """
    if family == IPV6:
        yield ChainRule((FromPrefix(LINK_LOCAL),), Verdict.RETURN, comment("-", "link-local"))
    yield ChainRule((Protocol(TCP), CtState(("INVALID",))), Jump(IN_INVALID, goto=True), comment("-", "invalid"))
    for way in scene.ways:
        new = (InInterface(way.uplink.interface), ConnMark(scene.lanes.field.unmarked), CtState(("NEW",)))
        mark = scene.lanes.host_mark(way.uplink.name)
        yield ChainRule(new, SetConnMark(mark), comment(way.uplink.name, "host"))


def _answers(scene: Scene, family: int) -> Chain:
    field = scene.lanes.field
    known = ConnMark(field.unmarked, negated=True)
    # What is for a tenant finds its way home in the crossing lane, which leads nowhere else: prefixes behind a workload
    # are in no table but the lanes', whose defaults are left when a bridge went down and came up. So do the host's own
    # errors: with the mark of the flow that they are about (nf_conntrack_attach) they would be refused as it was.
    refused = (ConnMark(field.by_uplink(NO_UPLINK)), known, ConnMark(field.crossing, negated=True))
    return (
        # What the host would say in a flow that a tenant may not have, errors apart (isolation.py).
        ChainRule((*refused, CtState(("ESTABLISHED",)), CtDirection("REPLY")), Verdict.DROP, comment("-", "host")),
        ChainRule((known,), RestoreMark(field.mask), comment("-", "answer")),
        ChainRule((InSet(net_set(family), "dst"),), SetMark(field.crossing), comment("-", "to-tenant")),
        ChainRule((Protocol(TCP), Resets()), Jump(OUT_RESET, goto=True), comment("-", "reset")),
    )


def _class_chains(scene: Scene, residents: list[Resident], family: int) -> dict[str, Chain]:
    if not residents:
        return {}
    field = scene.lanes.field
    entries: list[Entry] = []
    chains: dict[str, Chain] = {}
    for resident in residents:
        name = f"{CLASS_OF}{resident.owner}"
        own = (Mark(field.by_owner(resident.owner)),)
        leads = ChainRule(own, Jump(name, goto=True), comment(resident.tenant.name, "classes"))
        entries.append(Entry(resident.owner, resident.owner, (leads,)))
        chains[name] = _classes_of(scene, resident, family)
    chains.update(_takes(scene, residents))
    tree = dispatch(CLASS, entries, ByOwner(field))
    return {**tree, CLASS: (*_classless(family), *tree[CLASS]), **chains}


def _classless(family: int) -> Iterator[ChainRule]:
    """Yield what no class is about, so that none can refuse it."""
    if family == IPV6:
        for kind in NEIGHBOUR_DISCOVERY:
            neighbours = (Protocol(ICMP[IPV6]), IcmpType(kind))
            yield ChainRule(neighbours, Verdict.RETURN, comment("-", "neighbours"))
    # The answers to the host's own packets: those have no lane, so the first answer meets the classes.
    answer = (ToLocal(), CtState(("RELATED", "ESTABLISHED")))
    yield ChainRule(answer, Verdict.RETURN, comment("-", "answer"))
    # What stays at home passes here only where bridged frames do, or from one subnet of the tenant's to another.
    home = (InSet(src_set(family), "dst,src"), ToLocal(negated=True))
    yield ChainRule(home, Verdict.RETURN, comment("-", "home"))


def _classes_of(scene: Scene, resident: Resident, family: int) -> Chain:
    """Return the chain of a tenant's classes.

    MARK does not end the walk (iptables-extensions(8)), a goto does. To ask for the mark afterwards would not do: while
    uplinks change places the packet may have it from the set, and miss the classes further down.
    """
    rules: list[ChainRule] = []
    for each in resident.tenant.classes:
        note = comment(resident.tenant.name, f"class-{each.name}")
        target = Verdict.DROP if each.action == "drop" else Jump(f"{TAKE}{_uplink_of(scene, each)}", goto=True)
        rules += [canonical(ChainRule(matches, target, note)) for matches in class_matches(each.match, family)]
    return tuple(rules)


def _takes(scene: Scene, residents: list[Resident]) -> Iterator[tuple[str, Chain]]:
    """Yield for each uplink that a class is by, and for what is refused, the chain that sets those bits of the mark.

    The bits that say whose the packet is are there already, so the tenants can share it.
    """
    classes = [each for resident in residents for each in resident.tenant.classes if each.action != "drop"]
    for number, name in sorted({_uplink_of(scene, each): each.uplink or "-" for each in classes}.items()):
        rule = ChainRule((), SetMark(scene.lanes.field.by_uplink(number)), comment(name, "take"))
        yield f"{TAKE}{number}", (rule,)


def _uplink_of(scene: Scene, traffic_class: TrafficClass) -> int:
    return NO_UPLINK if traffic_class.uplink is None else scene.lanes.uplinks[traffic_class.uplink]


def class_matches(match: ClassMatch, family: int) -> Iterator[tuple[Match, ...]]:
    """Yield the rules' matches that together are one class's in a family; none, when it is about the other family."""
    sources, targets = _of_family(match.from_, family), _of_family(match.to, family)
    if (match.from_ and not sources) or (match.to and not targets):
        return
    fixed: list[Match] = [] if match.dscp is None else [Dscp(match.dscp)]
    protocol = [] if match.protocol is None else [Protocol(protocol_number(match.protocol, family))]
    ports = [ToPorts(each.first, each.last) for each in match.ports]
    nothing: tuple[tuple[Match, ...], ...] = ((),)
    froms = tuple((FromPrefix(each),) for each in sources) or nothing
    tos = tuple((ToPrefix(each),) for each in targets) or nothing
    for source, target, port in product(froms, tos, tuple((each,) for each in ports) or nothing):
        yield (*source, *target, *protocol, *port, *fixed)


def protocol_number(name: str, family: int) -> int:
    """Return the IP protocol number of a policy's protocol name or number; `icmp` is the family's own."""
    if name == "icmp":
        return ICMP[family]
    return PROTOCOLS[name] if name in PROTOCOLS else int(name)


def _of_family(networks: tuple[Network, ...], family: int) -> list[Prefix]:
    return [of_network(network) for network in networks if network.version == family]
