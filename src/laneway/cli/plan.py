"""`laneway plan`: the difference between a policy and this host."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from laneway.cli import output
from laneway.cli.app import finish
from laneway.errors import Exit, UsageError

if TYPE_CHECKING:
    from typer import Typer

    from laneway.apply.pending import Pending
    from laneway.cli.wire import Scene
    from laneway.plan.steps import Step


def register(app: "Typer") -> None:
    """Add the verb to the application."""
    import typer

    @app.command(short_help="Show what apply would change on this host.")
    def plan(  # noqa: PLR0913  a parameter for each option
        paths: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="Files or directories.")] = None,
        *,
        commands: Annotated[bool, typer.Option("--commands", help="Each step as the command one would type.")] = False,
        summary: Annotated[
            bool, typer.Option("--summary", help="Only how many objects change, for each tenant.")
        ] = False,
        prune: Annotated[bool, typer.Option("--prune", help="Remove tenants the policy does not name.")] = False,
        against: Annotated[
            str | None,
            typer.Option(metavar="FILE", help="Not this host, but the one that `status --dump` wrote down there."),
        ] = None,
        saved: Annotated[
            str | None, typer.Option("--output", "-o", metavar="FILE", help="Save the plan too: `laneway apply FILE`.")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    ) -> None:
        """Show what apply would change here: what comes (+), changes (~) and goes (-), by tenant and uplink.

        Nothing is changed. --commands prints the steps in order, each as the command an operator would type. With
        --against no rights are needed, and nothing of this host is looked at (- is standard input: ssh HOST laneway
        status --dump | laneway plan --against - PATH). A plan saved with -o is applied as it is, or refused where the
        host has changed since. Exit code 0: nothing to do; 4: changes are pending.
        """
        asked = Manner(as_json=as_json, commands=commands, summary=summary, saved=saved)
        finish(lambda: run(paths or [], asked, prune=prune, against=against), as_json=as_json)


class Manner(NamedTuple):
    """How a plan is shown."""

    as_json: bool = False
    commands: bool = False
    summary: bool = False
    saved: str | None = None  # the file to which the plan is saved as well


def run(paths: Sequence[str | Path], asked: Manner, *, prune: bool, against: str | None = None) -> Exit:
    """Print the plan."""
    if against == "-" and "-" in map(str, paths):
        raise UsageError("standard input cannot be the host and the policy at once", "write one of them to a file")
    from laneway.cli import saved_plan, waiting
    from laneway.cli.wire import look, look_back

    saved = saved_plan.read(paths) if against is None and not prune else None
    if saved is not None:
        scene = saved_plan.scene_of(saved)
    else:
        scene = look(paths, prune=prune) if against is None else look_back(against, paths, prune=prune)
    code = show(scene, asked, lambda: waiting.pending_now() if against is None else None)
    if code == Exit.PENDING and not any(asked):
        output.note("--commands shows each step as a command")
    return code


def show(scene: "Scene", asked: Manner, pending: "Callable[[], Pending | None]") -> Exit:
    """Print what a change of this scene would do; raises Conflict when others are in the way of it."""
    from laneway.cli import saved_plan, tell, waiting
    from laneway.cli.wire import in_the_way, not_as_asked
    from laneway.plan.conflicts.collision import refuse
    from laneway.plan.plan import plan

    steps = plan(scene.aim.desired, scene.observed)
    refuse(in_the_way(scene))
    change = pending()
    if asked.saved is not None:
        saved_plan.write(asked.saved, scene, steps)
    if asked.as_json:
        told = _json(scene, steps, summary=asked.summary)
        output.answer({**told, "workloads": not_as_asked(scene, steps), **waiting.as_json(change)})
        return Exit.PENDING if steps else Exit.DONE
    if steps and asked.summary:
        _show_summary(scene, steps)
    elif steps:
        _show_steps(scene, steps, commands=asked.commands)
    else:
        output.note("nothing to do")
    tell.workloads(not_as_asked(scene, steps))
    tell.kept(scene.kept)
    tell.waiting(scene.aim.waiting)
    tell.notes(scene.notes())
    waiting.note(change)
    return Exit.PENDING if steps else Exit.DONE


def _json(scene: "Scene", steps: "Sequence[Step]", *, summary: bool) -> dict[str, object]:
    from laneway.cli.steps_json import steps_json, summary_json, tenants_of

    tenant_of = tenants_of(scene)
    found: dict[str, object] = {
        "changed": bool(steps),
        "summary": summary_json(steps, tenant_of),
        "waiting": list(scene.aim.waiting),
        "kept": list(scene.kept),
        "notes": list(scene.notes()),
    }
    return found if summary else {**found, "steps": steps_json(steps, tenant_of, scene.aim.policy.host)}


def _show_summary(scene: "Scene", steps: "Sequence[Step]") -> None:
    from laneway.cli.steps_json import summary_lines, tenants_of

    for line in summary_lines(steps, tenants_of(scene)):
        output.data(line)


def _show_steps(scene: "Scene", steps: "Sequence[Step]", *, commands: bool) -> None:
    """Print the change as a person thinks of it, or the commands, and how many steps there are."""
    from laneway.cli import difference, tell

    changes = difference.of_scene(scene)
    say = output.note if commands else output.data  # what is piped into a shell is commands alone
    for line in difference.painted(changes):
        say(line)
    if not changes:
        say("the policy is in force, and the host differs from it: apply repairs that")
    if commands:
        output.data(tell.plan_text(steps, scene.aim.policy.host))
    say(f"{len(steps)} {'step' if len(steps) == 1 else 'steps'}: {tell.tally(steps)}")
