"""Whether the kernel's tables are large enough for the policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.doctor.finding import error, sysctl, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.doctor.finding import Finding
    from laneway.policy.model import PolicySet
    from laneway.state.diagnosis import Diagnosis

FLOWS_PER_WORKLOAD = 1024
"""Flows at a time that a busy web server has without trying."""

NEARLY_FULL = 0.9
CONNTRACK_MAX = "net/netfilter/nf_conntrack_max"
CONNTRACK_COUNT = "net/netfilter/nf_conntrack_count"
NEIGHBOURS = "net/ipv{}/neigh/default/gc_thresh3"


def judge(seen: Diagnosis, policy: PolicySet) -> Iterator[Finding]:
    """Yield findings about the tables of flows and of neighbours, which all tenants share."""
    yield from _flows(seen, sum(len(tenant.workloads) for tenant in policy.tenants))
    for family in (4, 6):
        yield from _neighbours(seen, policy, family)


def _flows(seen: Diagnosis, workloads: int) -> Iterator[Finding]:
    if CONNTRACK_MAX not in seen.sysctls:
        return
    most, present = int(seen.sysctls[CONNTRACK_MAX]), int(seen.sysctls.get(CONNTRACK_COUNT, "0"))
    wanted = _round_up(max(workloads * FLOWS_PER_WORKLOAD, int(present / NEARLY_FULL) + 1))
    command = sysctl(CONNTRACK_MAX, wanted)
    if present > most * NEARLY_FULL:
        why = "once it is full the kernel drops every new flow, of every tenant"
        yield error("flows-full", f"the kernel follows {present} flows and can follow {most}", why, command)
    elif workloads * FLOWS_PER_WORKLOAD > most:
        yield warning(
            "flows-few",
            f"the kernel can follow {most} flows, {most // workloads} for each of {workloads} workloads",
            "one busy tenant can use them up, and then the kernel drops every new flow, of every tenant",
            command,
        )


def _neighbours(seen: Diagnosis, policy: PolicySet, family: int) -> Iterator[Finding]:
    key = NEIGHBOURS.format(family)
    addresses = sum(
        address.version == family
        for tenant in policy.tenants
        for workload in tenant.workloads
        for address in workload.addresses
    )
    if key not in seen.sysctls or addresses <= int(seen.sysctls[key]) * NEARLY_FULL:
        return
    wanted = _round_up(addresses * 2)
    smaller = key.replace("gc_thresh3", "gc_thresh2")
    yield error(
        "neighbours-few",
        f"the kernel keeps {seen.sysctls[key]} IPv{family} neighbours, and workloads have {addresses} addresses",
        "those that do not fit are not reached ('neighbour table overflow' in dmesg)",
        sysctl(key, wanted),
        sysctl(smaller, wanted // 2),
    )


def _round_up(number: int) -> int:
    """Return the next power of two."""
    return 1 << max(number - 1, 1).bit_length()
