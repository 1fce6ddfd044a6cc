"""The ipsets that answer for all tenants at once."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from laneway.compile.names import CROSS, allow_set, apart_set, host_set, inside_set, net_set, publish_set, src_set
from laneway.state.prefix import FAMILIES, IPV4, IPV6, Prefix, of_address
from laneway.state.sets import IpSet, SetEntry, SetType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.compile.scene import Resident, Scene
    from laneway.policy.model import Publish, Service
    from laneway.state.host import HostState
    from laneway.state.marks import FwMark

PROTOCOL_NUMBERS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
ICMP = {IPV4: socket.IPPROTO_ICMP, IPV6: socket.IPPROTO_ICMPV6}
ECHO_REQUEST = {IPV4: 8, IPV6: 128}

HALVES = {
    # ipset refuses a prefix of length 0: two halves are everything.
    IPV4: (Prefix(bytes(4), 1), Prefix(b"\x80" + bytes(3), 1)),
    IPV6: (Prefix(bytes(16), 1), Prefix(b"\x80" + bytes(15), 1)),
}


def fill_sets(scene: Scene, state: HostState) -> None:
    """Add every set and its entries to `state`."""
    for family in FAMILIES:
        state.sets[src_set(family)] = IpSet(SetType.NET_IFACE, family, marks=True)
        state.sets[net_set(family)] = IpSet(SetType.NET, family, marks=False)
        state.sets[host_set(family)] = IpSet(SetType.NET_PORT, family, marks=False)
        state.sets[allow_set(family)] = IpSet(SetType.IP_PORT_NET, family, marks=True)
        state.sets[inside_set(family)] = IpSet(SetType.NET_PORT, family, marks=False)
        if any(each.tenant.isolate for each in scene.residents):
            state.sets[apart_set(family)] = IpSet(SetType.NET_IFACE, family, marks=False)
        for arrival in (CROSS, *(way.uplink.name for way in scene.ways)):
            state.sets[publish_set(family, arrival)] = IpSet(SetType.NET_PORT, family, marks=True)
    neighbours = {resident.tenant.name: resident for resident in scene.residents}
    for resident in scene.residents:
        state.entries.update(_membership(resident))
        state.entries.update(_host_access(resident))
        state.entries.update(_published(resident, scene.lanes.field.crossing))
        state.entries.update(_inside(resident))
        state.entries.update(_allowed(resident, neighbours, scene.lanes.field.crossing))


def _membership(resident: Resident) -> Iterator[tuple[SetEntry, FwMark | None]]:
    for family in FAMILIES:
        for prefix in resident.prefixes(family):
            yield SetEntry(src_set(family), prefix, resident.bridge), resident.lanes[0].mark
            yield SetEntry(net_set(family), prefix), None
            if resident.tenant.isolate:
                yield SetEntry(apart_set(family), prefix, resident.bridge), None


def _host_access(resident: Resident) -> Iterator[tuple[SetEntry, None]]:
    for family in FAMILIES:
        for prefix in resident.prefixes(family):
            for service in resident.tenant.host_access:
                for protocol, port in service_ports(service, family):
                    yield SetEntry(host_set(family), prefix, protocol=protocol, port=port), None


def service_ports(service: Service, family: int) -> Iterator[tuple[int, int]]:
    """Yield a service's (protocol number, port) pairs as ipset counts them: ICMP by type and code."""
    if service.ports is None:
        yield ICMP[family], ECHO_REQUEST[family] << 8
        return
    for port in range(service.ports.first, service.ports.last + 1):
        yield PROTOCOL_NUMBERS[service.protocol], port


def _published(resident: Resident, crossing: FwMark) -> Iterator[tuple[SetEntry, FwMark]]:
    """Yield what marks a packet to a published port: with the lane of its uplink, or from a tenant as crossing."""
    arrivals = [(CROSS, crossing), *((lane.way.uplink.name, lane.mark) for lane in resident.lanes)]
    for workload in resident.tenant.workloads:
        families = {address.version for address in workload.addresses}
        for publish in workload.publish:
            for family in sorted(families):
                for prefix in published_on(publish, family):
                    for port in range(publish.host_ports.first, publish.host_ports.last + 1):
                        protocol = PROTOCOL_NUMBERS[publish.protocol]
                        for arrival, mark in arrivals:
                            yield SetEntry(publish_set(family, arrival), prefix, "", protocol, port), mark


def _inside(resident: Resident) -> Iterator[tuple[SetEntry, None]]:
    """Yield what published ports lead to: the first address of a family that their workload has."""
    for workload in resident.tenant.workloads:
        for family in FAMILIES:
            address = next((each for each in workload.addresses if each.version == family), None)
            if address is None:
                continue
            for publish in workload.publish:
                if publish.host is None or publish.host.version == family:
                    protocol = PROTOCOL_NUMBERS[publish.protocol]
                    for port in range(publish.ports.first, publish.ports.last + 1):
                        yield SetEntry(inside_set(family), of_address(address), "", protocol, port), None


def published_on(publish: Publish, family: int) -> tuple[Prefix, ...]:
    """Return the host addresses of a family that a port is published on."""
    if publish.host is None:
        return HALVES[family]
    return (of_address(publish.host),) if publish.host.version == family else ()


def _allowed(
    resident: Resident, neighbours: dict[str, Resident], crossing: FwMark
) -> Iterator[tuple[SetEntry, FwMark]]:
    for allow in resident.tenant.allow:
        for family in FAMILIES:
            for to in _reached(neighbours[allow.tenant], allow.workload, family):
                for source in resident.prefixes(family):
                    for service in allow.services:
                        for protocol, port in service_ports(service, family):
                            yield SetEntry(allow_set(family), to, "", protocol, port, source), crossing


def _reached(neighbour: Resident, workload: str | None, family: int) -> Iterator[Prefix]:
    for each in neighbour.tenant.workloads:
        if workload in (None, each.name):
            yield from (of_address(address) for address in each.addresses if address.version == family)
