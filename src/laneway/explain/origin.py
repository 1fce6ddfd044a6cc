"""Which words of the policy an object of the kernel's comes from, and what a mark is called."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple

from laneway.compile.names import allow_set, apart_set, host_set, inside_set, net_set, src_set
from laneway.explain.hop import Hop, InChain, OnWay
from laneway.explain.packet import ICMP, TCP
from laneway.lanes.allocate import table_names
from laneway.lanes.field import HOST_OWNER, NO_UPLINK, NOBODY
from laneway.policy.model import Source
from laneway.policy.names import netns_name, veth_name
from laneway.state.chains import ChainRule, Dnat, ToPorts
from laneway.state.links import LinkKey
from laneway.state.prefix import FAMILIES
from laneway.state.routing import FibRule, RouteKind
from laneway.state.underlay import MainRoute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.lanes.allocate import Lanes
    from laneway.policy.model import PolicySet, Publish, Service, Tenant, Uplink, Workload
    from laneway.state.prefix import Prefix
    from laneway.state.routing import Route, RouteKey
    from laneway.state.sets import SetEntry

REFUSED = "refused"
"""What stands for the uplink in the mark of what a class refuses."""

PROTOCOLS = {"tcp": TCP, "udp": 17}

_INSIDE = frozenset(map(inside_set, FAMILIES))


def below(source: Source, *path: str | int) -> Source:
    """Return the place of something inside of `source`."""
    return Source(source.file, (*source.path, *path))


class LaneName(NamedTuple):
    """What a mark stands for; empty parts: the host, no uplink."""

    owner: str
    uplink: str

    def __str__(self) -> str:
        return f"{self.owner}.{self.uplink}" if self.uplink else self.owner


class Origins:
    """Looks from the kernel's objects back to the policy that they were compiled from."""

    def __init__(self, policy: PolicySet, lanes: Lanes) -> None:
        """Index the policy by name."""
        self.policy = policy
        self.lanes = lanes
        self.tenants = {each.name: each for each in policy.tenants}
        self.uplinks = {each.name: each for each in policy.uplinks}

    def lane(self, mark: int) -> LaneName | None:
        """Return the lane of a packet mark; None: it has none."""
        number = (mark & self.lanes.field.mask) >> self.lanes.field.shift
        owner, uplink = number >> self.lanes.field.uplink_bits, number & ((1 << self.lanes.field.uplink_bits) - 1)
        if owner == NOBODY:  # in no lane, whether or not the operator lets it in
            return None
        owners = {value: name for name, value in self.lanes.owners.items()}
        ways = {value: name for name, value in self.lanes.uplinks.items()}
        if owner == HOST_OWNER and uplink == NO_UPLINK:
            return LaneName("crossing", "")
        name = "host" if owner == HOST_OWNER else owners.get(owner, f"owner {owner}")
        return LaneName(name, ways.get(uplink, str(uplink)) if uplink else REFUSED)

    def table_name(self, table: int) -> str:
        """Return a table's name as `ip route` knows it, or its number."""
        return table_names(self.policy, self.lanes).get(table, f"table {table}")

    def uplink_of(self, link: str) -> Uplink | None:
        """Return the uplink whose interface a link is."""
        return next((each for each in self.policy.uplinks if each.interface == link), None)

    def of(self, hop: Hop) -> Source | None:
        """Return where the policy says what made this hop; None: it is laneway's own doing, or somebody else's."""
        match hop.thing:
            case InChain(rule=ChainRule() as rule):
                return self._rule(rule) or (self._entry(hop.entry) if hop.entry else None)
            case FibRule() as rule:
                return self._fib_rule(rule)
            case OnWay(key, route):
                return self._route(key, route) if not key.netns else self._workload(key.netns)
            case LinkKey(_, name):
                return self._link(name)
            case MainRoute(dev=dev):
                uplink = self.uplink_of(dev)
                return uplink.source if uplink else None
            case _:
                return None

    def _rule(self, rule: ChainRule) -> Source | None:
        """Return the element that a rule's comment names: `lw:<tenant or uplink>:<what>`."""
        _, _, rest = rule.comment.partition(":")
        owner, _, what = rest.partition(":")
        kind, _, name = what.partition("-")
        if owner in self.tenants and kind in {"class", "publish", "classes"}:
            return self._tenant_rule(self.tenants[owner], kind, name, rule)
        if owner in self.tenants and what == "snat":
            return below(self.tenants[owner].source, "snat")
        if owner in self.uplinks:
            # Where masquerading is not written, it is what an uplink does.
            key = ("snat",) if what == "snat" and self.uplinks[owner].snat else ()
            return below(self.uplinks[owner].source, *key)
        return None

    def _tenant_rule(self, tenant: Tenant, kind: str, name: str, rule: ChainRule) -> Source | None:
        if kind == "classes":
            return below(tenant.source, "classes")
        if kind == "class":
            return next((each.source for each in tenant.classes if each.name == name), None)
        workload = next((each for each in tenant.workloads if each.name == name), None)
        if workload is None:
            return None
        ports = next((each for each in rule.matches if isinstance(each, ToPorts)), None)
        for publish in workload.publish:
            if ports is not None and ports.first in publish.host_ports and isinstance(rule.target, Dnat):
                return publish.source
        return workload.source

    def _entry(self, entry: SetEntry) -> Source | None:
        for family in FAMILIES:
            if entry.set in {src_set(family), net_set(family)}:
                return self._prefix(entry.net)
            if entry.set == host_set(family):
                tenant = self.tenant_of(entry.net.address)
                return below(tenant.source, "host_access") if tenant else None
            if entry.set == apart_set(family):
                tenant = self.tenant_of(entry.net.address)
                return below(tenant.source, "isolate") if tenant else None
            if entry.set == allow_set(family):
                return self._allow(entry)
        publish = self.publish_of(entry)
        return publish[2].source if publish else None

    def tenant_of(self, address: bytes) -> Tenant | None:
        """Return the tenant whose prefixes hold an address."""
        return next((tenant for tenant, _, _ in self._holding(address)), None)

    def _holding(self, address: bytes) -> Iterator[tuple[Tenant, str, int]]:
        at = ip_address(address)
        for tenant in self.policy.tenants:
            yield from ((tenant, "subnets", number) for number, each in enumerate(tenant.subnets) if at in each)
            routes = ((number, each) for number, each in enumerate(tenant.routes) if each.via is not None)
            yield from ((tenant, "routes", number) for number, each in routes if at in each.to)

    def _prefix(self, prefix: Prefix) -> Source | None:
        return next((below(tenant.source, key, at) for tenant, key, at in self._holding(prefix.address)), None)

    def publish_of(self, entry: SetEntry) -> tuple[Tenant, Workload, Publish] | None:
        """Return what is published at the address, protocol and port of an entry, or leads there."""
        inside = entry.set in _INSIDE
        for tenant in self.policy.tenants:
            for workload in tenant.workloads:
                if inside and ip_address(entry.net.address) not in workload.addresses:
                    continue
                for each in workload.publish:
                    ports = each.ports if inside else each.host_ports
                    if PROTOCOLS[each.protocol] == entry.protocol and entry.port in ports:
                        return tenant, workload, each
        return None

    def _allow(self, entry: SetEntry) -> Source | None:
        owner = self.tenant_of(entry.net2.address) if entry.net2 else None
        other = self.tenant_of(entry.net.address)
        if owner is None or other is None:
            return None
        at = ip_address(entry.net.address)
        for allow in owner.allow:
            reached = [each for each in other.workloads if allow.workload in (None, each.name)]
            fits = any(covers(each, entry.protocol, entry.port) for each in allow.services)
            if allow.tenant == other.name and fits and any(at in each.addresses for each in reached):
                return allow.source
        return None

    def _fib_rule(self, rule: FibRule) -> Source | None:
        lane = self.lane(rule.mark.value) if rule.mark else None
        return self._lane(lane) if lane and not rule.inverted and rule.mark.mask == self.lanes.field.mask else None  # type: ignore[union-attr]

    def _lane(self, lane: LaneName) -> Source | None:
        tenant = self.tenants.get(lane.owner)
        if tenant is not None and lane.uplink in tenant.uplinks:
            return below(tenant.source, "uplinks", tenant.uplinks.index(lane.uplink))
        uplink = self.uplinks.get(lane.uplink)
        return uplink.source if uplink else None

    def _route(self, key: RouteKey, route: Route) -> Source | None:
        lane = self.lane((key.table - self.lanes.table_base) << self.lanes.field.shift)
        if lane is None:
            return None
        uplink = self.uplinks.get(lane.uplink)
        if key.to.length == 0:
            if uplink is None:
                return None
            return below(uplink.source, "gateways") if route.kind is RouteKind.UNICAST else uplink.source
        if uplink is not None and route.dev == uplink.interface:
            return uplink.source
        tenant = self.tenants.get(lane.owner)
        for each in tenant.routes if tenant else ():
            if each.to == ip_network((key.to.address, key.to.length)):
                return each.source
        return self._prefix(key.to)

    def _link(self, name: str) -> Source | None:
        for tenant in self.policy.tenants:
            for workload in tenant.workloads:
                if veth_name(tenant.name, workload.name) == name:
                    return workload.source
        uplink = self.uplink_of(name)
        return uplink.source if uplink else None

    def _workload(self, netns: str) -> Source | None:
        found = self.workload(netns)
        return found[1].source if found else None

    def workload(self, netns: str) -> tuple[Tenant, Workload] | None:
        """Return the tenant and the workload of a network namespace."""
        for tenant in self.policy.tenants:
            for workload in tenant.workloads:
                if netns_name(tenant.name, workload.name) == netns:
                    return tenant, workload
        return None


def covers(service: Service, protocol: int, port: int) -> bool:
    """Return whether a service is about a protocol and port, ICMP being about echo requests."""
    if service.ports is None:
        return protocol in ICMP.values()
    return PROTOCOLS[service.protocol] == protocol and port in service.ports
