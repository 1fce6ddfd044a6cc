"""What the doctor finds in passing: for verbs that must not say that all is well where tenants' packets do not pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from laneway.state.routing import FOREIGN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from laneway.cli.wire import Scene
    from laneway.doctor.finding import Finding
    from laneway.doctor.own import Damage
    from laneway.plan.steps import Step
    from laneway.policy.model import PolicySet
    from laneway.state.closed import ClosedLane
    from laneway.state.diagnosis import Diagnosis
    from laneway.state.facts import Foreign, ForwardedPort, Variant


def found_in_passing(scene: Scene) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Return the doctor's errors and warnings about a host in force, and what was not looked at.

    Nothing is tried, and what is drift, or in the way of the next change, is for the caller to say.
    """
    from laneway.doctor.finding import APPLY, APPLY_IN_FORCE, Severity
    from laneway.doctor.judge import Besides, judge
    from laneway.kernel.diagnosis import glance
    from laneway.plan.taken import forwarded_ports

    policy, host = scene.aim.policy, scene.aim.policy.host
    foreign = scene.kernel.foreign(host.tables, host.priorities)
    seen = glance([each.interface for each in policy.uplinks], scene.aim.facts.variant, foreign)
    lost = tuple(each for each in forwarded_ports(policy, foreign) if each.is_lost)
    apply = APPLY if scene.before() is None else APPLY_IN_FORCE
    silent = silent_gateways(seen, policy)
    found = judge(seen, policy, Besides(taken=lost, closed=closed(scene), silent=silent, apply=apply))
    return tuple(each for each in found if each.severity is not Severity.INFO), seen.unseen


def silent_gateways(seen: Diagnosis, policy: PolicySet, *, ask: bool = False) -> frozenset[tuple[str, bytes]]:
    """Return the gateways that do not answer for themselves: as the kernel knows already, or with `ask` finds out."""
    from laneway.doctor.neighbours import gateways
    from laneway.errors import HostRefused
    from laneway.kernel.neighbours import silent

    try:
        return silent(gateways(seen, policy), ask=ask)
    except HostRefused:  # there is nothing to be said of them
        return frozenset()


def closed(scene: Scene) -> tuple[ClosedLane, ...]:
    """Return the lanes of a host by which nothing leaves."""
    from laneway.plan.closed import Host, closed_lanes

    aim = scene.aim
    return tuple(closed_lanes(aim.policy, aim.lanes, Host(aim.desired, scene.observed, aim.facts.interfaces)))


def refused_by_others(policy: PolicySet, foreign: Foreign, variant: Variant) -> Iterator[Finding]:
    """Yield the errors about chains and ip rules of others that keep tenants' packets: of what is known already."""
    from laneway.doctor.finding import Severity
    from laneway.doctor.refusing import refusing

    return (each for each in refusing(policy, foreign, variant) if each.severity is Severity.ERROR)


def sent_on_by_others(policy: PolicySet, foreign: Foreign, asked: Mapping[str, int | None]) -> Iterator[Finding]:
    """Yield warnings that rules of others send on the port that is asked about, of each protocol, and is published."""
    from laneway.doctor.finding import warning
    from laneway.plan.taken import forwarded_ports

    def meets(port: ForwardedPort) -> bool:
        number = asked.get(port.protocol)
        return number is not None and port.first <= number <= port.last

    meant = tuple(filter(meets, foreign.forwarded))
    for each in forwarded_ports(policy, foreign._replace(forwarded=meant)):
        number = asked[each.door.publish.protocol]
        if number is not None and number in each.door.publish.host_ports:
            yield warning("published-port-in-use", each.text, "of two that translate a flow the first decides")


def damage(steps: Sequence[Step]) -> tuple[Damage, ...]:
    """Return what of laneway's own is not as it was applied, as the steps that would mend it tell."""
    from laneway.verify.drift import differences

    return tuple(_damage(each.step, each.object, each.state) for each in differences(steps))


def _damage(step: Step, named: str, state: str) -> Damage:
    from laneway.doctor.own import Damage

    key: Any = step.key
    value: Any = step.old if step.new is None else step.new
    behind = step.kind == "jumps" and step.old is not None and not step.old.first
    steers = step.kind == "routes" and (FOREIGN in key.more.split() or not (key.to.length and value.via))
    return Damage(step.kind, str(getattr(key, "netns", "")), named, state, behind, steers)
