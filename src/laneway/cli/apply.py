"""`laneway apply`: make this host hold a policy, as one transaction."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from laneway.cli.app import finish
from laneway.errors import Exit, UsageError

if TYPE_CHECKING:
    from typer import Typer


def register(app: "Typer") -> None:
    """Add the verb to the application."""
    import typer

    @app.command(short_help="Apply the policy to this host: all of it, or nothing.")
    def apply(  # noqa: PLR0913  a parameter for each option
        paths: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="Files or directories.")] = None,
        *,
        in_force: Annotated[
            bool, typer.Option("--in-force", help="The policy in force once more: after a reboot or a flush.")
        ] = False,
        prune: Annotated[bool, typer.Option("--prune", help="Remove tenants the policy does not name.")] = False,
        yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before --prune removes tenants.")] = False,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="As `plan`: change nothing.")] = False,
        confirm_within: Annotated[
            str | None,
            typer.Option(metavar="TIME", help="Revert it unless `laneway confirm` comes in time: 60s, 5m."),
        ] = None,
        wait: Annotated[float, typer.Option(help="Seconds to wait for another laneway to end.", min=0)] = 0,
        as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    ) -> None:
        """Make this host hold the policy: all of it, or on any failure none of it.

        PATH is also a plan that `plan -o` saved: what it says is done, or refused where the host has changed since.
        Tenants of this host that the policy does not name are left running, and reported. What cannot be done inside a
        workload that was there is reported too, and keeps nothing else from being done. Exit code 0: done, or nothing
        to do; 5: the host refused, and the previous state is restored; 7: a conflict with something of others'; 9: try
        again later, another laneway is at work or a change waits for its confirmation; 10: root is needed.
        """
        if in_force:
            from laneway.cli.in_force import run_in_force

            others = bool(paths or prune or confirm_within)
            finish(lambda: run_in_force(wait=wait, dry_run=dry_run, as_json=as_json, others=others), as_json=as_json)
        if dry_run:
            from laneway.cli import plan

            finish(lambda: plan.run(paths or [], plan.Manner(as_json=as_json), prune=prune), as_json=as_json)
        asked = Manner(prune=prune, confirm_within=confirm_within, wait=wait, as_json=as_json, is_agreed=yes)
        finish(lambda: run(paths or [], asked), as_json=as_json)


class Manner(NamedTuple):
    """How a policy is applied."""

    prune: bool = False
    confirm_within: str | None = None
    wait: float = 0
    as_json: bool = False
    is_agreed: bool = False  # what --prune removes is meant to go


def run(paths: Sequence[str | Path], asked: Manner) -> Exit:
    """Apply the policy at `paths` and say what was done."""
    from laneway.cli import difference, output, saved_plan, tell
    from laneway.cli.change import alone, change, refuse_while_waiting, waiting_lines
    from laneway.cli.durations import seconds_of
    from laneway.cli.steps_json import nobody, tenants_of
    from laneway.cli.wire import look
    from laneway.kernel.privilege import demand_net_admin

    within = None if asked.confirm_within is None else seconds_of(asked.confirm_within)
    demand_net_admin()
    output.demand_writable()
    saved = saved_plan.read(paths)
    if saved is not None and asked.prune:
        raise UsageError("a saved plan is applied as it is", f"laneway apply {paths[0]}")
    is_asked = asked.prune and not asked.is_agreed and not asked.as_json
    agreed = difference.agreed(lambda: look(paths, prune=True)) if is_asked else None
    with alone(asked.wait):
        refuse_while_waiting()
        scene = look(paths, prune=asked.prune) if saved is None else saved_plan.scene_of(saved)
        difference.demand_agreed(scene, agreed)
        notes = scene.notes()
        outcome, record = change(scene, within=within)
    told = tell.Told(outcome, tenants_of(scene) if asked.as_json else nobody, notes, record.waiting)
    tell.outcome(told, record.generation, done="applied", json=asked.as_json)
    if not asked.as_json:
        tell.kept(scene.kept)
        tell.waiting(scene.aim.waiting)
        tell.notes(notes)
        tell.waiting(waiting_lines(record.waiting))
    return Exit.DONE
