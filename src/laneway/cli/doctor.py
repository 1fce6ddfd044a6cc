"""`laneway doctor`: what on this host would break the policy, and what mends it."""

import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from laneway.cli import output
from laneway.cli.app import finish
from laneway.errors import Exit, HostRefused, NoPrivileges, UsageError

if TYPE_CHECKING:
    from typer import Typer

    from laneway.doctor.finding import Finding
    from laneway.doctor.own import Damage
    from laneway.plan.conflicts.collision import Collision
    from laneway.plan.taken import Forwarded, Taken
    from laneway.policy.model import PolicySet
    from laneway.state.closed import ClosedLane
    from laneway.state.diagnosis import Diagnosis

COLOURS = {"error": output.RED, "warning": output.YELLOW, "info": output.DIM}
MARGIN = 9
"""Columns of the longest word for a severity, and a space or two."""


def register(app: "Typer") -> None:
    """Add the verb to the application."""
    import typer

    @app.command(short_help="Find what on this host would break the policy, and the fix.")
    def doctor(
        paths: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="Files or directories.")] = None,
        *,
        as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    ) -> None:
        """Say what on this host would break the policy, each with the commands that fix it. Nothing is changed.

        Without a path it is the policy in force, or the one of $LANEWAY_POLICY or /etc/laneway; without any of them
        the host alone is looked at. As another user than root it says what it could not look at.

        Exit code 0: nothing would break; 4: something would. Warnings alone are 0.
        """
        finish(lambda: run(paths or [], as_json=as_json), as_json=as_json)


def run(paths: Sequence[str | Path], *, as_json: bool) -> Exit:
    """Look the host over and print what is found."""
    from laneway.cli.health import silent_gateways
    from laneway.doctor.finding import Severity
    from laneway.doctor.judge import Besides, judge
    from laneway.kernel.diagnosis import look_over
    from laneway.plan.answers import unheard
    from laneway.plan.taken import forwarded_ports, taken_ports

    policy = _policy(paths)
    interfaces = [each.interface for each in policy.uplinks] if policy else []
    seen = look_over(interfaces, policy.host.iptables if policy else "auto")
    taken: tuple[Taken | Forwarded, ...] = ()
    if policy is not None:
        taken = (*taken_ports(policy, seen.listeners), *forwarded_ports(policy, seen.foreign))
    lost = tuple(unheard(policy, seen.foreign, seen.gateways)) if policy else ()
    others = _collisions(policy, seen) if policy else _collisions_of_any(seen)
    silent = silent_gateways(seen, policy, ask=True) if policy else frozenset[tuple[str, bytes]]()
    found = judge(seen, policy, Besides(others, taken, lost, *_own(policy), apply=_apply(paths), silent=silent))
    breaks = any(each.severity is Severity.ERROR for each in found)
    unseen = (*seen.unseen, *_hidden())
    if as_json:
        findings = [{**each._asdict(), "commands": list(each.commands)} for each in found]
        output.answer({"breaks": breaks, "policy": policy is not None, "findings": findings, "unseen": unseen})
    else:
        _print(found)
        for each in unseen:
            output.note(f"not looked at: {each}")
        output.note(_summary(found, policy))
    return Exit.PENDING if breaks else Exit.DONE


def _policy(paths: Sequence[str | Path]) -> "PolicySet | None":
    from laneway.cli.paths import policy_paths
    from laneway.policy.load import load

    if paths:
        return load(policy_paths(paths), base=_besides)
    stored = _in_force()
    if stored is not None:
        return stored
    (usual,) = policy_paths([])
    there = bool(os.environ.get("LANEWAY_POLICY")) or usual.is_file() or any(usual.glob("*.toml"))
    return load([usual]) if there else None


def _apply(paths: Sequence[str | Path]) -> str:
    """Return the command that applies the policy here: once more, or for the first time."""
    from laneway.doctor.finding import APPLY, APPLY_IN_FORCE
    from laneway.plan.shell import joined

    if _in_force() is not None:
        return APPLY_IN_FORCE
    return joined(["laneway", "apply", *map(str, paths)]) if paths else APPLY


def _besides(tenants: "Collection[str]") -> "PolicySet | None":
    from laneway.apply import store

    try:
        return store.applied_besides(tenants)
    except NoPrivileges:
        return None


