"""Which source ports tenants' flows leave with, so that nobody is taken for a service of the host's address.

Translated, a flow to somebody takes its port of the host's address for everything that this somebody sends there: a
tenant that sends from a port where another publishes a service, or where the host itself listens, would be given that
service's packets (CVE-2021-3773). Services listen below the ports of clients, or where the policy says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from laneway.policy.model import Address, PolicySet, Ports

FIRST, LAST = 32768, 65535
"""From where Linux takes ports for clients (ip_local_port_range in ip-sysctl.rst), to the last."""


def source_ports(policy: PolicySet) -> tuple[int, int] | None:
    """Return the first and last of the longest run of ports that nobody publishes; None: all are published."""
    published = sorted(
        publish.host_ports for tenant in policy.tenants for workload in tenant.workloads for publish in workload.publish
    )
    runs = [(last - first, first, last) for first, last in _between(published)]
    return max(runs, key=lambda run: (run[0], -run[1]))[1:] if runs else None


def shared_addresses(policy: PolicySet) -> frozenset[Address]:
    """Return the addresses that are, as a source or to publish at, more than one tenant's, or an uplink's as well.

    What is published at no address of its own is not looked at: the address that people are told is the uplink's.
    """
    users: dict[Address, set[str]] = {}
    for tenant in policy.tenants:
        published = (each.host for workload in tenant.workloads for each in workload.publish if each.host is not None)
        for address in (*(own for _, own in tenant.snat), *published):
            users.setdefault(address, set()).add(tenant.name)
    for uplink in policy.uplinks:
        for address in uplink.snat:
            users.setdefault(address, set()).add("")
    return frozenset(address for address, names in users.items() if len(names) > 1)


def _between(published: Iterable[Ports]) -> Iterable[tuple[int, int]]:
    """Yield the runs of ports between those published, which are sorted and may overlap."""
    free = FIRST
    for ports in published:
        if free < ports.first:
            yield free, ports.first - 1
        free = max(free, ports.last + 1)
    if free <= LAST:
        yield free, LAST
