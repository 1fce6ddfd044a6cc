"""`[tenants.NAME]`: owners of subnets, workloads and policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.policy.allows import allows
from laneway.policy.classes import traffic_classes
from laneway.policy.fields import quoted, type_name
from laneway.policy.model import Service, Tenant
from laneway.policy.routes import tenant_routes
from laneway.policy.services import service
from laneway.policy.uplinks import one_per_family
from laneway.policy.values import subnet, unicast
from laneway.policy.workloads import workloads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from laneway.policy.fields import Table
    from laneway.policy.model import Address, Uplink

KEYS = frozenset(
    {"id", "subnets", "uplinks", "snat", "host_access", "dns", "isolate", "workloads", "routes", "classes", "allow"}
)
FIRST_ID = 2
"""Owner 1 is the host itself."""

PING = (Service("icmp", None),)
"""What workloads may reach on the host when the policy does not say."""


class Surroundings(NamedTuple):
    """What a tenant is read against."""

    uplinks: Mapping[str, Uplink]
    max_owner: int


def tenant(name: str, table: Table, around: Surroundings) -> Tenant:
    """Return the tenant that a table describes; what is wrong with it is noted and left out."""
    table.only(KEYS)
    table.require("subnets", hint='write subnets = ["10.20.0.0/24"]')
    table.require("uplinks", hint="name the uplinks it may use, in order of preference")
    _refuse_empty(table, "subnets", "uplinks")
    subnets = [network for _, network in table.unique("subnets", subnet)]
    uplinks = tuple(each for _, each in table.unique("uplinks", str))
    exact = bool(subnets) and not table.has_faults("subnets")
    return Tenant(
        name,
        tuple(subnets),
        uplinks,
        table.source,
        id=table.integer("id", FIRST_ID, around.max_owner),
        snat=_snat(table, uplinks, around.uplinks),
        host_access=tuple(table.each("host_access", service)) if "host_access" in table else PING,
        dns=tuple(address for _, address in table.unique("dns", unicast)),
        isolate=table.get("isolate", bool) is True,
        workloads=workloads(table, subnets if exact else None),
        routes=tenant_routes(table, subnets if exact else None),
        classes=traffic_classes(table),
        allow=allows(table),
    )


def _refuse_empty(table: Table, *keys: str) -> None:
    for key in keys:
        if table.values.get(key) == []:
            table.wrong(f"{key} is empty", key)


def _snat(table: Table, names: Sequence[str], uplinks: Mapping[str, Uplink]) -> tuple[tuple[str, Address], ...]:
    value = table.values.get("snat")
    if value is None:
        return ()
    known = [uplinks[name] for name in names if name in uplinks]
    if isinstance(value, list):
        return _snat_everywhere(table, known, complete=len(known) == len(names))
    if isinstance(value, dict):
        return _snat_by_uplink(table, names, uplinks)
    table.wrong(f"snat must be an array or a table, not {type_name(value)}", "snat")
    return ()


def _snat_everywhere(table: Table, uplinks: Sequence[Uplink], *, complete: bool) -> tuple[tuple[str, Address], ...]:
    """Return the addresses for every uplink that carries their family."""
    pairs = []
    for index, address in one_per_family(table, "snat"):
        carriers = [each.name for each in uplinks if _carries(each, address)]
        if not carriers and complete and uplinks:
            table.wrong(f"{address}: no uplink of the tenant carries IPv{address.version}", "snat", index)
        pairs += [(name, address) for name in carriers]
    return tuple(sorted(pairs, key=lambda pair: (pair[0], pair[1].version)))


def _snat_by_uplink(
    table: Table, names: Sequence[str], uplinks: Mapping[str, Uplink]
) -> tuple[tuple[str, Address], ...]:
    below = table.table("snat")
    if below is None:
        return ()
    pairs = []
    for name in sorted(below.values):
        if name not in names:
            hint = f"its uplinks are {', '.join(names)}" if names else ""
            below.wrong(
                f"snat by {quoted(name)}, which is not one of the tenant's uplinks", name, hint=hint, on_key=True
            )
            continue
        for index, address in one_per_family(below, name, below=f"snat by {name}"):
            if name in uplinks and not _carries(uplinks[name], address):
                below.wrong(f"{address}: uplink {name} does not carry IPv{address.version}", name, index)
                continue
            pairs.append((name, address))
    return tuple(sorted(pairs, key=lambda pair: (pair[0], pair[1].version)))


def _carries(uplink: Uplink, address: Address) -> bool:
    return (uplink.gateway4 if address.version == 4 else uplink.gateway6) is not None  # noqa: PLR2004
