"""A change of this host as the commands make one: recorded, with a bar, and on request until it is confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.cli import output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from laneway.apply.pending import Pending
    from laneway.apply.record import Record
    from laneway.apply.transaction import Outcome
    from laneway.cli.wire import Scene

REPAIR_WAIT = 60.0
"""Seconds for which every command waits for a repair by `laneway run`, which comes when nobody expects it."""

TIMER_LOG = "confirm.log"
"""Below the state directory: what the timer said that took, or could not take, a change back."""


def alone(wait: float) -> AbstractContextManager[None]:
    """Return what holds the lock of this host; somebody who has to wait for it is told for whom.

    Raises UsageError when others could have written what laneway remembers: a snapshot there is what going back makes.
    """
    from laneway.apply import store
    from laneway.apply.lock import locked
    from laneway.apply.trust import demand_trusted

    demand_trusted([store.directory(), store.history(), store.pending()])
    return locked(wait=wait, repair=REPAIR_WAIT, say=output.note)


def refuse_while_waiting() -> None:
    """Raise Conflict while a change waits for its confirmation; say so when an earlier one was cut off."""
    from laneway.apply import pending, store
    from laneway.apply.journal import interruption

    pending.refuse_while_waiting(store.pending())
    cut = interruption(store.journal())
    if cut is not None:
        output.note(f"{cut}: what it left is repaired, or removed, now")


def change(
    scene: Scene, *, within: float | None = None, restores: int | None = None, destroyed: bool = False
) -> tuple[Outcome, Record]:
    """Carry out and record what the scene asks; `within` are the seconds in which it is to be confirmed."""
    from laneway.apply.record import Confirmation, Record
    from laneway.apply.signals import held
    from laneway.cli.progress import shown
    from laneway.cli.wire import carry_out, to_remember

    output.demand_writable()  # again: whoever read may have gone while a lock was waited for
    asked = Confirmation(within, scene.aim.facts.variant, _start_timer) if within else None
    before = to_remember(scene)
    record = Record(scene.aim.policy, restores=restores, destroyed=destroyed, confirmation=asked, before=before)
    with held(), shown() as progress:  # the bar's thread must hold the signals back as well
        outcome = carry_out(scene, progress, record, before.before)
    for each in outcome.notes:
        output.note(f"note: {each}")
    return outcome, record


def _start_timer(seconds: float) -> None:
    from laneway.apply import store
    from laneway.kernel.detached import run_laneway_later

    run_laneway_later(["rollback", "--pending"], seconds=seconds, log=store.directory() / TIMER_LOG)


def waiting_lines(waiting: Pending | None) -> Iterator[str]:
    """Yield, for a person, what must be done about a change that waits."""
    if waiting is not None:
        moment = waiting.until.astimezone().strftime("%H:%M:%S")
        keep = f"`laneway confirm {waiting.generation}`"
        yield f"{max(waiting.left, 0):.0f} s left to confirm: {keep} keeps it, or it is reverted at {moment}"
