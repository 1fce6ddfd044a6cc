"""What there is to draw: the policy with its numbers, as text, every part with an id of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from laneway.explain.origin import below
from laneway.lanes.leases import table_name
from laneway.policy.model import ONLINK
from laneway.state.prefix import IPV4
from laneway.state.routing import RuleAction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from laneway.lanes.allocate import Lanes
    from laneway.policy.model import Allow, PolicySet, Publish, Service, Source, Tenant, TrafficClass, Uplink, Workload
    from laneway.state.host import HostState
    from laneway.state.marks import FwMark

    PlaceOf = Callable[[Source], str]  # `file:line`


@dataclass(frozen=True, slots=True)
class UplinkView:
    """An uplink: an interface that leads out of the host, and a gateway for each family."""

    id: str
    name: str
    interface: str
    gateways: tuple[str, ...]
    seen_as: str
    place: str


@dataclass(frozen=True, slots=True)
class WorkloadView:
    """A network namespace and what it publishes."""

    id: str
    name: str
    addresses: tuple[str, ...]
    ports: tuple[str, ...]
    place: str


@dataclass(frozen=True, slots=True)
class LaneView:
    """A tenant by an uplink."""

    id: str
    uplink: str
    mark: str
    table: int
    table_name: str
    rule: str  # as `ip rule` shows it
    carries: tuple[str, ...]
    classes: tuple[str, ...]
    place: str


@dataclass(frozen=True, slots=True)
class RefusalView:
    """What classes of a tenant refuse."""

    id: str
    carries: tuple[str, ...]
    place: str
    sources: tuple[Source, ...] = ()  # of the classes


@dataclass(frozen=True, slots=True)
class TenantView:
    """An owner of workloads and lanes; the first of the lanes is the preferred one."""

    id: str
    name: str
    subnets: tuple[str, ...]
    host_access: str
    workloads: tuple[WorkloadView, ...]
    lanes: tuple[LaneView, ...]
    refusal: RefusalView | None
    place: str


@dataclass(frozen=True, slots=True)
class CrossingView:
    """What one tenant may reach of another."""

    id: str
    tenant: str  # who may
    other: str
    workload: str  # empty: every one of the other's
    services: str
    place: str
    source: Source | None = None

    @property
    def text(self) -> str:
        """Return what may be reached, and of which workload."""
        return f"{self.workload}: {self.services}" if self.workload else self.services


@dataclass(frozen=True, slots=True)
class Subject:
    """A host as its policy has it."""

    title: str
    uplinks: tuple[UplinkView, ...]
    tenants: tuple[TenantView, ...]
    crossings: tuple[CrossingView, ...]


def subject(title: str, policy: PolicySet, *, lanes: Lanes, state: HostState, place_of: PlaceOf) -> Subject:
    """Return what `policy` describes; `state` is what was compiled from it, with these `lanes`."""
    rules = {
        rule.mark: rule.priority
        for rule in state.fib_rules
        if rule.family == IPV4 and rule.action is RuleAction.LOOKUP and rule.mark is not None
    }
    numbers = _Numbers(lanes, rules, place_of)
    tenants = tuple(numbers.tenant(f"t{at}", tenant) for at, tenant in enumerate(policy.tenants))
    allowed = [(tenant.name, each) for tenant in policy.tenants for each in tenant.allow]
    crossings = tuple(_crossing(f"c{at}", name, each, place_of) for at, (name, each) in enumerate(allowed))
    uplinks = tuple(_uplink(f"u{at}", uplink, place_of) for at, uplink in enumerate(policy.uplinks))
    return Subject(title, uplinks, tenants, crossings)


@dataclass(frozen=True, slots=True)
class _Numbers:
    lanes: Lanes
    rules: Mapping[FwMark, int]
    place_of: PlaceOf

    def tenant(self, key: str, tenant: Tenant) -> TenantView:
        refusing = [each for each in tenant.classes if each.uplink is None]
        return TenantView(
            key,
            tenant.name,
            tuple(map(str, tenant.subnets)),
            services_text(tenant.host_access) or "nothing",
            tuple(self._workload(f"{key}w{at}", each) for at, each in enumerate(tenant.workloads)),
            tuple(self._lane(f"{key}l{at}", tenant, at) for at in range(len(tenant.uplinks))),
            self._refusal(f"{key}x", refusing) if refusing else None,
            self.place_of(tenant.source),
        )

    def _refusal(self, key: str, classes: Sequence[TrafficClass]) -> RefusalView:
        sources = tuple(each.source for each in classes)
        places = ", ".join(dict.fromkeys(map(self.place_of, sources)))
        return RefusalView(key, tuple(map(class_text, classes)), places, sources)

    def _workload(self, key: str, workload: Workload) -> WorkloadView:
        ports = tuple(publish_text(each) for each in workload.publish)
        addresses = tuple(map(str, workload.addresses))
        return WorkloadView(key, workload.name, addresses, ports, self.place_of(workload.source))

    def _lane(self, key: str, tenant: Tenant, at: int) -> LaneView:
        uplink = tenant.uplinks[at]
        mark = self.lanes.mark(tenant.name, uplink)
        table, name = self.lanes.table(mark), table_name(tenant.name, uplink)
        sent = [each for each in tenant.classes if each.uplink == uplink]
        sources = (below(tenant.source, "uplinks", at), *(each.source for each in sent))
        carries = [class_text(each) for each in sent]
        if at == 0:
            carries.append("everything else" if tenant.classes else "everything")
        elif not sent:
            published = any(workload.publish for workload in tenant.workloads)
            carries.append(f"answers to what comes in by {uplink}" if published else "unused: no class names it")
        return LaneView(
            key,
            uplink,
            str(mark),
            table,
            name,
            f"{self.rules[mark]}: fwmark {mark} lookup {name}" if mark in self.rules else "",
            tuple(carries),
            tuple(each.name for each in sent),
            ", ".join(dict.fromkeys(map(self.place_of, sources))),
        )


def _uplink(key: str, uplink: Uplink, place_of: PlaceOf) -> UplinkView:
    ways = [str(each) for each in (uplink.gateway4, uplink.gateway6) if each is not None]
    gateways = ("point-to-point",) if set(ways) == {ONLINK} else tuple(dict.fromkeys(ways))
    seen_as = ", ".join(map(str, uplink.snat)) or ("its own address" if uplink.masquerade else "the sender's address")
    return UplinkView(key, uplink.name, uplink.interface, gateways, seen_as, place_of(uplink.source))


def _crossing(key: str, tenant: str, allow: Allow, place_of: PlaceOf) -> CrossingView:
    services = services_text(allow.services)
    return CrossingView(key, tenant, allow.tenant, allow.workload or "", services, place_of(allow.source), allow.source)


def publish_text(publish: Publish) -> str:
    """Return a published port as a person reads it: the host's, and after the arrow the workload's if it differs."""
    address = (
        "" if publish.host is None else f"[{publish.host}]:" if publish.host.version != IPV4 else f"{publish.host}:"
    )
    inside = "" if publish.ports == publish.host_ports else f"→{publish.ports}"
    return f"{address}{publish.host_ports}{inside}/{publish.protocol}"


def services_text(services: tuple[Service, ...]) -> str:
    """Return services as the policy writes them."""
    return ", ".join(each.protocol if each.ports is None else f"{each.ports}/{each.protocol}" for each in services)


def class_text(each: TrafficClass) -> str:
    """Return a class's name and what it is about; of one that refuses also how."""
    how = f" ({each.action})" if each.action else ""
    return f"{each.name}: {' '.join(_match(each)) or 'everything'}{how}"


def _match(each: TrafficClass) -> Iterator[str]:
    match = each.match
    if match.protocol:
        yield match.protocol
    if match.ports:
        yield ",".join(map(str, match.ports))
    if match.from_:
        yield "from " + ", ".join(map(str, match.from_))
    if match.to:
        yield "to " + ", ".join(map(str, match.to))
    if match.dscp is not None:
        yield f"dscp {match.dscp}"
