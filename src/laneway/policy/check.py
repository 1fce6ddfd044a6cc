"""Whether the parts of a policy go together: every reference leads somewhere, and nothing is claimed twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.policy.collisions import check_names, check_ports
from laneway.policy.fields import quoted
from laneway.policy.overlaps import check_prefixes
from laneway.policy.problems import Place
from laneway.policy.whereabouts import Whereabouts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from laneway.policy.model import Allow, Expect, PolicySet, Source, Tenant, TrafficClass, Uplink
    from laneway.policy.problems import Faults

IPV4 = 4


def check(policy: PolicySet, faults: Faults, *, order: Mapping[str, Sequence[str]], limit: Source | None) -> None:
    """Note where parts of `policy` do not go together.

    `order` has the tenants of the files, and their workloads, as they stand there: of two tenants the later is the one
    at fault, and one that the files do not name is not. `limit` is where the files set `host.max_uplinks`.
    """
    where = Whereabouts(faults, order)
    _check_uplinks(policy, where, limit)
    uplinks = {each.name: each for each in policy.uplinks}
    tenants = {each.name: each for each in policy.tenants}
    for tenant in policy.tenants:
        _check_references(tenant, uplinks, tenants, where)
    for expect in policy.expects:
        _check_expect(expect, uplinks, tenants, where)
    check_names(policy.tenants, where)
    check_ports(policy.tenants, where)
    check_prefixes(policy, where)


def _check_uplinks(policy: PolicySet, where: Whereabouts, limit: Source | None) -> None:
    interfaces: dict[str, Uplink] = {}
    for uplink in policy.uplinks:
        first = interfaces.setdefault(uplink.interface, uplink)
        if first is not uplink and uplink.interface:
            where.wrong(
                f"uplink {uplink.name}: interface {uplink.interface} is uplink {first.name}'s",
                Place.of(uplink.source, "interface"),
                notes=[("note: the first", Place.of(first.source, "interface"))],
            )
    most = policy.host.max_uplinks
    if len(policy.uplinks) > most:
        place = Place.of(policy.uplinks[most].source, on_key=True)
        notes = [("note: the limit", Place.of(limit, "max_uplinks"))] if limit else []
        hint = f"raise host.max_uplinks, now {most}"
        where.wrong(f"{len(policy.uplinks)} uplinks, and host.max_uplinks is {most}", place, hint=hint, notes=notes)


def _check_references(
    tenant: Tenant, uplinks: Mapping[str, Uplink], tenants: Mapping[str, Tenant], where: Whereabouts
) -> None:
    for index, name in enumerate(tenant.uplinks):
        if name not in uplinks:
            place = where.element(tenant.source, "uplinks", index)
            message = f"tenant {tenant.name}: unknown uplink {quoted(name)}"
            where.wrong(message, place, hint=where.suggestion(name, uplinks))
    for traffic_class in tenant.classes:
        _check_class(tenant, traffic_class, uplinks, where)
    for allow in tenant.allow:
        _check_allow(tenant, allow, tenants, where)


def _check_class(
    tenant: Tenant, traffic_class: TrafficClass, uplinks: Mapping[str, Uplink], where: Whereabouts
) -> None:
    name = traffic_class.uplink
    if name is None or name in tenant.uplinks:
        return
    label = f"tenant {tenant.name}, class {quoted(traffic_class.name)}"
    place = Place.of(traffic_class.source, "uplink")
    if name not in uplinks:
        where.wrong(f"{label}: unknown uplink {quoted(name)}", place, hint=where.suggestion(name, uplinks))
        return
    if not tenant.uplinks:
        return
    notes = [("note: its uplinks are", Place.of(tenant.source, "uplinks"))]
    hint = f"add {name} to them: a tenant has lanes by its own uplinks alone"
    where.wrong(f"{label}: {name} is not one of the tenant's uplinks", place, hint=hint, notes=notes)


def _check_allow(tenant: Tenant, allow: Allow, tenants: Mapping[str, Tenant], where: Whereabouts) -> None:
    place = Place.of(allow.source, "to")
    label = f"tenant {tenant.name}, allow {_number(allow.source)}"
    if allow.tenant == tenant.name:
        hint = "workloads of one tenant reach each other on their bridge"
        where.wrong(f"{label}: {tenant.name} is the tenant itself", place, hint=hint)
    elif allow.tenant not in tenants:
        message = f"{label}: unknown tenant {quoted(allow.tenant)}"
        where.wrong(message, place, hint=where.suggestion(allow.tenant, tenants, besides=tenant.name))
    elif allow.workload is not None:
        _check_workload(label, tenants[allow.tenant], allow.workload, place, where)


def _number(source: Source) -> int:
    """Return the number of an element of an array of tables, as people count."""
    *_, index = source.path
    return index + 1 if isinstance(index, int) else 1


def _check_workload(label: str, tenant: Tenant, name: str, place: Place, where: Whereabouts) -> None:
    known = where.workloads(tenant)
    if name not in known:
        hint = where.suggestion(name, known) or f"tenant {tenant.name} has none"
        where.wrong(f"{label}: tenant {tenant.name} has no workload {quoted(name)}", place, hint=hint)


def _check_expect(
    expect: Expect, uplinks: Mapping[str, Uplink], tenants: Mapping[str, Tenant], where: Whereabouts
) -> None:
    label = f"expect {_number(expect.source)}"
    for key, name in (("uplink", expect.uplink), ("arrives", expect.arrives)):
        if name is not None and name not in uplinks:
            place = Place.of(expect.source, key)
            where.wrong(f"{label}: unknown uplink {quoted(name)}", place, hint=where.suggestion(name, uplinks))
    name, slash, workload = expect.from_.partition("/")
    if not slash:
        return
    place = Place.of(expect.source, "from")
    if name not in tenants:
        where.wrong(f"{label}: unknown tenant {quoted(name)}", place, hint=where.suggestion(name, tenants))
        return
    tenant = tenants[name]
    _check_workload(label, tenant, workload, place, where)
    if expect.uplink in uplinks and tenant.uplinks and expect.uplink not in tenant.uplinks:
        hint = f"tenant {name} goes by {', '.join(tenant.uplinks)}"
        message = f"{label}: {expect.uplink} is not one of the tenant's uplinks"
        where.wrong(message, Place.of(expect.source, "uplink"), hint=hint)
    sender = where.workloads(tenant).get(workload)
    if sender is not None:
        families = {address.version for address in sender.addresses}
        if families and expect.to.version not in families:
            message = f"{label}: {expect.from_} has no IPv{expect.to.version} address to reach {expect.to} from"
            where.wrong(message, Place.of(expect.source, "to"))
