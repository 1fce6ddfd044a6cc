"""Warnings about what lets packets in, and about name servers that are out of reach."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from laneway.policy.lint_near import LOOKED_AT
from laneway.policy.lint_ways import gateway_of, is_near
from laneway.policy.problems import Fault, Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from laneway.policy.model import Address, Allow, PolicySet, Service, Tenant, TrafficClass, Uplink, Workload

    Found = Iterator[tuple[str, Fault]]

DNS_PORT = 53


class Home(NamedTuple):
    """A tenant's subnet, as numbers."""

    version: int
    first: int
    last: int
    tenant: str


def lint_doors(policy: PolicySet) -> Found:
    """Yield warnings about allows, published ports and name servers."""
    tenants = {each.name: each for each in policy.tenants}
    uplinks = {each.name: each for each in policy.uplinks}
    homes = _homes(policy) if any(each.dns for each in policy.tenants) else []
    far: dict[Address, bool] = {}
    for tenant in policy.tenants:
        if tenant.allow:
            yield from _allows(tenant, tenants)
        for workload in tenant.workloads:
            yield from _publishes(tenant, workload, policy.uplinks, far)
        for index, server in enumerate(tenant.dns):
            reason, hint = _out_of_reach(tenant, server, _Around(tenants, uplinks, homes))
            if reason:
                message = f"tenant {tenant.name}: its workloads cannot ask the name server {server}: {reason}"
                yield "dns-unreachable", Fault(message, Place.of(tenant.source, "dns", index), hint)


def _homes(policy: PolicySet) -> list[Home]:
    return sorted(
        Home(each.version, int(each.network_address), int(each.broadcast_address), tenant.name)
        for tenant in policy.tenants
        for each in tenant.subnets
    )


def _publishes(tenant: Tenant, workload: Workload, uplinks: Sequence[Uplink], far: dict[Address, bool]) -> Found:
    for each in workload.publish:
        host = each.host
        if host is None:
            continue
        if host not in far:
            far[host] = not any(is_near(host, gateway_of(uplink, host.version)) for uplink in uplinks)
        if far[host]:
            message = (
                f"tenant {tenant.name}, workload {workload.name}: published on {host}, "
                "which is in the network of no uplink's gateway"
            )
            hint = f"right if a provider routes it to this host, which must have it too (ip addr add {host}/"
            hint += f"{host.max_prefixlen} dev lo); else publish on an uplink's address, or on all of them"
            yield "publish-off-uplink", Fault(message, Place.of(each.source), hint)


def _allows(tenant: Tenant, tenants: Mapping[str, Tenant]) -> Found:
    families = {each.version for each in tenant.subnets}
    by_target: dict[str, list[Allow]] = {}
    residents: dict[str, dict[str, Workload]] = {}
    for allow in tenant.allow:
        by_target.setdefault(allow.tenant, []).append(allow)
        if allow.tenant not in residents:
            residents[allow.tenant] = {each.name: each for each in tenants[allow.tenant].workloads}
        there = residents[allow.tenant]
        one = there.get(allow.workload or "")
        ends = [*there.values()][:LOOKED_AT] if allow.workload is None else [one] if one else []
        if not any(address.version in families for each in ends for address in each.addresses):
            target = f"{allow.tenant}/{allow.workload}" if allow.workload else allow.tenant
            why = "has no workload" if not ends else "has no address of a family that both have"
            message = f"tenant {tenant.name}: allowed to reach {target}, which {why}"
            yield "allow-matches-nothing", Fault(message, Place.of(allow.source, "to"))
    for some in by_target.values():
        yield from _duplicates(tenant, some)


def _duplicates(tenant: Tenant, allows: Sequence[Allow]) -> Found:
    every = [(allow, index, service) for allow in allows for index, service in enumerate(allow.services)]
    first: dict[tuple[str | None, Service], int] = {}
    for place, (allow, index, service) in enumerate(every):
        key = (allow.workload, service)
        same = first.setdefault(key, place)
        for other_place in dict.fromkeys((same, *range(min(len(every), LOOKED_AT)))):
            other, other_index, wider = every[other_place]
            if place == other_place or not _opens(other, wider, allow, service):
                continue
            if _opens(allow, service, other, wider) and place < other_place:
                continue  # they are the same: the later one is said to be too much
            message = f"tenant {tenant.name}: {_words(service)} of {_target(allow)} is allowed already"
            notes = (("note: by this", Place.of(other.source, "ports", other_index)),)
            yield "allow-duplicate", Fault(message, Place.of(allow.source, "ports", index), "take it out", notes)
            break


