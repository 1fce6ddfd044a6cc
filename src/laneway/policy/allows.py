"""`[[tenants.NAME.allow]]`: holes in the wall between tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.policy.fields import name_problem, quoted
from laneway.policy.model import Allow
from laneway.policy.services import service

if TYPE_CHECKING:
    from laneway.policy.fields import Table

KEYS = frozenset({"to", "ports"})


def allows(tenant: Table) -> tuple[Allow, ...]:
    """Return what a tenant may reach of others, in file order."""
    found = (_allow(table) for table in tenant.tables("allow", "allow"))
    return tuple(each for each in found if each is not None)


def _allow(table: Table) -> Allow | None:
    table.only(KEYS)
    table.require("to", hint='write to = "TENANT" or to = "TENANT/WORKLOAD"')
    table.require("ports", hint='write ports = ["5432/tcp"]')
    if table.values.get("ports") == []:
        table.wrong("ports is empty, so that nothing would be allowed", "ports")
    services = tuple(table.each("ports", service))
    to = table.get("to", str)
    if to is None:
        return None
    tenant, slash, workload = to.partition("/")
    if name_problem(tenant) or (slash and name_problem(workload)):
        table.wrong(f"{quoted(to)} is neither a tenant nor TENANT/WORKLOAD", "to")
        return None
    return Allow(tenant, workload or None, services, table.source)
