"""Published ports and source addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.compile.dispatch import ByOwner, ByPort, Entry, dispatch
from laneway.compile.names import DNAT, OWN_SNAT, SNAT, comment, src_set
from laneway.compile.sets import PROTOCOL_NUMBERS
from laneway.compile.source_ports import shared_addresses, source_ports
from laneway.state.chain_text import canonical
from laneway.state.chains import (
    BaseJump,
    Chain,
    ChainKey,
    ChainRule,
    CtState,
    Dnat,
    InSet,
    Jump,
    JumpKey,
    Mark,
    Masquerade,
    Match,
    OutInterface,
    Protocol,
    Snat,
    ToGroup,
    ToLocal,
    ToPorts,
    ToPrefix,
    XtTable,
)
from laneway.state.flows import PORTED
from laneway.state.links import GROUP
from laneway.state.prefix import FAMILIES, IPV4, IPV6, of_address, prefix

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from laneway.compile.scene import Lane, Resident, Scene, Way
    from laneway.policy.model import Address, Publish
    from laneway.state.host import HostState

    _Ports = tuple[int, int] | None

LOOPBACK = {IPV4: prefix("127.0.0.0/8"), IPV6: prefix("::1/128")}


def translate(scene: Scene, state: HostState) -> None:
    """Add the nat chains to `state`."""
    marked = Mark(scene.lanes.field.unmarked, negated=True)
    for family in FAMILIES:
        chains = {**_dnat(scene, family), **_snat(scene, family)}
        state.chains.update({ChainKey(family, XtTable.NAT, name): rules for name, rules in chains.items()})
        # What mangle did not mark arrived by a way the tenant does not use: it is the host's own.
        state.jumps[JumpKey(family, XtTable.NAT, "PREROUTING", DNAT)] = BaseJump((marked, ToLocal()))
        own = (ToPrefix(LOOPBACK[family], negated=True), ToLocal())
        state.jumps[JumpKey(family, XtTable.NAT, "OUTPUT", DNAT)] = BaseJump(own)
        state.jumps[JumpKey(family, XtTable.NAT, "POSTROUTING", SNAT)] = BaseJump()


def _dnat(scene: Scene, family: int) -> dict[str, Chain]:
    entries: dict[str, list[Entry]] = {}
    for resident in scene.residents:
        for protocol, entry in _published(resident, family):
            entries.setdefault(protocol, []).append(entry)
    root, chains = [], {}
    for protocol in sorted(entries):
        name, number = f"{DNAT}.{protocol}", PROTOCOL_NUMBERS[protocol]
        root.append(ChainRule((Protocol(number),), Jump(name, goto=True), comment("-", "dispatch")))
        chains.update(dispatch(name, entries[protocol], ByPort(number)))
    return {DNAT: tuple(root), **chains}


def _published(resident: Resident, family: int) -> Iterator[tuple[str, Entry]]:
    for workload in resident.tenant.workloads:
        address = next((each.packed for each in workload.addresses if each.version == family), None)
        if address is None:
            continue
        note = comment(resident.tenant.name, f"publish-{workload.name}")
        for publish in workload.publish:
            if publish.host is None or publish.host.version == family:
                for entry in _translations(publish, address, note):
                    yield publish.protocol, entry


def _translations(publish: Publish, address: bytes, note: str) -> Iterator[Entry]:
    """Yield one rule for a range that keeps its numbers, else one a port."""
    on: tuple[Match, ...] = () if publish.host is None else (ToPrefix(of_address(publish.host)),)
    protocol = Protocol(PROTOCOL_NUMBERS[publish.protocol])
    first, last = publish.host_ports.first, publish.host_ports.last
    if publish.host_ports == publish.ports:
        rule = ChainRule((*on, protocol, ToPorts(first, last)), Dnat(address), note)
        yield Entry(first, last, (rule,))
        return
    for port in range(first, last + 1):
        inner = publish.ports.first + port - first
        rule = ChainRule((*on, protocol, ToPorts(port, port)), Dnat(address, inner), note)
        yield Entry(port, port, (rule,))


def _snat(scene: Scene, family: int) -> dict[str, Chain]:
    field = scene.lanes.field
    ports = source_ports(scene.policy)
    shared = dict.fromkeys(shared_addresses(scene.policy), ports)
    own = {resident.owner: _own_addresses(resident, family, shared) for resident in scene.residents}
    # By their uplinks: a flow that comes in does not walk the tree of those that go out.
    leaving = sorted({rule.leaving for rules in own.values() for rule in rules})
    marked = Mark(field.unmarked, negated=True)
    rules = [ChainRule((each, marked), Jump(OWN_SNAT), comment("-", "own-snat")) for each in leaving]
    for way in scene.ways:
        rules += _uplink_address(way, Mark(field.by_uplink(way.number)), family, ports)
    # A workload that reaches a port published by one of its own bridge: the answer must come back through here.
    # That is in the crossing lane; for what comes in by an uplink no set is asked.
    hairpin = (ToGroup(GROUP), Mark(field.crossing), CtState(("DNAT",)), InSet(src_set(family), "src,dst"))
    rules.append(ChainRule(hairpin, Masquerade(), comment("-", "hairpin")))
    entries = [
        Entry(owner, owner, tuple(rule for each in theirs for rule in each.rules))
        for owner, theirs in own.items()
        if theirs
    ]
    return {SNAT: tuple(rules), **(dispatch(OWN_SNAT, entries, ByOwner(field)) if entries else {})}


class _OwnAddress(NamedTuple):
    """What gives a tenant its own source address by one uplink."""

    leaving: OutInterface
    rules: tuple[ChainRule, ...]


def _own_addresses(resident: Resident, family: int, shared: Mapping[Address, _Ports]) -> list[_OwnAddress]:
    note = comment(resident.tenant.name, "snat")
    found = []
    for lane, address in own_addresses(resident, family):
        leaving = OutInterface(lane.way.uplink.interface)
        rules = _leaving_as(address.packed, (leaving, Mark(lane.mark)), shared.get(address), note)
        found.append(_OwnAddress(leaving, tuple(rules)))
    return found


def own_addresses(resident: Resident, family: int) -> Iterator[tuple[Lane, Address]]:
    """Yield the lanes in which a tenant has a source address of its own, and that."""
    lanes = {lane.way.uplink.name: lane for lane in resident.lanes}
    for uplink, address in resident.tenant.snat:
        if address.version == family and uplink in lanes:
            yield lanes[uplink], address


def uplink_address(way: Way, family: int) -> tuple[bytes | None, bool]:
    """Return the source address that an uplink gives, None the interface's, and whether it gives any."""
    address = next((each.packed for each in way.uplink.snat if each.version == family), None)
    return address, address is not None or way.uplink.masquerade


def _uplink_address(way: Way, by_it: Mark, family: int, ports: _Ports) -> Iterator[ChainRule]:
    address, translated = uplink_address(way, family)
    if translated:
        leaving = (OutInterface(way.uplink.interface), by_it)
        yield from _leaving_as(address, leaving, ports, comment(way.uplink.name, "snat"))


def _leaving_as(address: bytes | None, leaving: tuple[Match, ...], ports: _Ports, note: str) -> Iterator[ChainRule]:
    """Yield the rules that give a source address, None the interface's, and to what has ports one of `ports`."""
    for protocol in sorted(PORTED):
        if ports is not None:
            target = Masquerade(*ports) if address is None else Snat(address, *ports)
            yield canonical(ChainRule((*leaving, Protocol(protocol)), target, note))
    yield ChainRule(leaving, Masquerade() if address is None else Snat(address), note)
