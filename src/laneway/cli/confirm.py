"""`laneway confirm`: keep a change that waits for it."""

from typing import TYPE_CHECKING, Annotated

from laneway.cli import output
from laneway.cli.app import finish
from laneway.errors import Exit, HostRefused, UsageError

if TYPE_CHECKING:
    from typer import Typer

    from laneway.apply.pending import Pending

LOCK_WAIT = 10
"""Seconds for whoever has the lock to end: what a person is about to confirm is done, or is being taken back."""


def register(app: "Typer") -> None:
    """Add the verb to the application."""
    import typer

    @app.command()
    def confirm(*, as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False) -> None:
        """Keep what `apply --confirm-within` changed.

        Exit code 0: it stays; 2: nothing waits; 5: too late, it was or will be taken back.
        """
        finish(lambda: run(as_json=as_json))


def run(*, as_json: bool = False) -> Exit:
    """Keep the change that waits."""
    from laneway.apply import pending, store
    from laneway.cli.change import alone
    from laneway.kernel.privilege import demand_net_admin

    demand_net_admin()
    output.demand_writable()
    with alone(LOCK_WAIT):
        waiting = pending.read(store.pending())
        if waiting is None:
            raise _nothing_waits()
        _refuse_late(waiting)
        pending.remove(waiting.path)
    words = f"confirmed: generation {waiting.generation} stays"
    with output.of_what_is_done(words):
        if as_json:
            output.answer({"generation": waiting.generation, "confirmed": True})
        else:
            output.data(words)
    return Exit.DONE


def _nothing_waits() -> UsageError | HostRefused:
    """Return the error that says why there is nothing to confirm."""
    from laneway.apply import generations, store

    every = generations.every(store.history())
    if every and every[-1].reverted:
        message = f"too late: generation {every[-1].number} was taken back, since no confirmation came in time"
        return HostRefused(message, "apply it again, and confirm it in time")
    return UsageError("nothing waits for a confirmation", "`laneway apply --confirm-within 60s` makes a change wait")


def _refuse_late(waiting: "Pending") -> None:
    """Raise HostRefused for a change whose time is over, or that was never finished."""
    hint = "`laneway rollback --pending` takes it back, if nobody else is at it"
    if not waiting.generation:
        raise HostRefused("the change was cut off before it was done, and cannot be kept", hint)
    if not waiting.same_boot:
        raise HostRefused(f"too late: the machine was started anew since generation {waiting.generation}", hint)
    if waiting.left <= 0:
        late = f"{-waiting.left:.0f} seconds ago"
        raise HostRefused(f"too late: the time for generation {waiting.generation} ended {late}", hint)
