"""The second layer of isolation: a native table of nftables that keeps tenants apart when the first layer is gone.

All else that keeps tenants apart stands in iptables, where other software flushes tables, reloads its own or puts an
ACCEPT first. In a table of its own nobody's `iptables -F` and nobody's ACCEPT counts: an accept ends one base chain
alone (nft(8)). It asks the packet as it leaves the host, after NAT, and what the host is about to get:

* between tenants there is the crossing mark alone, and what stays on a tenant's own bridge;
* what a tenant sends leaves by its lane's uplink, and translated, or not at all;
* what reaches a tenant has a mark, but for what the host sends itself, or the operator let in (marked so in mangle);
* a tenant reaches on the host what host_access says.

The number of rules is that of uplinks; of tenants there are elements of sets, which are looked up by a hash. The first
layer refuses all of this already, and with errors where it can: here is nothing but a drop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.compile.marking import NEIGHBOUR_DISCOVERY
from laneway.compile.nat import own_addresses, uplink_address
from laneway.compile.plumbing import gateway_of
from laneway.compile.sets import ICMP, service_ports
from laneway.lanes.field import HOST_OWNER, NO_UPLINK
from laneway.state.links import GROUP
from laneway.state.nft import (
    GATEWAYS,
    HOST_PING,
    HOST_PORTS,
    SAME_BRIDGE,
    TABLE,
    UNCHANGED,
    AnyBit,
    Compare,
    Field,
    Member,
    Named,
    NftChain,
    NftElement,
    NftRule,
    NftTable,
)
from laneway.state.prefix import FAMILIES, IPV4, IPV6, leading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.compile.scene import Resident, Scene
    from laneway.lanes.field import MarkField
    from laneway.state.host import HostState
    from laneway.state.marks import FwMark
    from laneway.state.nft import NftMatch
    from laneway.state.prefix import Prefix

POSTROUTING, FROM_TENANTS, BETWEEN_TENANTS, LEAVING = "postrouting", "from_tenants", "between_tenants", "leaving"
INPUT, HOST_SERVICES = "input", "host_services"

_AFTER_NAT = 110
"""Priority of the chain in postrouting: NAT has translated the source at 100 (NF_IP_PRI_NAT_SRC)."""

_AFTER_FILTER = 10
"""Priority of the chain in input: the first layer refuses with an error at 0 (NF_IP_PRI_FILTER)."""

_FROM_TENANTS = Compare(Field.IIFGROUP, GROUP)
_TO_TENANTS = Compare(Field.OIFGROUP, GROUP)
_FORWARDED = Compare(Field.IIF, 0, negated=True)
"""What the host sends itself came by no link; nor did, for br_netfilter, a frame between two ports of one bridge."""

_FAMILY = {IPV4: Compare(Field.FAMILY, 2), IPV6: Compare(Field.FAMILY, 10)}  # linux/netfilter.h
_SOURCE = {IPV4: Field.SOURCE4, IPV6: Field.SOURCE6}
_TO = {IPV4: Field.TO4, IPV6: Field.TO6}
_ICMP_TYPE = {IPV4: Field.ICMP_TYPE, IPV6: Field.ICMP6_TYPE}
_ECHO = {IPV4: 8, IPV6: 128}
_LOCAL = 2  # RTN_LOCAL, linux/rtnetlink.h

_TRANSLATED = AnyBit(Field.CT_STATUS, 0x30)  # IPS_SRC_NAT | IPS_DST_NAT
_KNOWN = AnyBit(Field.CT_STATE, 2 | 4)  # established, related

_ACCEPT, _DROP = "accept", "drop"


def second_layer(scene: Scene, state: HostState) -> None:
    """Add the native table and what is in its sets to `state`, where the kernel can hold one."""
    if not scene.facts.nftables:
        return
    state.nft_tables[TABLE] = _table(scene)
    for resident in scene.residents:
        state.nft_elements.update(dict.fromkeys(_elements(resident)))
    state.nft_elements.update(dict.fromkeys(_uplink_addresses(scene)))


def _table(scene: Scene) -> NftTable:
    field = scene.lanes.field
    chains = (
        NftChain(BETWEEN_TENANTS, _between(field)),
        NftChain(LEAVING, tuple(_leaving(scene))),
        NftChain(FROM_TENANTS, tuple(_from_tenants(scene))),
        NftChain(POSTROUTING, _postrouting(field), "postrouting", _AFTER_NAT, _ACCEPT),
        NftChain(HOST_SERVICES, tuple(_host_services(field))),
        NftChain(INPUT, (NftRule((_FROM_TENANTS,), f"goto {HOST_SERVICES}"),), "input", _AFTER_FILTER, _ACCEPT),
    )
    return NftTable(tuple(sorted(chains)))


def _marked(mark: FwMark) -> Compare:
    return Compare(Field.MARK, mark.value, mark.mask)


def _postrouting(field: MarkField) -> tuple[NftRule, ...]:
    return (
        NftRule((_FROM_TENANTS,), f"goto {FROM_TENANTS}"),
        NftRule((_TO_TENANTS, _FORWARDED, _marked(field.unmarked)), _DROP),
    )


def _from_tenants(scene: Scene) -> Iterator[NftRule]:
    # First what most of them are.
    for way in scene.ways:
        by_it = (_marked(scene.lanes.field.by_uplink(way.number)), Named(Field.OIFNAME, way.uplink.interface))
        yield NftRule(by_it, f"goto {LEAVING}")
    yield NftRule((_TO_TENANTS,), f"goto {BETWEEN_TENANTS}")
    yield NftRule((), _DROP)


def _between(field: MarkField) -> tuple[NftRule, ...]:
    return (
        NftRule((_marked(field.crossing),), _ACCEPT),
        NftRule((Member((Field.IIFNAME, Field.OIFNAME), SAME_BRIDGE),), _ACCEPT),
        NftRule((), _DROP),
    )


def _leaving(scene: Scene) -> Iterator[NftRule]:
    yield NftRule((_TRANSLATED,), _ACCEPT)
    # A load balancer in the kernel (IPVS) translates by itself, and not as conntrack says it does.
    yield NftRule((_marked(scene.lanes.field.by_owner(HOST_OWNER)),), _ACCEPT)
    for family in FAMILIES:
        unchanged = Member((Field.OIFNAME, _SOURCE[family]), UNCHANGED[family])
        yield NftRule((_FAMILY[family], unchanged), _ACCEPT)
    for way in scene.ways:
        for family in FAMILIES:
            if not uplink_address(way, family)[1]:
                yield NftRule((_FAMILY[family], Named(Field.OIFNAME, way.uplink.interface)), _ACCEPT)
    yield NftRule((), _DROP)


def _host_services(field: MarkField) -> Iterator[NftRule]:
    yield NftRule((_KNOWN,), _ACCEPT)
    for kind in NEIGHBOUR_DISCOVERY:
        yield NftRule((*_icmp(IPV6, kind),), _ACCEPT)
    yield NftRule((_marked(field.by_uplink(NO_UPLINK)),), _DROP)
    for family in FAMILIES:
        others = (_FAMILY[family], Member((_TO[family],), GATEWAYS[family]))
        yield NftRule((*others, Compare(Field.TO_ON_ARRIVAL_LINK, _LOCAL, negated=True)), _DROP)
    yield NftRule((Member((Field.IIFNAME, Field.PROTOCOL, Field.PORT), HOST_PORTS),), _ACCEPT)
    for family in FAMILIES:
        yield NftRule((*_icmp(family, _ECHO[family]), Member((Field.IIFNAME,), HOST_PING)), _ACCEPT)
    yield NftRule((), _DROP)


def _icmp(family: int, kind: int) -> tuple[NftMatch, ...]:
    return _FAMILY[family], Compare(Field.PROTOCOL, ICMP[family]), Compare(_ICMP_TYPE[family], kind)


def _elements(resident: Resident) -> Iterator[NftElement]:
    yield NftElement(SAME_BRIDGE, resident.bridge, resident.bridge)
    for family in FAMILIES:
        for prefix in resident.subnets[family]:
            yield from (NftElement(GATEWAYS[family], address=each) for each in _on_bridge(prefix))
        for lane, address in own_addresses(resident, family):
            if any(
                leading(address.packed, length) == leading(net, length) for net, length in resident.prefixes(family)
            ):
                yield NftElement(UNCHANGED[family], lane.way.uplink.interface, address=address.packed)
    for service in resident.tenant.host_access:
        if service.ports is None:
            yield NftElement(HOST_PING, resident.bridge)
            continue
        for protocol, port in service_ports(service, IPV4):
            yield NftElement(HOST_PORTS, resident.bridge, protocol=protocol, port=port)


def _on_bridge(subnet: Prefix) -> Iterator[bytes]:
    """Yield the addresses of a subnet at which the host itself takes what comes: its own one, and IPv4's broadcast."""
    yield gateway_of(subnet)
    bits = len(subnet.address) * 8
    if subnet.family == IPV4 and subnet.length < bits - 1:
        last = int.from_bytes(subnet.address) | (1 << bits - subnet.length) - 1
        yield last.to_bytes(len(subnet.address))


def _uplink_addresses(scene: Scene) -> Iterator[NftElement]:
    for way in scene.ways:
        for family in FAMILIES:
            address, _ = uplink_address(way, family)
            if address is not None:
                yield NftElement(UNCHANGED[family], way.uplink.interface, address=address)
