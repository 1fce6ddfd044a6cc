"""Packets by the names that operators use."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from laneway.errors import UsageError
from laneway.explain.packet import ICMP, TCP, UDP, FromHost, FromOutside, FromWorkload, Packet
from laneway.policy.model import ONLINK
from laneway.policy.names import netns_name
from laneway.state.prefix import IPV4

if TYPE_CHECKING:
    from laneway.explain.explanation import Ground
    from laneway.explain.packet import Sender
    from laneway.policy.model import Address, Expect, PolicySet, Tenant, Workload

HOST = "host"


def workload_of(policy: PolicySet, text: str) -> tuple[Tenant, Workload]:
    """Return a workload by `tenant/workload`; raises UsageError when there is none."""
    tenant_name, _, name = text.partition("/")
    tenant = next((each for each in policy.tenants if each.name == tenant_name), None)
    if tenant is None:
        known = ", ".join(each.name for each in policy.tenants) or "none"
        raise UsageError(f"{text}: there is no tenant {tenant_name}", f"tenants: {known}")
    workload = next((each for each in tenant.workloads if each.name == name), None)
    if workload is None:
        known = ", ".join(f"{tenant_name}/{each.name}" for each in tenant.workloads) or "none"
        raise UsageError(f"{text}: tenant {tenant_name} has no workload {name}", f"its workloads: {known}")
    return tenant, workload


def sender_of(policy: PolicySet, text: str, arrives: str | None) -> tuple[Sender, Address | None]:
    """Return who sends, and from which address if that was said; raises UsageError."""
    if text == HOST:
        return FromHost(), None
    if "/" in text:
        tenant, workload = workload_of(policy, text)
        return FromWorkload(netns_name(tenant.name, workload.name)), None
    source = address_of(text, "--from takes TENANT/WORKLOAD, an address outside, or host")
    if arrives is None:
        names = " or ".join(f"--in {each.name}" for each in policy.uplinks)
        raise UsageError(f"by which uplink does the packet from {source} come in?", f"add {names}")
    return FromOutside(link_of(policy, arrives)), source


def link_of(policy: PolicySet, name: str) -> str:
    """Return the interface of an uplink given by its name or its interface; raises UsageError."""
    for uplink in policy.uplinks:
        if name in (uplink.name, uplink.interface):
            return uplink.interface
    known = ", ".join(each.name for each in policy.uplinks) or "none"
    raise UsageError(f"there is no uplink {name}", f"uplinks: {known}")


def address_of(text: str, hint: str) -> Address:
    """Return an address; raises UsageError with `hint`."""
    try:
        return ip_address(text)
    except ValueError:
        raise UsageError(f"{text or 'nothing'} is not an address", hint) from None


def target_of(ground: Ground, text: str, sender: Sender, family: int | None) -> Address:
    """Return a destination: an address, a workload's, or for "host" the nearest one of its own; raises UsageError."""
    policy = ground.origins.policy
    if text == HOST:
        return _host_address(ground, sender, family)
    if "/" in text:
        _, workload = workload_of(policy, text)
        wanted = [each for each in workload.addresses if family in (None, each.version)]
        if not wanted:
            raise UsageError(f"{text} has no IPv{family} address", "ask for another family, or leave -4 and -6 out")
        return wanted[0]
    return address_of(text, "--to takes an address, TENANT/WORKLOAD, or host")


def _host_address(ground: Ground, sender: Sender, family: int | None) -> Address:
    link = ""
    if isinstance(sender, FromOutside):
        link = sender.link
    elif isinstance(sender, FromWorkload):
        place = ground.terrain.places.get(sender.netns)
        link = place.bridge if place else ""
    for each in ground.terrain.underlay.addresses:
        found = ip_address(each.address.address)
        usable = not found.is_link_local and not found.is_loopback and not each.deprecated
        if usable and link in ("", each.link) and family in (None, found.version):
            return found
    raise UsageError("the host has no such address", "name one: --to ADDRESS")


def protocol_of(*, tcp: int | None, udp: int | None, icmp: bool, family: int) -> tuple[int, int]:
    """Return protocol number and port of what was asked for; raises UsageError unless it is one thing."""
    chosen = [each for each in ((TCP, tcp), (UDP, udp)) if each[1] is not None]
    if len(chosen) + icmp != 1:
        raise UsageError("which packet?", "say one of --tcp PORT, --udp PORT and --icmp")
    if icmp:
        return ICMP[family], 0
    protocol, port = chosen[0]
    return protocol, port or 0


def packet_of(policy: PolicySet, expect: Expect) -> Packet:
    """Return the packet that one of the policy's own tests is about."""
    sender, source = sender_of(policy, expect.from_, expect.arrives)
    numbers = {"tcp": TCP, "udp": UDP, "icmp": ICMP[expect.to.version]}
    return Packet(
        sender, expect.to.packed, numbers[expect.protocol], expect.port or 0, source.packed if source else None
    )


def presumed_host(policy: PolicySet, packet: Packet) -> Address | None:
    """Return the destination of a packet from outside, when by the policy alone it can only be the host's.

    Offline nobody knows the host's addresses, but what comes in by an uplink for the network around its gateway is
    for the host; what is the gateway's own or a tenant's is not. What is of all routers there is not the host's alone.
    """
    to = ip_address(packet.to)
    if not isinstance(packet.sender, FromOutside):
        return None
    uplink = next(each for each in policy.uplinks if each.interface == packet.sender.link)
    gateway = uplink.gateway4 if to.version == IPV4 else uplink.gateway6
    inside = any(to in each for tenant in policy.tenants for each in tenant.subnets)
    if gateway is None or inside or to == gateway:
        return None
    near = gateway == ONLINK or isinstance(gateway, str) or (_same_network(to, gateway) and not _is_of_all_routers(to))
    return to if near else None


def _is_of_all_routers(address: Address) -> bool:
    """Return whether it is the IPv6 address of all routers of a /64 (RFC 4291, 2.6.1)."""
    return address.version != IPV4 and not any(address.packed[8:])


def _same_network(one: Address, other: Address) -> bool:
    """Return whether two addresses are in one network as providers cut them: a /24, a /64."""
    below = 8 if one.version == IPV4 else 64
    return one.version == other.version and int(one) >> below == int(other) >> below
