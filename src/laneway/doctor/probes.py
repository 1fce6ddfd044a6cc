"""What tenants send and get, as packets to ask a firewall of somebody else's about."""

from __future__ import annotations

from enum import IntEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from laneway.policy.names import bridge_name, veth_name
from laneway.state.prefix import IPV6, leading, of_network

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from laneway.policy.model import PolicySet, Tenant
    from laneway.state.gates import GateChain, GateTable, GateTest
    from laneway.state.prefix import Prefix

_BRIDGED = "bridge "
_AT_DEVICES = frozenset({"ingress", "egress"})
_MARKED = frozenset({"forward", "postrouting"})
"""Hooks at which a packet of a tenant's has the mark of its lane."""

_FIND = "how workloads find their gateway"
_FOUND = "how workloads are found"
_TRANSLATED = frozenset({"dnat", "snat"})
_ICMP = "ipv6-icmp"
_SPELLINGS = {"nd-neighbor-solicit": frozenset({"nd-neighbor-solicit", "135", "neighbour-solicitation"})}
"""Types of ICMP as nft(8) and iptables write them."""


class Probe(NamedTuple):
    """Packets of one tenant that are alike; what is empty may be anything."""

    tenant: str
    what: str
    ours: str  # "iif" or "oif": on which side laneway's link is
    family: int
    iif: str = ""
    oif: str = ""
    source: Prefix | None = None
    to: Prefix | None = None
    state: str = ""
    protocol: str = ""
    type: str = ""
    port: str = ""
    marks: int = 0  # the field that the lane's mark is in, where the packet bears it
    uplink: str = ""  # the policy's name for the one it goes by


class Holds(IntEnum):
    """Whether a condition is true of the packets that a probe stands for."""

    NO = 0
    MAYBE = 1  # of some, or nobody knows
    YES = 2


MOST_TENANTS = 50
"""Asked about one by one, of those that rules may tell apart."""


def probes(policy: PolicySet, table: GateTable, chain: GateChain) -> Iterator[Probe]:
    """Yield the packets of tenants that come through a chain of others."""
    apart = _uplinks_apart(policy, table)
    for tenant in _tenants(policy, table):
        # Frames come to a bridge by its ports.
        bridge = "" if table.name.startswith(_BRIDGED) else bridge_name(tenant.name)
        ways = [each for each in policy.uplinks if each.name in tenant.uplinks] if apart else []
        first = [each for each in policy.uplinks if each.name in tenant.uplinks[:1]]
        for family in table.families:
            nets = [of_network(each) for each in tenant.subnets if each.version == family]
            for uplink in ways or first if nets else ():
                met = _at_device if chain.hook in _AT_DEVICES else _met
                for probe in met(tenant, nets[0], bridge, uplink.interface if bridge else "", chain):
                    marks = policy.host.marks if chain.hook in _MARKED else 0
                    yield probe._replace(marks=marks, uplink=uplink.name)


def _uplinks_apart(policy: PolicySet, table: GateTable) -> bool:
    """Return whether the rules may tell the uplinks apart; where they do not, one stands for all."""
    tests = [test for chain in table.chains for rule in chain.rules for test in rule.tests]
    patterns = {value for test in tests if test.of in ("iif", "oif") for value in test.values}
    devices = any(chain.devices for chain in table.chains)
    return devices or any(fnmatchcase(each.interface, value) for each in policy.uplinks for value in patterns)


def _tenants(policy: PolicySet, table: GateTable) -> Iterator[Tenant]:
    """Yield the tenants that rules may tell apart, and of the others one of each kind: those are alike to them."""
    tests = [test for chain in table.chains for rule in chain.rules for test in rule.tests]
    patterns = {value for test in tests if test.of in ("iif", "oif") for value in test.values}
    prefixes = {each for test in tests if test.of in ("source", "to") for each in test.prefixes}
    named = [each for each in patterns if not each.startswith("lwb-*")]
    named += [device for chain in table.chains for device in chain.devices]
    others: set[object] = set()
    apart = 0
    for tenant in policy.tenants:
        if _is_named(tenant, named, prefixes):
            apart += 1
            if apart <= MOST_TENANTS:
                yield tenant
        else:
            kind = (frozenset(net.version for net in tenant.subnets), tenant.host_access, frozenset(tenant.uplinks))
            if kind not in others:
                others.add(kind)
                yield tenant


def _links(tenant: Tenant) -> Iterator[str]:
    yield bridge_name(tenant.name)
    yield from (veth_name(tenant.name, each.name) for each in tenant.workloads)


def _is_named(tenant: Tenant, patterns: Iterable[str], prefixes: Iterable[Prefix]) -> bool:
    if any(fnmatchcase(link, each) for link in _links(tenant) for each in patterns):
        return True
    return any(overlap(of_network(net), each) for net in tenant.subnets for each in prefixes)


