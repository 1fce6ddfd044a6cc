"""The transaction: all of a plan, or none of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from laneway.apply.forwarding import leave_on
from laneway.apply.going_back import TROUBLE, RollbackIncomplete, go_back, lots, ways_go
from laneway.apply.lots import Doer
from laneway.apply.signals import held, waiting
from laneway.errors import HostRefused, LanewayError, StepFailed
from laneway.plan.flows import closed_flows, moved_flows
from laneway.plan.plan import plan
from laneway.plan.published import Published
from laneway.plan.reach import reached, without_unreached
from laneway.plan.standing import Standing
from laneway.plan.words import describe
from laneway.plan.workloads import Workloads

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from laneway.apply.ports import Kernel, Ledger
    from laneway.lanes.field import MarkField
    from laneway.plan.steps import Step
    from laneway.state.facts import Networks, Variant
    from laneway.state.host import HostState

__all__ = ["Outcome", "RollbackIncomplete", "transact"]

_ABOUT_FLOWS = frozenset(("entries", "fib_rules", "chains", "jumps"))
"""What of a host's says whose flows are in which lane; while none of it changes, nobody's flow is looked at."""

AS_BEFORE = "Rolled back: the previous state is restored."


class Interrupted(HostRefused):
    """Somebody asked laneway to end."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a transaction did."""

    steps: tuple[Step, ...]
    workloads: Mapping[str, str] = field(default_factory=dict)
    """Workloads that are not as they should be, by their network namespaces, and why."""
    notes: tuple[str, ...] = ()  # what is left as it is, and why, a sentence each

    @property
    def changed(self) -> bool:
        """Return whether anything was done at all."""
        return bool(self.steps)


class NoLedger:
    """Writes nothing down: for a host that lives no longer than the process."""

    def interrupted(self) -> None:
        """Know of nothing."""

    def begin(self, before: HostState, steps: Sequence[Step]) -> None:
        """Do nothing."""

    def reached(self, done: int) -> None:
        """Do nothing."""

    def keep(self) -> None:
        """Do nothing."""

    def drop(self) -> None:
        """Do nothing."""


def transact(  # noqa: PLR0913  what a transaction is about, by name
    kernel: Kernel,
    *,
    desired: HostState,
    observed: HostState,
    field: MarkField,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    ledger: Ledger | None = None,
    variant: Variant | None = None,
    best_effort: Collection[str] | None = None,
    before: Networks | None = None,
) -> Outcome:
    """Make the host hold `desired`, or leave it as `observed`.

    What is inside the network namespaces `best_effort`, by default those that are there, is done as far as it goes:
    that something of it cannot be done is told of the workload, and keeps nothing else from being done. `before` is
    what others had when laneway turned forwarding on: what they have besides may need it by now.

    Raises HostRefused when a step failed, or somebody asked to end, and the host is as it was, RollbackIncomplete
    when even that failed, with commands for that `variant` of iptables. From the first step to the last, a signal that
    would end the process is held back.
    """
    ledger = ledger or NoLedger()
    observed, notes = leave_on(desired, observed, before, kernel.networks)
    steps = plan(desired, observed)
    workloads = Workloads(observed.netns if best_effort is None else best_effort, observed, desired)
    doer = Doer(kernel, workloads)
    with held():
        origins = [(steps, observed)] if steps else []
        earlier = ledger.interrupted()
        if earlier is not None:  # what it would have made the kernel forget is forgotten now
            origins.append((plan(desired, earlier), earlier))
        if steps:
            ledger.begin(observed, steps)
        done: list[Step] = []
        try:
            forget = partial(_forget, kernel, origins, desired, field)
            _run(doer, steps, done, progress=progress, ledger=ledger, forget=forget)
            lacking = _prove(kernel, desired, steps, workloads) if steps else {}
            forget()
            if steps:
                _heed("after the last step")
            ledger.keep()
        except BaseException as error:  # a bug must not leave half a plan behind either
            again = partial(_forget_again, kernel, observed, desired, field)
            back = go_back(
                kernel,
                observed,
                done,
                cause=error,
                workloads=workloads,
                forget=again,
                variant=variant,
                networks=before,
            )
            again(back.steps)
            ledger.drop()
            if isinstance(error, (*TROUBLE, KeyboardInterrupt)):
                raise _refusal(error, back.notes) from error
            raise
    not_done = frozenset((step.kind, step.key) for each in lacking.values() for step in each)
    told = {name: doer.reasons.get(name) or f"{describe(each[0])}: it did not stay" for name, each in lacking.items()}
    return Outcome(tuple(step for step in steps if (step.kind, step.key) not in not_done), told, notes)


