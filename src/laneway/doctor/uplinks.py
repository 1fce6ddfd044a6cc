"""Whether uplinks lead where the policy says."""

from __future__ import annotations

from difflib import get_close_matches
from ipaddress import ip_address
from typing import TYPE_CHECKING

from laneway.doctor.finding import APPLY, error, info, warning
from laneway.policy.model import AUTO, ONLINK
from laneway.state.gateways import refused_gateway, sharing_a_network
from laneway.state.prefix import ANY, FAMILIES, IPV4, Prefix, of_address
from laneway.state.routing import RouteKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.doctor.finding import Finding
    from laneway.policy.model import Address, Gateway, PolicySet, Uplink
    from laneway.state.diagnosis import Diagnosis
    from laneway.state.underlay import MainRoute

IP = {4: "ip", 6: "ip -6"}
IPTABLES = {4: "iptables", 6: "ip6tables"}
USUAL_MTU = 1500
"""Bytes: of a bridge and a veth that nobody told otherwise."""


def judge(seen: Diagnosis, policy: PolicySet) -> Iterator[Finding]:
    """Yield findings about every uplink."""
    families = {each.version for tenant in policy.tenants for each in tenant.subnets}
    links = {each.name: each for each in seen.links}
    for uplink in policy.uplinks:
        label, name = f"uplink {uplink.name}", uplink.interface
        link = links.get(name)
        if link is None:
            if seen.links:
                yield _missing(seen, uplink)
            continue
        if not link.up:
            why = "its lanes are closed: what would go by it is refused"
            yield error("uplink-down", f"{label}: {name} is down", why, f"ip link set {name} up", APPLY)
            continue
        if not link.carrier:
            why = "what goes by it is lost"
            yield warning("uplink-no-carrier", f"{label}: {name} has no carrier", why, hint="look at the cable")
        if link.resolves and uplink.gateway4 == uplink.gateway6 == ONLINK:
            yield warning(
                "gateway-missing",
                f"{label}: {name} is no point-to-point link, and the policy names no gateway",
                "its lanes ask every address on the internet for its MAC address on that link, and nobody answers",
                hint='write gateways = "auto", or their addresses',
            )
        for family in FAMILIES:
            gateway = _gateway(uplink, family)
            if gateway is not None and family in families:
                yield from _family(seen, uplink, family, gateway)
                yield from _narrow(seen, uplink, family, link.mtu)
    yield from _sources(seen, policy)
    yield from _published(seen, policy)
    yield from _sharing(seen, policy)


def _gateway(uplink: Uplink, family: int) -> Gateway:
    return uplink.gateway4 if family == IPV4 else uplink.gateway6


def _missing(seen: Diagnosis, uplink: Uplink) -> Finding:
    close = get_close_matches(uplink.interface, [each.name for each in seen.links if not each.ours], 1)
    meant = f"is {close[0]} meant?" if close else "`ip -brief link` shows those there are"
    return error(
        "uplink-missing",
        f"uplink {uplink.name}: there is no interface {uplink.interface}",
        "its lanes are closed: what would go by it is refused",
        hint=f"{meant} An interface that comes later is opened by the next apply",
    )


def _family(seen: Diagnosis, uplink: Uplink, family: int, gateway: Gateway) -> Iterator[Finding]:
    name, label = uplink.interface, f"uplink {uplink.name}"
    own = [each.address for each in seen.underlay.addresses if (each.link, each.address.family) == (name, family)]
    usable = [each for each in own if not ip_address(each.address).is_link_local]
    defaults = _defaults(seen, name, family)
    if not usable:
        yield error(
            "uplink-no-address",
            f"{label}: {name} has no IPv{family} address",
            "tenants' packets would leave with an address that nobody answers to",
            f"{IP[family]} addr add ADDRESS/LENGTH dev {name}",
        )
    if gateway == AUTO and not defaults and (name, family) not in seen.gateways:
        yield error(
            "gateway-not-known",
            f"{label}: no default route by {name} says what its IPv{family} gateway is",
            'the policy leaves it to the host (gateways = "auto"); until then its lanes refuse',
            f"{IP[family]} route add default via GATEWAY dev {name} metric 4096",
        )
    elif gateway is not None and not isinstance(gateway, str):
        yield from _fixed(seen, uplink, gateway)
    yield from _several(uplink, family, defaults)


def _fixed(seen: Diagnosis, uplink: Uplink, gateway: Address) -> Iterator[Finding]:
    name, label = uplink.interface, f"uplink {uplink.name}"
    theirs = {each.name for each in seen.links if not each.ours} | {uplink.interface}
    held = [(each.link, each.address) for each in seen.underlay.addresses if each.link in theirs]
    routes = [(each.dev, each.to) for each in seen.underlay.routes if each.dev]
    refused = refused_gateway(name, gateway.packed, held, routes)
    if refused and gateway.packed in {address.address for _, address in held}:
        what = f"{label}: the gateway {gateway} is this host's own address"
        why = f"packets for it end here: the lanes are closed in IPv{gateway.version}"
        all_own = [address for link, address in held if link == refused]
        yield error("gateway-own", what, why, f"ip addr del {_written(all_own, gateway)} dev {refused}")
    elif refused:
        yield error(
            "gateway-elsewhere",
            f"{label}: the gateway {gateway} is in the network of {refused}, and not of {name}",
            f"the kernel refuses a route by {name} to it: the lanes are closed in IPv{gateway.version}",
            hint=f"write the gateway on {name}'s network, or give {name} an address in that network",
        )
    elif not gateway.is_link_local and not _on_link(seen, name, of_address(gateway)):
        yield warning(
            "gateway-not-on-link",
            f"{label}: the gateway {gateway} is in no network of {name}",
            "laneway looks for it on the link all the same, which is right where providers do so, and else a typing "
            "error",
            f"{IP[gateway.version]} route add {gateway} dev {name}",
        )


