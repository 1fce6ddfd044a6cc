"""Namespaces, bridges, veth pairs and addresses."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from laneway.state.links import GROUP, HOST, AddressKey, Link, LinkKey, LinkKind, Netns
from laneway.state.prefix import ANY, FAMILIES, IPV6, Prefix
from laneway.state.routing import IPV6_METRIC, MAIN_TABLE, Route, RouteKey, RouteKind

if TYPE_CHECKING:
    from laneway.compile.scene import Resident, Scene
    from laneway.policy.model import Workload
    from laneway.state.host import HostState

WORKLOAD_LINK = "eth0"
"""A workload's own end of its veth pair."""

_OF_A_BRIDGE = (
    # Replies come back by lanes the reverse lookup does not see; spoofing is stopped by set, in raw.
    ("net/ipv4/conf/{}/rp_filter", "2"),
    # The host must not answer for another tenant's gateway or an uplink's address (kernel ip-sysctl.rst).
    # With 2 it would not answer a workload either that asks with an address of another subnet than the gateway's.
    ("net/ipv4/conf/{}/arp_ignore", "1"),
    ("net/ipv4/conf/{}/arp_announce", "2"),
    # Nor is the host to send on, in a flow that it has with a tenant, what names the next hops itself (RFC 7126, 4.3).
    ("net/ipv4/conf/{}/accept_source_route", "0"),
    # A tenant must not hand the host a default route.
    ("net/ipv6/conf/{}/accept_ra", "0"),
    # The kernel makes no link-local address: the bridge is given its own, when the look-ups are there.
    ("net/ipv6/conf/{}/addr_gen_mode", "1"),
)
_OF_A_BRIDGE_WITH_IPV6 = (
    ("net/ipv6/conf/{}/disable_ipv6", "0"),  # whatever links have here by default
    ("net/ipv6/conf/{}/seg6_enabled", "0"),  # as accept_source_route (RFC 8754, 5.1)
)
_OF_A_PORT = (
    # A port passes frames on and speaks for nobody. With an address of its own it would be another way to the host, and
    # three more routes for the kernel to walk with every FIB rule.
    ("net/ipv6/conf/{}/disable_ipv6", "1"),
    # What is sent to one of the reserved addresses 01:80:c2:00:00:0X is the port's and not the bridge's (IEEE 802.1D
    # 7.12.6, br_handle_frame): without this the port answers ARP for every address of the host, others' gateways too.
    ("net/ipv4/conf/{}/arp_ignore", "8"),
)
SYSCTLS = {LinkKind.BRIDGE: _OF_A_BRIDGE + _OF_A_BRIDGE_WITH_IPV6, LinkKind.VETH: _OF_A_PORT}
"""What the host's links of laneway's have otherwise than the kernel has it, by kind: keys, for a name, and values."""


def gateway_of(subnet: Prefix) -> bytes:
    """Return the first address of a subnet, which is the host's, on the bridge."""
    return (int.from_bytes(subnet.address) + 1).to_bytes(len(subnet.address))


def _mac(of: str) -> bytes:
    """Return a locally administered MAC that is the same each time a link is made: neighbours' entries stay true."""
    return b"\x02" + blake2b(of.encode(), digest_size=5).digest()


def link_local_of(mac: bytes) -> Prefix:
    """Return the IPv6 link-local address that a link of a 48-bit `mac` has by itself (RFC 4291, appendix A)."""
    return Prefix(b"\xfe\x80" + bytes(6) + bytes((mac[0] ^ 2,)) + mac[1:3] + b"\xff\xfe" + mac[3:], 64)


def plumb(scene: Scene, state: HostState) -> None:
    """Add the plumbing of every tenant to `state`."""
    for resident in scene.residents:
        _bridge(resident, state)
        for workload in resident.tenant.workloads:
            _workload(resident, workload, state)


def _bridge(resident: Resident, state: HostState) -> None:
    name = resident.bridge
    mac = _mac(name)
    state.links[LinkKey(HOST, name)] = Link(
        LinkKind.BRIDGE,
        GROUP,
        mac=mac,
        alias=f"laneway tenant={resident.tenant.name}",
    )
    for family in FAMILIES:
        for subnet in resident.subnets[family]:
            state.addresses[AddressKey(HOST, name, Prefix(gateway_of(subnet), subnet.length))] = None
    if resident.subnets[IPV6]:
        # With it the host asks for neighbours (ndisc.c). The kernel would defend it against a workload that claims it,
        # and walk all tables when that is over, for each bridge (addrconf.c); an address that is given is used at once.
        state.addresses[AddressKey(HOST, name, link_local_of(mac))] = None
    for key, value in _OF_A_BRIDGE + (_OF_A_BRIDGE_WITH_IPV6 if resident.subnets[IPV6] else ()):
        state.sysctls[key.format(name)] = value


def _workload(resident: Resident, workload: Workload, state: HostState) -> None:
    netns = resident.netns(workload)
    alias = f"laneway tenant={resident.tenant.name} workload={workload.name}"
    inner = LinkKey(netns, WORKLOAD_LINK)
    state.netns[netns] = Netns(alias)
    # With bridge-nf-call-iptables the bridge itself sends on what DNAT turns back to a workload that asked for its
    # own published port, and that is out of the port it came by.
    port = resident.veth(workload)
    state.links[LinkKey(HOST, port)] = Link(
        LinkKind.VETH,
        GROUP,
        master=resident.bridge,
        peer=inner,
        hairpin=True,
        isolated=resident.tenant.isolate,
        alias=alias,
    )
    for key, value in _OF_A_PORT:
        state.sysctls[key.format(port)] = value
    # By the address and not by the workload's name: whoever has the address next is found where the last one was.
    mac = _mac(f"{resident.tenant.name} {workload.addresses[0]}")
    state.links[inner] = Link(LinkKind.PEER, GROUP, mac=mac)
    for address in workload.addresses:
        family, packed = address.version, address.packed
        subnet = next(each for each in resident.subnets[family] if _holds(each, packed))
        state.addresses[AddressKey(netns, WORKLOAD_LINK, Prefix(packed, subnet.length))] = None
        metric = IPV6_METRIC if family == IPV6 else 0
        default = RouteKey(netns, MAIN_TABLE, ANY[family], metric)
        # The first address of a family decides by which gateway the workload leaves its subnet.
        state.routes.setdefault(default, Route(RouteKind.UNICAST, WORKLOAD_LINK, gateway_of(subnet)))
    if resident.tenant.dns:
        servers = "".join(f"nameserver {address}\n" for address in resident.tenant.dns)
        state.files[f"/etc/netns/{netns}/resolv.conf"] = f"# laneway tenant={resident.tenant.name}\n{servers}"


def _holds(subnet: Prefix, address: bytes) -> bool:
    shift = len(address) * 8 - subnet.length
    return int.from_bytes(address) >> shift == int.from_bytes(subnet.address) >> shift
