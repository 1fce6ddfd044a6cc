"""Whether a host holds a policy: what has drifted, and which of the policy's own tests fail there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from laneway.doctor import closed
from laneway.doctor.finding import Severity
from laneway.doctor.refusing import refusing
from laneway.errors import Exit
from laneway.explain.expect import failed
from laneway.explain.explanation import Ground
from laneway.explain.origin import Origins
from laneway.explain.terrain import Terrain
from laneway.plan.closed import Host, closed_lanes
from laneway.plan.conflicts.handovers import handovers
from laneway.plan.plan import plan
from laneway.verify.besides import with_besides
from laneway.verify.drift import differences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from laneway.apply.target import Target
    from laneway.doctor.finding import Finding
    from laneway.explain.expect import Failure
    from laneway.kernel.outside import Limits
    from laneway.plan.conflicts.collision import Collision
    from laneway.policy.model import PolicySet
    from laneway.state.host import HostState
    from laneway.state.underlay import Underlay
    from laneway.verify.drift import Difference
    from laneway.verify.remote import RemoteHost


@dataclass(frozen=True, slots=True)
class Judgement:
    """A host beside its policy."""

    aim: Target
    ground: Ground  # the host as it is
    drift: tuple[Difference, ...]
    failures: tuple[Failure, ...]
    in_the_way: tuple[Collision, ...] | None = None  # for which a plan is refused; None: of others' not looked for
    findings: tuple[Finding, ...] = ()  # the doctor's errors and warnings
    strict: bool = False  # a warning is a failure too
    unseen: tuple[str, ...] = ()  # what the doctor could not look at
    besides: tuple[str, ...] = ()  # tenants there that the policy does not name: judged by the one in force there
    workloads: Mapping[str, str] = field(default_factory=dict)  # not inside as the policy says, and why

    @property
    def broken(self) -> tuple[Finding, ...]:
        """Return the findings for which the host does not hold the policy, whatever else is right."""
        return tuple(each for each in self.findings if self.strict or each.severity is Severity.ERROR)

    @property
    def exit_code(self) -> Exit:
        """Return the exit code: a test that fails weighs most, and what merely differs least."""
        if self.failures:
            return Exit.EXPECTATION
        if self.in_the_way:
            return Exit.CONFLICT
        return Exit.PENDING if self.drift or self.workloads or self.broken else Exit.DONE


def judge(
    aim: Target, observed: HostState, underlay: Underlay, in_the_way: tuple[Collision, ...] | None = None
) -> Judgement:
    """Return the judgement on a host that was observed."""
    ground = Ground(Terrain(observed, underlay), Origins(aim.policy, aim.lanes))
    drift, failures = differences(plan(aim.desired, observed)), tuple(failed(aim.policy, ground))
    return Judgement(aim, ground, drift, failures, in_the_way)


def judge_remote(host: RemoteHost, policy: PolicySet, limits: Limits | None = None) -> Judgement:
    """Read a host with plain commands and return the judgement on it; raises HostRefused, Conflict.

    Of what is in the way only laneway's own is looked for: others' routes, names of tables and marks outside iptables
    are not read there.
    Tenants there that the policy does not name are judged by the policy in force there, where that can be read.
    Of the doctor's findings there are those about closed lanes, and ip rules and chains of others; what else it looks
    at is unseen.
    """
    from laneway.apply.target import refuse_unknown_tenants, target
    from laneway.kernel.outside import Limits
    from laneway.verify.remote import read

    seen = read(host, policy.host.iptables, limits=limits or Limits())
    policy, besides = with_besides(policy, seen.state, seen.in_force)
    refuse_unknown_tenants(policy, seen.state)
    aim = target(policy, seen.state, seen.facts([each.interface for each in policy.uplinks]))
    found = [each for each in refusing(policy, seen.foreign, seen.variant) if each.severity is not Severity.INFO]
    lanes = closed_lanes(aim.policy, aim.lanes, Host(aim.desired, seen.state, aim.facts.interfaces))
    found += closed.judge(tuple(lanes))
    changed = tuple(handovers(seen.state, aim.desired, aim.lanes)) or None
    judgement = judge(aim, seen.comparable(aim.desired), seen.underlay, changed)
    return replace(judgement, findings=tuple(found), unseen=seen.foreign.unseen, besides=besides)
