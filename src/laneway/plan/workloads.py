"""Which steps are about one workload alone, and may fail without anybody else being kept waiting for theirs.

Whoever is root inside a workload can turn IPv6 off there, take our link away or put another in its place, and no step
of ours can help it. Were such a step to fail a plan, that root would hold the host: no tenant could be changed, and no
change taken back. So it is done as far as it goes, and the workload is named. The host's own side stays all or nothing,
a workload's port as well, so long as it is there: it goes when its far end is deleted, or taken to another name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.plan.steps import Op, merged
from laneway.plan.words import describe
from laneway.policy.names import netns_name
from laneway.state.links import HOST, LinkKey, LinkKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from laneway.plan.steps import Step
    from laneway.policy.model import PolicySet
    from laneway.state.host import HostState

_INSIDE = ("links", "addresses", "routes")


class Workloads:
    """Workloads that root may have been at work in, by the names of their network namespaces."""

    def __init__(self, names: Collection[str], *states: HostState) -> None:
        """Take the names, and the states that say whose port a link of the host is."""
        self._names = frozenset(names)
        self._ports = ports(*states)

    def of(self, step: Step) -> str | None:
        """Return which of these workloads the step is about, if it is about one alone; what ends one is the host's."""
        name = whose(step, self._ports)
        ends = step.op is Op.DELETE and (step.kind == "netns" or getattr(step.key, "netns", HOST) == HOST)
        return name if name in self._names and not ends else None

    def parted(self, steps: Iterable[Step]) -> tuple[list[Step], list[Step]]:
        """Return the steps that must be done, and those that are about one of these workloads."""
        sides: tuple[list[Step], list[Step]] = ([], [])
        for step in steps:
            sides[self.of(step) is not None].append(step)
        return sides

    def left(self, steps: Iterable[Step], present: HostState) -> tuple[list[Step], dict[str, list[Step]]]:
        """Return what a host still lacks that must be so, and what each workload does."""
        must: list[Step] = []
        lacking: dict[str, list[Step]] = {}
        for step in merged(steps):  # a link is made, and later brought up
            name = self.of(step)
            if name is None or _is_a_present_port(step, present):
                must.append(step)
            else:
                lacking.setdefault(name, []).append(step)
        return must, lacking


def ports(*states: HostState) -> dict[str, str]:
    """Return the network namespace that each of the host's ends of our veth pairs leads to."""
    return {
        key.name: link.peer.netns
        for state in states
        for key, link in state.links.items()
        if link.kind is LinkKind.VETH and link.peer is not None
    }


def whose(step: Step, ports: Mapping[str, str]) -> str | None:
    """Return the network namespace of the workload that the step is about, if it is about one alone."""
    if step.kind == "netns":
        name: str = step.key
        return name
    if step.kind == "sysctls":
        link = step.key.split("/")[3:4]
        return ports.get(link[0]) if link else None
    if step.kind not in _INSIDE:
        return None
    if step.key.netns != HOST:
        inside: str = step.key.netns
        return inside
    return ports.get(step.key.name) if step.kind == "links" else None


def lacking(steps: Iterable[Step], *states: HostState) -> dict[str, str]:
    """Return, in words, what each workload lacks that the steps would give it."""
    whither = ports(*states)
    found: dict[str, list[Step]] = {}
    for step in steps:
        name = whose(step, whither)
        if name is not None:
            found.setdefault(name, []).append(step)
    return {name: _told(each) for name, each in found.items()}


def _told(steps: list[Step]) -> str:
    more = f", and {len(steps) - 1} more" if len(steps) > 1 else ""
    return f"it lacks what this would give it: {describe(steps[0])}{more}"


def named(reasons: Iterable[tuple[str, str]], policy: PolicySet) -> dict[str, str]:
    """Return what is told of network namespaces by the names of their workloads, all that is told of one together."""
    names = names_of(policy)
    found: dict[str, str] = {}
    for netns, text in reasons:
        name = names.get(netns, netns)
        found[name] = f"{found[name]}; {text}" if name in found else text
    return dict(sorted(found.items()))


def unchanged(before: PolicySet, after: PolicySet) -> frozenset[str]:
    """Return the network namespaces of which two policies ask the same."""
    old = {tenant.name: tenant for tenant in before.tenants}
    return frozenset(
        netns_name(tenant.name, workload.name)
        for tenant in after.tenants
        if tenant.name in old and old[tenant.name].subnets == tenant.subnets
        for workload in tenant.workloads
        if any(
            (each.name, each.addresses) == (workload.name, workload.addresses) for each in old[tenant.name].workloads
        )
    )


def names_of(policy: PolicySet) -> dict[str, str]:
    """Return the policy's workloads as people write them, by their network namespaces."""
    return {
        netns_name(tenant.name, workload.name): f"{tenant.name}/{workload.name}"
        for tenant in policy.tenants
        for workload in tenant.workloads
    }


def _is_a_present_port(step: Step, present: HostState) -> bool:
    """Return whether a step changes a port that is there, beside where it leads."""
    if step.kind == "sysctls":
        there = LinkKey(HOST, step.key.split("/")[3]) in present.links
        return there and present.sysctls.get(step.key) != step.new
    port = present.links.get(step.key) if step.kind == "links" and step.key.netns == HOST else None
    return port is not None and step.new._replace(peer=port.peer) != port
