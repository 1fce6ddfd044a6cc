"""What a host should hold after a command: the policy files, and the tenants it has besides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from laneway.compile.host import compile_host
from laneway.errors import Conflict
from laneway.lanes.allocate import Lanes, allocate
from laneway.lanes.field import MarkField
from laneway.lanes.leases import PATH, Leases, parse
from laneway.lanes.rebuild import rebuild, resident_tenants
from laneway.state.gateways import refused_gateway
from laneway.state.host import recorded_priors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.policy.model import PolicySet
    from laneway.state.facts import HostFacts
    from laneway.state.host import HostState


@dataclass(frozen=True, slots=True)
class Target:
    """A policy with the numbers it has on this host, and the state it asks for."""

    policy: PolicySet
    lanes: Lanes
    desired: HostState
    facts: HostFacts

    @property
    def waiting(self) -> tuple[str, ...]:
        """Return, for a person, every uplink that is not there yet, or whose gateway the kernel would refuse."""
        closed = tuple(
            f"uplink {uplink.name}: interface {uplink.interface} is not up; its lanes are closed until the next apply"
            for uplink in self.policy.uplinks
            if uplink.interface not in self.facts.interfaces
        )
        return (*closed, *refused_gateways(self.policy, self.facts))


def refused_gateways(policy: PolicySet, facts: HostFacts) -> Iterator[str]:
    """Yield, for a person, the uplinks to whose gateways the kernel refuses a route."""
    for uplink in policy.uplinks:
        for gateway in (uplink.gateway4, uplink.gateway6):
            if gateway is None or isinstance(gateway, str) or uplink.interface not in facts.interfaces:
                continue
            routes = [(each.interface, each.to) for each in facts.uplink_routes]
            if refused_gateway(uplink.interface, gateway.packed, facts.addresses, routes):
                yield (
                    f"uplink {uplink.name}: the kernel refuses a route by {uplink.interface} to its gateway {gateway}, "
                    f"and its lanes are closed in IPv{gateway.version}; `laneway doctor` says why"
                )


def target(policy: PolicySet, observed: HostState, facts: HostFacts) -> Target:
    """Return what `policy` asks of the host that is `observed`, every number it already has kept.

    Whether one change may lead there is judged by `laneway.plan.conflicts`.
    """
    field = MarkField.of(policy.host.marks, policy.host.max_uplinks)
    leases = parse(observed.files.get(PATH, ""))
    if leases == Leases():  # the file is lost, or is one no longer
        leases = rebuild(observed, field)
    lanes = allocate(policy, leases)
    facts = facts._replace(turned=frozenset(recorded_priors(observed)))
    desired = compile_host(policy, lanes, facts)
    _remember_links_that_are_gone(desired, observed)
    return Target(policy, lanes, desired, facts)


def _remember_links_that_are_gone(desired: HostState, observed: HostState) -> None:
    """Leave what is recorded of links that are gone until something else of it changes: links come and go.

    It is of no use to anybody, and no difference between a host and its policy.
    """
    gone = {key: value for key, value in observed.priors.items() if key not in observed.sysctls}
    there = {key: value for key, value in observed.priors.items() if key in observed.sysctls}
    if desired.chains and desired.priors == there:
        desired.priors |= gone


def refuse_unknown_tenants(policy: PolicySet, observed: HostState) -> None:
    """Raise Conflict when the host has tenants whose policy is known to nobody: they must not be swept away."""
    unknown = sorted(set(resident_tenants(observed).values()) - {tenant.name for tenant in policy.tenants})
    if unknown:
        message = f"on this host, but in no policy that laneway knows of: {', '.join(unknown)}"
        hint = "name the files of these tenants too; or, to remove them for good, apply with --prune"
        raise Conflict(message, hint)


def without(policy: PolicySet, tenants: frozenset[str]) -> PolicySet:
    """Return `policy` less some tenants, and less what others were allowed to reach of them."""
    kept = tuple(
        tenant._replace(allow=tuple(each for each in tenant.allow if each.tenant not in tenants))
        for tenant in policy.tenants
        if tenant.name not in tenants
    )
    expects = tuple(each for each in policy.expects if each.from_.partition("/")[0] not in tenants)
    return policy._replace(tenants=kept, expects=expects)
