"""One look at the host, and its repair: what `laneway apply --in-force` does, in a process that goes on."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from laneway.follow import contest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from laneway.apply.generations import Generation
    from laneway.cli.wire import Progress, Scene
    from laneway.plan.steps import Step
    from laneway.policy.model import PolicySet


class Look(NamedTuple):
    """What a look found, and what was done about it."""

    generation: int = 0  # in force; 0: nothing is
    uplinks: tuple[str, ...] = ()  # their interfaces
    steps: tuple[Step, ...] = ()  # that were done
    left: tuple[Step, ...] = ()  # that are left to whoever undoes them again and again
    until: float = 0.0  # and when they are not any more
    seconds: float = 0.0
    workloads: Mapping[str, str] = {}  # that are not as the policy says, and why
    waiting: tuple[str, ...] = ()  # what the policy waits for: an uplink's link


def keys(steps: Iterable[Step]) -> list[contest.Key]:
    """Return what steps are about: a route by another gateway than before was undone by nobody."""
    return [(step.kind, (step.key, step.new if step.kind == "routes" else None)) for step in steps]


class Repairer:
    """Has the policy in force, read once, and brings the host back to it."""

    def __init__(self) -> None:
        """Know of nothing yet."""
        self._known: tuple[object, PolicySet] | None = None

    def look(self, disputed: contest.Contest, progress: Progress) -> Look:
        """Repair the host under the lock, but for what is disputed.

        Raises Locked while another laneway is at work, ChangeWaits while a change is half made or to be taken back, and
        whatever keeps the host from being repaired: it is as it was, then.
        """
        from laneway.apply import generations, pending, store
        from laneway.apply.lock import locked
        from laneway.apply.trust import demand_trusted

        began = time.monotonic()
        demand_trusted([store.directory(), store.history(), store.pending()])
        with locked():
            pending.refuse_unless_in_force(store.pending())
            present = generations.in_force(store.history())
            if present is None or present.destroyed:
                return Look()
            found = self._repair(present, disputed, progress)
        return found._replace(seconds=time.monotonic() - began)

    def _repair(self, present: Generation, disputed: contest.Contest, progress: Progress) -> Look:
        from laneway.apply import journal, store
        from laneway.cli.wire import look_at
        from laneway.plan.plan import plan

        policy = self._policy(present)
        scene = replace(look_at(policy, prune=True), before=lambda: policy)
        uplinks = tuple(sorted({each.interface for each in policy.uplinks}))
        found = Look(present.number, uplinks, waiting=tuple(scene.aim.waiting))
        steps = plan(scene.aim.desired, scene.observed)
        if not steps and journal.interruption(store.journal()) is None:
            return found
        until = contest.held_until(disputed, keys(steps), time.monotonic())
        if until > time.monotonic():
            return found._replace(left=steps, until=until)
        return _carried_out(scene, present, found, progress)

    def _policy(self, present: Generation) -> PolicySet:
        """Return the policy of the generation; raises PolicyError when it is none to this laneway."""
        from laneway.apply import store

        identity = _identity(present.policy)
        if self._known is None or self._known[0] != identity:
            self._known = (identity, store.policy_of(present))
        return self._known[1]


def _carried_out(scene: Scene, present: Generation, found: Look, progress: Progress) -> Look:
    from laneway.apply.record import Reapplication
    from laneway.apply.signals import held
    from laneway.cli.wire import carry_out, to_remember

    before = to_remember(scene)
    with held():
        outcome = carry_out(scene, progress, Reapplication(present, before), before.before)
    return found._replace(steps=outcome.steps, workloads=dict(outcome.workloads))


def _identity(file: Path) -> object:
    """Return what is another when the file is; None never is the same."""
    try:
        found = file.stat()
    except OSError:
        return object()
    return file, found.st_ino, found.st_mtime_ns, found.st_size
