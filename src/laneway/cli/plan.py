"""`laneway plan`: the difference between a policy and this host."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from laneway.cli import output
from laneway.cli.app import finish
from laneway.errors import Exit, UsageError

if TYPE_CHECKING:
    from typer import Typer


def register(app: "Typer") -> None:
    """Add the verb to the application."""
    import typer

    @app.command(short_help="Show what apply would do on this host, as commands.")
    def plan(
        paths: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="Files or directories.")] = None,
        *,
        prune: Annotated[bool, typer.Option("--prune", help="Remove tenants the policy does not name.")] = False,
        against: Annotated[
            str | None,
            typer.Option(metavar="FILE", help="Not this host, but the one that `status --dump` wrote down there."),
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    ) -> None:
        """Show what apply would do here, in order, each step as the command an operator would type.

        Nothing is changed. With --against no rights are needed, and nothing of this host is looked at (- is standard
        input: ssh HOST laneway status --dump | laneway plan --against - PATH). Exit code 0: nothing to do; 4: changes
        are pending.
        """
        finish(lambda: run(paths or [], prune=prune, as_json=as_json, against=against), as_json=as_json)


def run(paths: Sequence[str | Path], *, prune: bool, as_json: bool, against: str | None = None) -> Exit:
    """Print the plan."""
    if against == "-" and "-" in map(str, paths):
        raise UsageError("standard input cannot be the host and the policy at once", "write one of them to a file")
    from laneway.cli import tell, waiting
    from laneway.cli.wire import in_the_way, look, look_back, not_as_asked
    from laneway.plan.conflicts.collision import refuse
    from laneway.plan.plan import plan

    scene = look(paths, prune=prune) if against is None else look_back(against, paths, prune=prune)
    aim, host = scene.aim, scene.aim.policy.host
    steps = plan(aim.desired, scene.observed)
    refuse(in_the_way(scene))
    change = waiting.pending_now() if against is None else None
    if as_json:
        told = {"changed": bool(steps), "steps": tell.as_json(steps, host), "waiting": list(aim.waiting)}
        output.answer({**told, "workloads": not_as_asked(scene, steps), **waiting.as_json(change)})
    else:
        if steps:
            output.data(tell.plan_text(steps, host))
        output.note(f"{len(steps)} steps: {tell.tally(steps)}" if steps else "nothing to do")
        tell.workloads(not_as_asked(scene, steps))
        tell.kept(scene.kept)
        tell.waiting(aim.waiting)
        tell.waiting(scene.notes())
        waiting.note(change)
    return Exit.PENDING if steps else Exit.DONE