def _opens(one: Allow, wider: Service, other: Allow, narrower: Service) -> bool:
    if one.workload not in (None, other.workload) or wider.protocol != narrower.protocol:
        return False
    if wider.ports is None or narrower.ports is None:
        return True
    return wider.ports.first <= narrower.ports.first and narrower.ports.last <= wider.ports.last


def _target(allow: Allow) -> str:
    return f"{allow.tenant}/{allow.workload}" if allow.workload else allow.tenant


def _words(service: Service) -> str:
    return service.protocol if service.ports is None else f"{service.ports}/{service.protocol}"


class _Around(NamedTuple):
    tenants: Mapping[str, Tenant]
    uplinks: Mapping[str, Uplink]
    homes: Sequence[Home]


def _out_of_reach(tenant: Tenant, server: Address, around: _Around) -> tuple[str, str]:
    """Return why a name server cannot be asked and what to do about it, or nothing twice."""
    if server.version not in {each.version for each in tenant.subnets}:
        return f"the tenant has no IPv{server.version} subnet", "name one of a family that the tenant has"
    owner = _owner(around.homes, server)
    if owner == tenant.name:
        return _on_the_bridge(tenant, server)
    if owner is not None:
        return _at_a_neighbour(tenant, around.tenants[owner], server)
    return _outside(tenant, server, around.uplinks)


def _owner(homes: Sequence[Home], address: Address) -> str | None:
    number = int(address)
    place = bisect_right(homes, (address.version, number, float("inf"), ""))
    home = homes[place - 1] if place else None
    inside = home is not None and home.version == address.version and number <= home.last
    return home.tenant if home is not None and inside else None


def _on_the_bridge(tenant: Tenant, server: Address) -> tuple[str, str]:
    if any(int(each.network_address) + 1 == int(server) for each in tenant.subnets if each.version == server.version):
        if any(_answers(each) for each in tenant.host_access):
            return "", ""
        return "it is this host, which they may not ask", 'add "53/udp" and "53/tcp" to host_access'
    if any(server in each.addresses for each in tenant.workloads):
        if tenant.isolate:
            return (
                "isolate keeps its workloads from each other",
                "put the name server in a tenant of its own, with an allow",
            )
        return "", ""
    return "no workload of the tenant has this address", "give it to one"


def _answers(service: Service) -> bool:
    return service.protocol == "udp" and service.ports is not None and DNS_PORT in service.ports


def _at_a_neighbour(tenant: Tenant, owner: Tenant, server: Address) -> tuple[str, str]:
    workload = next((each.name for each in owner.workloads if server in each.addresses), None)
    if workload is None:
        return f"it is in a subnet of tenant {owner.name}, none of whose workloads has it", ""
    for allow in tenant.allow:
        opened = allow.tenant == owner.name and allow.workload in (None, workload)
        if opened and any(_answers(each) for each in allow.services):
            return "", ""
    hint = f'add [[tenants.{tenant.name}.allow]] with to = "{owner.name}/{workload}", ports = ["53/udp", "53/tcp"]'
    return f"it is {owner.name}/{workload}, which tenant {tenant.name} may not reach", hint


def _outside(tenant: Tenant, server: Address, uplinks: Mapping[str, Uplink]) -> tuple[str, str]:
    taken = next((each for each in tenant.classes if _takes_queries(each, server)), None)
    if taken is not None and taken.action is not None:
        return f"class {taken.name} refuses it", f"put a class before {taken.name} that lets 53/udp to {server} pass"
    name = taken.uplink if taken is not None and taken.uplink is not None else tenant.uplinks[0]
    if gateway_of(uplinks[name], server.version) is None:
        return f"{name} does not carry IPv{server.version}", "name one of a family that it carries"
    return "", ""


def _takes_queries(each: TrafficClass, server: Address) -> bool:
    """Tell whether the class takes every workload's questions to the server."""
    match = each.match
    return (
        match.protocol in (None, "udp")
        and (not match.ports or any(DNS_PORT in ports for ports in match.ports))
        and (not match.to or any(server in network for network in match.to))
        and not match.from_
        and match.dscp is None
    )