def _written(own: list[Prefix], gateway: Address) -> str:
    return next(str(each) for each in own if each.address == gateway.packed)


def _on_link(seen: Diagnosis, link: str, gateway: Prefix) -> bool:
    return any(
        route.dev == link and not route.via and route.to.length and _inside(gateway, route.to)
        for route in seen.underlay.routes
    )


def _inside(one: Prefix, other: Prefix) -> bool:
    if one.family != other.family:
        return False
    below = len(one.address) * 8 - other.length
    return int.from_bytes(one.address) >> below == int.from_bytes(other.address) >> below


def _defaults(seen: Diagnosis, link: str, family: int) -> list[MainRoute]:
    found = [
        each
        for each in seen.underlay.routes
        if each.dev == link and each.to == ANY[family] and each.kind is RouteKind.UNICAST
    ]
    return sorted(found, key=lambda each: each.metric)


def _several(uplink: Uplink, family: int, defaults: list[MainRoute]) -> Iterator[Finding]:
    others = [each for each in defaults[1:] if each.via and each.via != defaults[0].via]
    if others:
        name = uplink.interface
        yield warning(
            "default-routes-differ",
            f"uplink {uplink.name}: main has {len(others) + 1} IPv{family} default routes by {name}, each with a "
            "gateway of its own",
            "the host and laneway take the one of the lowest metric: whoever added the other (a second DHCP client, a "
            "left-over) may mean something else",
            *(
                f"{IP[family]} route del default via {ip_address(each.via)} dev {name} metric {each.metric}"
                for each in others
            ),
        )


def _narrow(seen: Diagnosis, uplink: Uplink, family: int, mtu: int) -> Iterator[Finding]:
    name = uplink.interface
    widest = max((each.mtu for each in seen.links if each.ours and each.name.startswith("lwb-")), default=USUAL_MTU)
    if mtu >= widest or seen.clamped & {(family, name), (family, "")}:
        return
    yield warning(
        "mtu-differs",
        f"uplink {uplink.name}: {name} carries {mtu} bytes at once, tenants' bridges {widest}",
        "IPv4 and IPv6 tell senders so by ICMP; where a firewall on the way drops that, large pages never load",
        f"{IPTABLES[family]} -t mangle -A FORWARD -o {name} -p tcp --tcp-flags SYN,RST SYN "
        "-j TCPMSS --clamp-mss-to-pmtu",
    )


def _sources(seen: Diagnosis, policy: PolicySet) -> Iterator[Finding]:
    """Yield source addresses that nobody on the uplink's network would find: they are not on the host."""
    uplinks = {each.name: each for each in policy.uplinks}
    own = {each.address.address for each in seen.underlay.addresses}
    if not own:
        return
    wanted = [(each.name, address) for each in policy.uplinks for address in each.snat]
    wanted += [pair for tenant in policy.tenants for pair in tenant.snat]
    for name, address in dict.fromkeys(wanted):
        interface = uplinks[name].interface
        if address.packed in own or not _on_link(seen, interface, of_address(address)):
            continue  # what is not of the link's own network may be routed to the host
        yield error(
            "snat-not-here",
            f"uplink {name}: packets leave as {address}, which is not on this host",
            f"answers do not arrive: on {interface}'s network nobody says that the address is here",
            f"{IP[address.version]} addr add {address}/{address.max_prefixlen} dev {interface}",
        )


def _published(seen: Diagnosis, policy: PolicySet) -> Iterator[Finding]:
    """Yield addresses on which ports are published, and which are not the host's: nothing for them is published."""
    own = {each.address.address for each in seen.underlay.addresses}
    where = {
        each.host: f"{tenant.name}/{workload.name}"
        for tenant in policy.tenants
        for workload in tenant.workloads
        for each in workload.publish
        if each.host is not None and own and each.host.packed not in own
    }
    for address, workload in where.items():
        yield warning(
            "published-not-here",
            f"{address}, on which {workload} is published, is on no link of this host",
            "packets for it are no packets for the host: laneway does not see them as for a published port, and routes "
            "them as main does",
            f"ip addr add {address}/{address.max_prefixlen} dev lo",
            hint="right on the backup of a virtual address; one that is routed to this host belongs on lo",
        )


def _sharing(seen: Diagnosis, policy: PolicySet) -> Iterator[Finding]:
    """Yield that uplinks are in one network."""
    names = {each.interface: each.name for each in policy.uplinks}
    shared = sharing_a_network(((each.link, each.address) for each in seen.underlay.addresses), names)
    if shared:
        yield info(
            "uplinks-share-network",
            f"uplinks {' and '.join(sorted(names[each] for each in shared))} are in one IPv4 network",
            "apply has each answer ARP for its own addresses alone (arp_ignore 1, arp_announce 2): else what is for "
            "one comes in by the other; destroy sets it back",
        )
