"""What tenants send and get, as packets to ask a firewall of somebody else's about."""

from __future__ import annotations

from enum import IntEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from laneway.policy.names import bridge_name
from laneway.state.prefix import IPV6, leading, of_network

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from laneway.policy.model import PolicySet, Tenant
    from laneway.state.gates import GateChain, GateTable, GateTest
    from laneway.state.prefix import Prefix

_BRIDGED = "bridge "
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


class Holds(IntEnum):
    """Whether a condition is true of the packets that a probe stands for."""

    NO = 0
    MAYBE = 1  # of some, or nobody knows
    YES = 2


MOST_TENANTS = 50
"""Asked about one by one, of those that rules may tell apart."""


def probes(policy: PolicySet, table: GateTable, chain: GateChain) -> Iterator[Probe]:
    """Yield the packets of tenants that come through a chain of others."""
    interfaces = {each.name: each.interface for each in policy.uplinks}
    for tenant in _tenants(policy, table):
        # Frames come to a bridge by its ports, and which device an ingress hook is on nft(8) may not say.
        bridge = "" if table.name.startswith(_BRIDGED) or chain.hook == "ingress" else bridge_name(tenant.name)
        uplink = interfaces.get(tenant.uplinks[0], "") if tenant.uplinks and bridge else ""
        for family in table.families:
            nets = [of_network(each) for each in tenant.subnets if each.version == family]
            if nets:
                yield from _met(tenant, nets[0], bridge, uplink, chain.hook)


def _tenants(policy: PolicySet, table: GateTable) -> Iterator[Tenant]:
    """Yield the tenants that rules may tell apart, and of the others one of each kind: those are alike to them."""
    tests = [test for chain in table.chains for rule in chain.rules for test in rule.tests]
    patterns = {value for test in tests if test.of in ("iif", "oif") for value in test.values}
    prefixes = {each for test in tests if test.of in ("source", "to") for each in test.prefixes}
    named = [each for each in patterns if not each.startswith("lwb-*")]
    others: set[object] = set()
    apart = 0
    for tenant in policy.tenants:
        if _is_named(tenant, named, prefixes):
            apart += 1
            if apart <= MOST_TENANTS:
                yield tenant
        else:
            kind = (frozenset(net.version for net in tenant.subnets), tenant.host_access)
            if kind not in others:
                others.add(kind)
                yield tenant


def _is_named(tenant: Tenant, patterns: Iterable[str], prefixes: Iterable[Prefix]) -> bool:
    if any(fnmatchcase(bridge_name(tenant.name), each) for each in patterns):
        return True
    return any(overlap(of_network(net), each) for net in tenant.subnets for each in prefixes)


def _met(tenant: Tenant, net: Prefix, bridge: str, uplink: str, hook: str) -> Iterator[Probe]:
    """Yield what of a tenant's comes through a hook."""
    name, family, early = tenant.name, net.family, hook in ("prerouting", "ingress")
    late = hook == "postrouting"  # the link it came in by is not told there
    if early or late or hook == "forward":
        out = "" if early else uplink
        yield Probe(name, "what workloads send", "iif", family, "" if late else bridge, out, source=net, state="new")
        # What is translated back has the workload's address after prerouting alone.
        to = None if early else net
        back = "" if late else uplink
        yield Probe(name, "the answers", "oif", family, back, "" if early else bridge, to=to, state="established")
    if family == IPV6 and (early or hook == "input"):
        what = "how workloads find their gateway (neighbour discovery)"
        yield _neighbours(name, what, "iif", bridge)
    if family == IPV6 and (late or hook == "output"):
        yield _neighbours(name, "how workloads are found (neighbour discovery)", "oif", bridge)
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
        case "protocol" if probe.protocol:
            found = _sure(probe.protocol in test.values)
        case "type" if probe.type or probe.port:
            found = _sure(bool(_SPELLINGS.get(probe.type, frozenset()) & set(test.values)))
        case "port" if probe.type or probe.port:
            found = _sure(bool(probe.port) and any(_in_range(probe.port, each) for each in test.values))
        case _:
            found = Holds.MAYBE
    return found


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
