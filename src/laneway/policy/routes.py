"""`[[tenants.NAME.routes]]`: routers behind a tenant's bridge, and destinations that it is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from laneway.policy.fields import quoted
from laneway.policy.model import TenantRoute
from laneway.policy.problems import Place
from laneway.policy.values import network, reserved, unicast
from laneway.policy.workloads import misplaced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from laneway.policy.fields import Table
    from laneway.policy.model import Address, Network, Source

KEYS = frozenset({"to", "via", "type"})
KINDS = ("blackhole", "unreachable", "prohibit")


def tenant_routes(tenant: Table, subnets: Sequence[Network] | None) -> tuple[TenantRoute, ...]:
    """Return a tenant's extra routes in file order; None: its subnets are not known for sure."""
    found = []
    taken: dict[Network, Source] = {}
    for table in tenant.tables("routes", "route"):
        route = _route(table, subnets)
        if route is None:
            continue
        if route.to in taken:
            notes = [("note: first here", Place.of(taken[route.to], "to"))]
            table.wrong(f"a second route to {route.to}", "to", notes=notes)
            continue
        taken[route.to] = route.source
        found.append(route)
    return tuple(found)


def _route(table: Table, subnets: Sequence[Network] | None) -> TenantRoute | None:
    table.only(KEYS)
    table.require("to", hint='write to = "172.16.0.0/12"')
    if ("via" in table) == ("type" in table):
        table.wrong("a route has either via or type", hint='write via = "ADDRESS", or type = "unreachable"')
    to = table.parsed("to", network)
    via = table.parsed("via", unicast)
    kind = table.choice("type", KINDS)
    if to is None or (via is None) == (kind is None):
        return None
    if problem := _destination_problem(to, subnets, routed=via is not None):
        table.wrong(problem, "to", hint=_destination_hint(to))
        return None
    if via is not None and (problem := _router_problem(to, via, subnets)):
        table.wrong(problem, "via", hint="it must be a host on the tenant's bridge")
        return None
    kinds = cast("Literal['unicast', 'blackhole', 'unreachable', 'prohibit']", kind or "unicast")
    return TenantRoute(to, via, kinds, table.source)


def _destination_problem(to: Network, subnets: Sequence[Network] | None, *, routed: bool) -> str:
    if to.prefixlen == 0:
        return f"{to} is the default route"
    for subnet in subnets or ():
        if subnet.version == to.version and subnet.overlaps(to):
            return f"{to} overlaps the tenant's own subnet {subnet}"
    if routed and (clash := reserved(to)):
        return f"{to} overlaps {clash}"
    return ""


def _destination_hint(to: Network) -> str:
    if to.prefixlen == 0:
        return "where the default leads is the business of the tenant's uplinks"
    return ""


def _router_problem(to: Network, via: Address, subnets: Sequence[Network] | None) -> str:
    if via.version != to.version:
        return f"{quoted(str(via))} is not of the family of {to}"
    return "" if subnets is None else misplaced(via, subnets)
