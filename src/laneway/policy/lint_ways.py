"""Warnings about uplinks, and about the families and source addresses that tenants go by them with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.policy.problems import Fault, Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from laneway.policy.model import Address, Gateway, PolicySet, Tenant, Uplink

    Found = Iterator[tuple[str, Fault]]

IPV4 = 4
HOST_BITS = {4: 8, 6: 64}
"""Providers cut networks into a /24 or a /64; what a gateway's network is, the policy does not say."""


def gateway_of(uplink: Uplink, family: int) -> Gateway:
    """Return how the uplink reaches the world in a family."""
    return uplink.gateway4 if family == IPV4 else uplink.gateway6


def is_near(address: Address, gateway: Gateway) -> bool:
    """Tell whether the address may be of the gateway's network, as one whose gateway is not known always may be."""
    if gateway is None or isinstance(gateway, str):
        return gateway is not None
    return address.version == gateway.version and not (int(address) ^ int(gateway)) >> HOST_BITS[address.version]


def lint_uplinks(policy: PolicySet) -> Found:
    """Yield warnings about uplinks that no tenant goes by; a policy without tenants is one still being written."""
    if not policy.tenants:
        return
    used = {name for tenant in policy.tenants for name in tenant.uplinks}
    for uplink in policy.uplinks:
        if uplink.name not in used:
            hint = "name it in a tenant's uplinks, or take it out"
            message = f"uplink {uplink.name}: no tenant goes by it"
            yield "uplink-unused", Fault(message, Place.of(uplink.source, on_key=True), hint)


def lint_ways(tenant: Tenant, uplinks: Mapping[str, Uplink]) -> Found:
    """Yield warnings about what a tenant's uplinks do not carry, and about addresses that are not of their networks."""
    ways = [uplinks[name] for name in tenant.uplinks]
    first = ways[0]
    for index, subnet in enumerate(tenant.subnets):
        if gateway_of(first, subnet.version) is None:
            yield from _refused(tenant, ways, index)
    if tenant.isolate:
        yield from _kept_from(tenant)
    if tenant.snat:
        yield from _far_sources(tenant, uplinks)


def _kept_from(tenant: Tenant) -> Found:
    """Yield the routes that lead by a workload: only what comes from elsewhere takes them."""
    for route in tenant.routes:
        router = next((each for each in tenant.workloads if route.via in each.addresses), None)
        if router is not None:
            message = (
                f"tenant {tenant.name}: isolate keeps its other workloads from {router.name}, and so from {route.to}"
            )
            hint = "take isolate out, or put what is behind the router in a tenant of its own"
            yield "isolate-route", Fault(message, Place.of(route.source, "via"), hint)


def _refused(tenant: Tenant, ways: Sequence[Uplink], index: int) -> Found:
    family = tenant.subnets[index].version
    place = Place.of(tenant.source, "subnets", index)
    carriers = [each.name for each in ways if gateway_of(each, family) is not None]
    if not carriers:
        message = f"tenant {tenant.name}: none of its uplinks carries IPv{family}, so that its IPv{family} goes nowhere"
        hint = f"give {tenant.uplinks[0]} an IPv{family} gateway, or take the subnet out"
        yield "family-refused", Fault(message, place, hint)
    elif not _has_class_for_all(tenant, family, carriers):
        first = tenant.uplinks[0]
        message = f"tenant {tenant.name}: its IPv{family} is refused, because {first} does not carry it"
        hint = (
            f"put {carriers[0]} first, give {first} an IPv{family} gateway, or write a class that sends it by another"
        )
        notes = ((f"note: {first} comes first", Place.of(tenant.source, "uplinks")),)
        yield "family-not-by-first", Fault(message, place, hint, notes)


def _has_class_for_all(tenant: Tenant, family: int, carriers: Sequence[str]) -> bool:
    from laneway.policy.lint_boxes import box, is_everything

    boxes = (box(each.match, family, tenant.subnets) for each in tenant.classes if each.uplink in carriers)
    return any(each is not None and is_everything(each, family, tenant.subnets) for each in boxes)


def _far_sources(tenant: Tenant, uplinks: Mapping[str, Uplink]) -> Found:
    for name, address in tenant.snat:
        gateway = gateway_of(uplinks[name], address.version)
        if is_near(address, gateway):
            continue
        homes = [each for each in tenant.uplinks if is_near(address, gateway_of(uplinks[each], address.version))]
        message = f"tenant {tenant.name}: leaves {name} as {address}, which is not of its gateway's network ({gateway})"
        yield "snat-off-uplink", Fault(message, Place.of(tenant.source, "snat", name), _snat_hint(name, address, homes))


def _snat_hint(name: str, address: Address, homes: Sequence[str]) -> str:
    if not homes:
        return f"right if {name}'s provider routes {address} to this host; otherwise replies do not come back"
    table = ", ".join(f'{each} = ["{address}"]' for each in homes)
    return f"replies do not come back: name the uplinks it is for: snat = {{ {table} }}"
