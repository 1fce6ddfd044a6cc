"""`laneway confirm`: keep a change that waits for it."""

from typing import TYPE_CHECKING, Annotated

from laneway.cli import output
from laneway.cli.app import finish
from laneway.errors import Exit, LanewayError, NothingPending, TooLate

if TYPE_CHECKING:
    from typer import Typer

    from laneway.apply.pending import Pending

LOCK_WAIT = 10
"""Seconds for whoever has the lock to end: what a person is about to confirm is done, or is being taken back."""


def register(app: "Typer") -> None:
    """Add the verb to the application."""
    import typer

    @app.command(short_help="Keep the change that `apply --confirm-within` made.")
    def confirm(
        generation: Annotated[
            int | None, typer.Argument(metavar="[GENERATION]", help="Only if it is this one that waits.")
        ] = None,
        *,
        as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    ) -> None:
        """Keep what `apply --confirm-within` changed.

        Exit code 0: it stays; 2: nothing waits; 5: too late, it was or will be taken back; 7: another generation waits;
        9: another laneway is at work.
        """
        finish(lambda: run(generation, as_json=as_json), as_json=as_json)


def run(generation: int | None = None, *, as_json: bool = False) -> Exit:
    """Keep the change that waits."""
    from laneway.apply import pending, store
    from laneway.cli.change import alone
    from laneway.kernel.privilege import demand_net_admin

    demand_net_admin()
    output.demand_writable()
    with alone(LOCK_WAIT):
        waiting = pending.read(store.pending())
        if waiting is None:
            raise _nothing_waits(generation)
        pending.refuse_another(waiting, generation)
        _refuse_late(waiting)
        pending.remove(waiting.path)
    words = f"confirmed: generation {waiting.generation} stays"
    with output.of_what_is_done(words):
        if as_json:
            output.answer({"generation": waiting.generation, "confirmed": True})
        else:
            output.data(words)
    return Exit.DONE


def _nothing_waits(generation: int | None) -> LanewayError:
    """Return the error that says why there is nothing to confirm, or not the generation that is meant."""
    from laneway.apply import generations, store

    every = generations.every(store.history())
    meant = [each for each in every if generation in (None, each.number)]
    if meant and meant[-1].reverted:
        error = TooLate(
            f"too late: generation {meant[-1].number} was reverted: no confirmation came in time",
            "apply it again, and confirm it in time",
        )
        error.generation = meant[-1].number
        return error
    return NothingPending(
        "nothing waits for a confirmation", "`laneway apply --confirm-within 60s` makes a change wait"
    )


def _refuse_late(waiting: "Pending") -> None:
    """Raise TooLate for a change whose time is over, or that was never finished."""
    hint = "`laneway rollback --pending` reverts it, unless another laneway already does"
    if not waiting.generation:
        raise TooLate("the change was interrupted before it was done, and cannot be kept", hint).of_change(
            waiting.change
        )
    if not waiting.same_boot:
        message = f"too late: the machine was started anew since generation {waiting.generation}"
        raise TooLate(message, hint).of_change(waiting.change)
    if waiting.left <= 0:
        late = f"{-waiting.left:.0f} seconds ago"
        message = f"too late: the time for generation {waiting.generation} ended {late}"
        raise TooLate(message, hint).of_change(waiting.change)
