"""What a policy leaves as it already is on the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from laneway.policy.model import Expect, PolicySet, Tenant, Uplink


def carried_uplinks(base: PolicySet, named: Mapping[str, Uplink], tenants: Collection[Tenant]) -> dict[str, Uplink]:
    """Return the uplinks of `base` that the files do not name.

    One that is renamed is left out: its interface is another's now, and of the `tenants` carried over none needs it.
    """
    taken = {each.interface for each in named.values()}
    needed = {name for tenant in tenants for name in tenant.uplinks}
    return {
        each.name: each
        for each in base.uplinks
        if each.name not in named and (each.interface not in taken or each.name in needed)
    }


def carried_tenants(base: PolicySet, named: Collection[str]) -> dict[str, Tenant]:
    """Return the tenants of `base` that the files do not name."""
    return {each.name: each for each in base.tenants if each.name not in named}


def carried_expects(base: PolicySet, tenants: Mapping[str, Tenant]) -> list[Expect]:
    """Return the expectations of `base` that are about the tenants carried over: from them, or to their ports."""
    published = {
        (publish.protocol, port)
        for tenant in tenants.values()
        for workload in tenant.workloads
        for publish in workload.publish
        for port in range(publish.host_ports.first, publish.host_ports.last + 1)
    }
    return [
        each
        for each in base.expects
        if each.from_.partition("/")[0] in tenants
        or ("/" not in each.from_ and (each.protocol, each.port) in published)
    ]