def _at_device(tenant: Tenant, net: Prefix, _: str, uplink: str, chain: GateChain) -> Iterator[Probe]:
    """Yield what of a tenant's comes to, or leaves by, the links that a chain is at, or any where they are not told."""
    name, family = tenant.name, net.family
    on_link = not chain.devices or any(each in chain.devices for each in _links(tenant))
    on_uplink = not chain.devices or uplink in chain.devices
    comes = chain.hook == "ingress"
    if on_link:
        way = "iif" if comes else "oif"
        what = "what workloads send" if comes else "the answers"
        yield Probe(name, what, way, family, source=net if comes else None, to=None if comes else net)
        if family == IPV6:
            yield _neighbours(name, f"{_FIND if comes else _FOUND} (neighbour discovery)", way, "")
    if on_uplink:
        yield Probe(name, "the answers" if comes else "what workloads send", "oif" if comes else "iif", family)


def _met(tenant: Tenant, net: Prefix, bridge: str, uplink: str, chain: GateChain) -> Iterator[Probe]:
    """Yield what of a tenant's comes through a hook."""
    hook = chain.hook
    name, family, early = tenant.name, net.family, hook == "prerouting"
    late = hook == "postrouting"  # the link it came in by is not told there
    if early or late or hook == "forward":
        out = "" if early else uplink
        yield Probe(name, "what workloads send", "iif", family, "" if late else bridge, out, source=net, state="new")
        # What is translated back has the workload's address after prerouting alone.
        to = None if early else net
        back = "" if late else uplink
        yield Probe(name, "the answers", "oif", family, back, "" if early else bridge, to=to, state="established")
    if family == IPV6 and (early or hook == "input"):
        yield _neighbours(name, f"{_FIND} (neighbour discovery)", "iif", bridge)
    if family == IPV6 and (late or hook == "output"):
        yield _neighbours(name, f"{_FOUND} (neighbour discovery)", "oif", bridge)
    for service in tenant.host_access if early or hook == "input" else ():
        if service.ports is not None:
            what, port = f"host_access to {service.ports}/{service.protocol}", str(service.ports.first)
            yield Probe(name, what, "iif", family, bridge, protocol=service.protocol, port=port, state="new")


def _neighbours(name: str, what: str, ours: str, bridge: str) -> Probe:
    """Return a neighbour solicitation; as much as a workload's kernel asks, the host's does."""
    probe = Probe(name, what, ours, IPV6, protocol=_ICMP, type="nd-neighbor-solicit", state="untracked")
    return probe._replace(iif=bridge) if ours == "iif" else probe._replace(oif=bridge)


def holds(probe: Probe, tests: Iterable[GateTest]) -> Holds:
    """Return whether all tests of a rule are true of a probe."""
    return min((_holds(probe, each) for each in tests), default=Holds.YES)


def _holds(probe: Probe, test: GateTest) -> Holds:
    found = _as_asked(probe, test)
    return Holds(Holds.YES - found) if test.negated else found


def _as_asked(probe: Probe, test: GateTest) -> Holds:
    match test.of:
        case "family":
            found = _sure(str(probe.family) in test.values)
        case "iif" | "oif":
            link = probe.iif if test.of == "iif" else probe.oif
            found = _sure(any(fnmatchcase(link, each) for each in test.values)) if link else Holds.MAYBE
        case "source" | "to":
            found = _inside(probe.source if test.of == "source" else probe.to, probe.family, test.prefixes)
        case "state" if not _TRANSLATED & set(test.values):
            found = _sure(probe.state in test.values)
        case "mark" if probe.marks:
            found = max((_is_mark(probe.marks, each) for each in test.values), default=Holds.NO)
        case "protocol" if probe.protocol:
            found = _sure(probe.protocol in test.values)
        case "type" if probe.type or probe.port:
            found = _sure(bool(_SPELLINGS.get(probe.type, frozenset()) & set(test.values)))
        case "port" if probe.type or probe.port:
            found = _sure(bool(probe.port) and any(_in_range(probe.port, each) for each in test.values))
        case _:
            found = Holds.MAYBE
    return found


def _is_mark(marks: int, text: str) -> Holds:
    """Return whether a lane's mark, which is not 0 within `marks`, may be the one that is asked for."""
    value, _, mask = text.partition("/")
    whole = not marks & ~(int(mask, 16) if mask else marks)
    return Holds.NO if whole and not int(value, 16) & marks else Holds.MAYBE


def _in_range(port: str, ports: str) -> bool:
    first, _, last = ports.partition("-")
    return first.isdigit() and int(first) <= int(port) <= int(last or first)


def _sure(true: bool) -> Holds:  # noqa: FBT001  a condition
    return Holds.YES if true else Holds.NO


def _inside(net: Prefix | None, family: int, prefixes: Iterable[Prefix]) -> Holds:
    """Return whether addresses are in one of some prefixes; of an address that may be any, only `any` is sure."""
    alike = [each for each in prefixes if each.family == family]
    if any(not each.length or (net and each.length <= net.length and overlap(net, each)) for each in alike):
        return Holds.YES
    if net is None:
        return Holds.MAYBE if alike else Holds.NO
    return Holds.MAYBE if any(overlap(net, each) for each in alike) else Holds.NO


def overlap(one: Prefix, other: Prefix) -> bool:
    """Return whether two prefixes have an address in common."""
    length = min(one.length, other.length)
    return one.family == other.family and leading(one.address, length) == leading(other.address, length)