def _in_force() -> "PolicySet | None":
    from laneway.apply import store

    try:
        return store.applied()
    except NoPrivileges:  # it is told as not looked at
        return None


def _hidden() -> tuple[str, ...]:
    """Return that the policy in force could not be looked at, where that is so."""
    from laneway.apply import generations, store

    try:
        generations.every(store.history())
    except NoPrivileges as error:
        return (f"the policy in force: {error}",)
    return ()


def _own(policy: "PolicySet | None") -> "tuple[tuple[Damage, ...], tuple[ClosedLane, ...]]":
    """Return what of laneway's own is not as it was applied: by what is remembered of that, not by the files named."""
    from laneway.cli.health import closed, damage
    from laneway.cli.wire import look_at
    from laneway.plan.plan import plan

    stored = _in_force()
    in_force = stored or policy
    if in_force is None:
        return (), ()
    try:
        scene = look_at(in_force, prune=True)
    except (HostRefused, UsageError):  # told already: no iptables, or no rights
        return (), ()
    if stored is None and not any(scene.observed.kinds().values()):
        return (), ()  # nothing was applied here
    return damage(plan(scene.aim.desired, scene.observed)), closed(scene)


def _collisions(policy: "PolicySet", seen: "Diagnosis") -> "tuple[Collision, ...]":
    """Return what of others' is in the way of the policy with the numbers it has here, or would have."""
    from laneway.compile.host import compile_host
    from laneway.lanes.allocate import allocate
    from laneway.lanes.leases import Leases
    from laneway.plan.conflicts.foreign import collisions, outside_lanes
    from laneway.plan.conflicts.handovers import handovers
    from laneway.state.facts import HostFacts

    try:
        from laneway.cli.wire import look_at

        scene = look_at(policy, prune=True)
        desired, field, theirs = scene.aim.desired, scene.aim.lanes.field, outside_lanes(seen.foreign, scene.observed)
        changed = tuple(handovers(scene.observed, desired, scene.aim.lanes))
    except (HostRefused, UsageError):  # told already: no iptables, or no rights
        facts = HostFacts(seen.variant or "nft", frozenset(each.name for each in seen.links if each.up))
        lanes = allocate(policy, Leases())
        desired, field, changed, theirs = compile_host(policy, lanes, facts), lanes.field, (), seen.foreign
    return (*changed, *collisions(desired, theirs, policy.host, field))


def _collisions_of_any(seen: "Diagnosis") -> "tuple[Collision, ...]":
    """Return what of others' is in the way of marks and priorities as they are where no policy says otherwise."""
    from laneway.lanes.field import MarkField
    from laneway.plan.conflicts.foreign import collisions
    from laneway.policy.model import HostSettings
    from laneway.state.host import HostState
    from laneway.state.routing import FibRule, RuleAction

    usual = HostSettings()
    desired = HostState(fib_rules={FibRule(4, usual.priorities[0], RuleAction.NOP): None})
    return tuple(collisions(desired, seen.foreign, usual, MarkField.of(usual.marks, usual.max_uplinks)))


def _print(found: "Iterable[Finding]") -> None:
    margin = " " * MARGIN
    for each in found:
        word = output.Painted(f"{each.severity:<{MARGIN}}", COLOURS[each.severity])
        output.data(word, f"{each.what} [{each.rule}]")
        output.data(f"{margin}{each.why}")
        for command in each.commands:
            output.data(f"{margin}  {command}")
        if each.hint:
            output.data(f"{margin}hint: {each.hint}")
        output.data("")


def _summary(found: "Sequence[Finding]", policy: "PolicySet | None") -> str:
    errors = sum(each.severity == "error" for each in found)
    warnings = sum(each.severity == "warning" for each in found)
    about = "the policy" if policy else "a policy (none is named and none is in force: only the host was looked at)"
    counts = ", ".join(
        f"{count} {noun}{'' if count == 1 else 's'}"
        for count, noun in ((errors, "error"), (warnings, "warning"))
        if count
    )
    verdict = f"this host would break {about}" if errors else f"nothing here would break {about}"
    return f"{verdict}: {counts}" if counts else verdict
