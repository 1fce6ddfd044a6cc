"""What a host should hold after a command: the policy files, and the tenants it has besides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from laneway.apply.crossovers import refuse_crossovers
from laneway.apply.homes import refuse_moved_prefixes
from laneway.compile.host import compile_host
from laneway.errors import Conflict
from laneway.lanes.allocate import Lanes, allocate
from laneway.lanes.field import MarkField
from laneway.lanes.leases import HOST_NAME, PATH, Leases, holders, parse
from laneway.lanes.rebuild import rebuild, resident_tenants
from laneway.state.host import recorded_priors
from laneway.state.routing import RuleAction

if TYPE_CHECKING:
    from laneway.policy.model import PolicySet
    from laneway.state.facts import HostFacts
    from laneway.state.host import HostState


_WAY_ROUND = "take an id away in one apply and give it to another in the next; for max_uplinks, `laneway destroy` first"


@dataclass(frozen=True, slots=True)
class Target:
    """A policy with the numbers it has on this host, and the state it asks for."""

    policy: PolicySet
    lanes: Lanes
    desired: HostState
    facts: HostFacts

    @property
    def waiting(self) -> tuple[str, ...]:
        """Return, for a person, every uplink that is not there yet."""
        return tuple(
            f"uplink {uplink.name}: interface {uplink.interface} is not up; its lanes are closed until the next apply"
            for uplink in self.policy.uplinks
            if uplink.interface not in self.facts.interfaces
        )


def target(policy: PolicySet, observed: HostState, facts: HostFacts) -> Target:
    """Return what `policy` asks of the host that is `observed`, every number it already has kept."""
    field = MarkField.of(policy.host.marks, policy.host.max_uplinks)
    leases = parse(observed.files.get(PATH, ""))
    if leases == Leases():  # the file is lost, or is one no longer
        leases = rebuild(observed, field)
    lanes = allocate(policy, leases)
    facts = facts._replace(turned=frozenset(recorded_priors(observed)))
    desired = compile_host(policy, lanes, facts)
    _remember_links_that_are_gone(desired, observed)
    _refuse_other_marks(observed, field)
    _refuse_handing_over(observed, desired)
    refuse_moved_prefixes(observed, desired)
    refuse_crossovers(observed, desired, lanes)
    return Target(policy, lanes, desired, facts)


def _remember_links_that_are_gone(desired: HostState, observed: HostState) -> None:
    """Leave what is recorded of links that are gone until something else of it changes: links come and go.

    It is of no use to anybody, and no difference between a host and its policy.
    """
    gone = {key: value for key, value in observed.priors.items() if key not in observed.sysctls}
    there = {key: value for key, value in observed.priors.items() if key in observed.sysctls}
    if desired.chains and desired.priors == there:
        desired.priors |= gone


def _refuse_other_marks(observed: HostState, field: MarkField) -> None:
    """Raise Conflict when marks that are in use would be read as others, for the reason of `_refuse_handing_over`.

    In a field without a common bit a known flow has no lane, and would be given its tenant's first one.
    """
    used = {rule.mark.mask for rule in observed.fib_rules if rule.action == RuleAction.LOOKUP and rule.mark}
    if used and field.mask not in used:
        message = f"host.marks is {min(used):#010x} on this host, and would be {field.mask:#010x}"
        raise Conflict(message, "known flows bear the marks they have: `laneway destroy` first")


def _refuse_handing_over(observed: HostState, desired: HostState) -> None:
    """Raise Conflict when a lane that is somebody's on the host would be another's.

    Sets, chains and tables do not change at one instant: meanwhile packets with its mark would be taken for those of
    whoever has it next, and leave by that tenant's uplink, as that tenant's address.
    """
    before, after = (holders(state.files.get(PATH, "")) for state in (observed, desired))
    for number in sorted(before.keys() & after.keys()):
        old, new = before[number], after[number]
        if old != new:
            message = f"lane number {number} is {_named(old)}'s on this host, and would be {_named(new)}'s"
            raise Conflict(message, _WAY_ROUND)


def _named(owner: str) -> str:
    return "the host" if owner == HOST_NAME else f"tenant {owner}"


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
