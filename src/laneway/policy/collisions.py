"""No kernel object may be two tenants': names made from theirs, pinned ids, and the host's ports."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from laneway.policy.names import bridge_name, netns_name, veth_name
from laneway.policy.problems import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from laneway.policy.model import Address, Path, Publish, Source, Tenant, Workload
    from laneway.policy.whereabouts import Whereabouts


def check_names(tenants: Sequence[Tenant], where: Whereabouts) -> None:
    """Note every two tenants or workloads that would share a kernel object, or an id."""
    taken: dict[str, tuple[str, Source]] = {}
    ids: dict[int, Tenant] = {}
    for tenant in sorted(tenants, key=lambda each: where.order(each.name)):
        label = f"tenant {tenant.name}"
        _claim(taken, "bridge", bridge_name(tenant.name), (label, tenant.source), where)
        for workload in tenant.workloads:
            _claim_workload(taken, tenant, workload, where)
        if tenant.id is not None and (first := ids.setdefault(tenant.id, tenant)) is not tenant:
            where.wrong(
                f"{label}: id {tenant.id} is tenant {first.name}'s",
                Place.of(tenant.source, "id"),
                notes=[("note: pinned first here", Place.of(first.source, "id"))],
            )


def _claim_workload(
    taken: dict[str, tuple[str, Source]], tenant: Tenant, workload: Workload, where: Whereabouts
) -> None:
    holder = (f"tenant {tenant.name}, workload {workload.name}", workload.source)
    if _claim(taken, "network namespace", netns_name(tenant.name, workload.name), holder, where):
        _claim(taken, "veth link", veth_name(tenant.name, workload.name), holder, where)


def _claim(
    taken: dict[str, tuple[str, Source]], kind: str, name: str, holder: tuple[str, Source], where: Whereabouts
) -> bool:
    # Links and network namespaces cannot be mistaken for each other: the names of links have prefixes of their own,
    # and those that a namespace could have too are told apart by the kind.
    first = taken.setdefault(f"{kind} {name}", holder)
    if first is holder:
        return True
    where.wrong(
        f"{holder[0]}: its {kind} would be {name}, as that of {first[0]}",
        Place.of(holder[1], on_key=True),
        hint="give one of them another name",
        notes=[("note: the first", Place.of(first[1], on_key=True))],
    )
    return False


class Port(NamedTuple):
    """A published range of ports in one family."""

    first: int
    last: int
    order: int  # of the tenant, in the files
    tenant: str
    workload: str
    publish: Publish


def check_ports(tenants: Sequence[Tenant], where: Whereabouts) -> None:
    """Note every two published ports that one packet could be for."""
    groups: dict[tuple[str, int], dict[Address | None, list[Port]]] = {}
    for tenant in tenants:
        for family, port in _ports(tenant, where.order(tenant.name)):
            hosts = groups.setdefault((port.publish.protocol, family), {})
            hosts.setdefault(port.publish.host, []).append(port)
    pairs: dict[tuple[Source, Source], tuple[Port, Port]] = {}
    for hosts in groups.values():
        for one, other in _conflicts(hosts):
            first, second = sorted((one, other), key=lambda port: _position(port, where))
            pairs.setdefault((first.publish.source, second.publish.source), (first, second))
    for first, second in pairs.values():
        _report(first, second, where)


def _ports(tenant: Tenant, order: int) -> Iterator[tuple[int, Port]]:
    for workload in tenant.workloads:
        families = {address.version for address in workload.addresses}
        for publish in workload.publish:
            span = publish.host_ports
            for family in families if publish.host is None else families & {publish.host.version}:
                yield family, Port(span.first, span.last, order, tenant.name, workload.name, publish)


def _conflicts(hosts: dict[Address | None, list[Port]]) -> Iterator[tuple[Port, Port]]:
    """Yield pairs that overlap, each port at least once; the ports of one family and protocol by host address."""
    for some in hosts.values():
        some.sort(key=_span)
        yield from _overlapping(some)
    everywhere = hosts.get(None, [])
    starts = [port.first for port in everywhere]
    furthest = list(accumulate(everywhere, _further))
    for host, some in hosts.items():
        if host is None or not everywhere:
            continue
        for port in some:
            position = bisect_right(starts, port.last)
            if position and furthest[position - 1].last >= port.first:
                yield furthest[position - 1], port


def _overlapping(some: Iterable[Port]) -> Iterator[tuple[Port, Port]]:
    furthest: Port | None = None
    for port in some:
        if furthest is not None and port.first <= furthest.last:
            yield furthest, port
        furthest = port if furthest is None else _further(furthest, port)


def _further(one: Port, other: Port) -> Port:
    return other if other.last > one.last else one


def _span(port: Port) -> tuple[int, int]:
    return port.first, port.last


def _position(port: Port, where: Whereabouts) -> tuple[int, int, Path]:
    """Return where a port stands in the files, to tell which of two came first."""
    return port.order, where.workload_order(port.tenant, port.workload), port.publish.source.path


def _report(first: Port, second: Port, where: Whereabouts) -> None:
    publish = second.publish
    on = "" if publish.host is None else f" of {publish.host}"
    where.wrong(
        f"tenant {second.tenant}, workload {second.workload}: port {publish.host_ports}/{publish.protocol}{on} "
        f"is published by tenant {first.tenant}, workload {first.workload}",
        Place.of(publish.source),
        hint="publish it as another port, or on another address of the host",
        notes=[("note: published first here", Place.of(first.publish.source))],
    )