def _run(  # noqa: PLR0913  it is the middle of `transact`
    doer: Doer,
    steps: Sequence[Step],
    done: list[Step],
    *,
    progress: Callable[[int, int], None],
    ledger: Ledger,
    forget: Callable[[], None],
) -> None:
    """Do the steps lot by lot, and say after each how far it is; `done` gets those that may be done.

    Flows are forgotten when all is made, and before ways to a workload go: what the host itself sends in one that is
    translated would find another, to a private address. A way that clashes with what comes goes first of all, and
    flows begin anew until the entries are gone: so that is done again where anything else was done between.
    """
    forgotten = False
    for lot in lots(steps):
        if ways_go(lot) and not forgotten:
            forget()
        forgotten = ways_go(lot)
        _heed(f"before step {len(done) + 1} of {len(steps)}: {describe(lot[0])}")
        start = len(done)
        done += lot
        doer.run(lot)
        ledger.reached(start + len(lot))
        progress(start + len(lot), len(steps))


def _heed(where: str) -> None:
    """Raise Interrupted when a signal that asks to end is being held back."""
    name = waiting()
    if name:
        raise Interrupted(f"interrupted by {name} {where}")


def _prove(kernel: Kernel, desired: HostState, steps: Sequence[Step], workloads: Workloads) -> dict[str, list[Step]]:
    """Raise HostRefused unless the host holds what it was given, and return what workloads lack of it.

    Network namespaces that no step reaches into are not entered again: of a thousand, for one more, that is most.
    """
    inside = reached(steps)
    seen = kernel.read_back(inside, desired.chains)
    left, lacking = workloads.left(plan(without_unreached(desired, inside), seen.state), seen.state)
    if left:
        examples = "; ".join(describe(step) for step in left[:3])
        message = f"verification failed: {len(left)} objects differ from what was written: {examples}"
        raise HostRefused(message, "another program may be changing them at the same time: see `laneway doctor`")
    if seen.contradictions:
        message = f"python-iptables sees other rules than were written: {seen.contradictions[0]}"
        raise HostRefused(message, "two versions of iptables may be at work: compare `iptables-legacy-save`")
    return lacking


def _forget(
    kernel: Kernel, origins: Sequence[tuple[Sequence[Step], HostState]], desired: HostState, field: MarkField
) -> None:
    """Forget the flows that the steps, each lot from the host that it began with, or others before them left astray."""
    if not origins:
        return
    marks = {mark for way, origin in origins for mark in moved_flows(way, origin, field)}
    closed = {each for way, _ in origins for each in closed_flows(way, desired, field)}
    judged = any(step.kind in _ABOUT_FLOWS for way, _ in origins for step in way)
    lost, missed = (Standing(desired, field).lost, Published(desired, field).missed) if judged else (None, None)
    kernel.forget(sorted(marks), sorted(closed, key=repr), lost, missed)


def _forget_again(kernel: Kernel, before: HostState, after: HostState, field: MarkField, back: Sequence[Step]) -> None:
    """Forget the flows that began in a lane, or by a door, which is gone again; that one is refused is no matter.

    And those that began while a port was not published that is again.
    """
    missed = Published(before, field).missed
    try:
        kernel.forget(moved_flows(back, after, field), closed_flows(back, before, field), None, missed)
    except TROUBLE:
        return


def _refusal(error: BaseException, notes: tuple[str, ...] = ()) -> LanewayError:
    as_before = "\n".join((AS_BEFORE, *notes))
    match error:
        case StepFailed():
            return HostRefused(f"{describe(error.step)}: {error.reason}\n{as_before}", error.hint)
        case LanewayError():
            return HostRefused(f"{error}\n{as_before}", error.hint)
        case KeyboardInterrupt():
            return HostRefused(f"interrupted\n{as_before}")
        case MemoryError():
            return HostRefused(f"there is no memory left\n{as_before}")
        case _:
            return HostRefused(f"{error}\n{as_before}")
