"""`laneway apply --in-force`: make the host hold what it is to hold already, after a reboot or a flush."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.cli import output
from laneway.errors import Exit, UsageError

if TYPE_CHECKING:
    from laneway.apply.generations import Generation


def run_in_force(*, wait: float, dry_run: bool = False, as_json: bool = False, others: bool = False) -> Exit:
    """Apply the generation in force again, whatever was edited since; `others` tells of options that change it."""
    if others:
        message = "--in-force applies what is in force: it takes no path, no --prune and no --confirm-within"
        raise UsageError(message, "apply files without it: laneway apply PATH")
    from laneway.apply import generations, pending, store
    from laneway.cli.change import alone
    from laneway.kernel.privilege import demand_net_admin

    demand_net_admin()
    with alone(wait):
        pending.refuse_unless_in_force(store.pending())
        present = generations.in_force(store.history())
        if present is None or present.destroyed:
            return _nothing(as_json=as_json)
        if dry_run:
            from laneway.cli import plan

            return plan.run([present.policy], plan.Manner(as_json=as_json), prune=True)
        return _apply_again(present, as_json=as_json)


def _nothing(*, as_json: bool) -> Exit:
    if as_json:
        output.answer(
            {"changed": False, "generation": None, "steps": [], "workloads": {}, "notes": [], "pending": None}
        )
    else:
        output.note("no policy is in force on this host: nothing to apply")
    return Exit.DONE


def _apply_again(present: Generation, *, as_json: bool) -> Exit:
    from laneway.apply import store
    from laneway.apply.record import Reapplication
    from laneway.apply.signals import held
    from laneway.cli import tell
    from laneway.cli.progress import shown
    from laneway.cli.steps_json import nobody, tenants_of
    from laneway.cli.wire import carry_out, look_at, to_remember

    scene = look_at(store.policy_of(present), prune=True)
    before = to_remember(scene)
    tenant_of = tenants_of(scene) if as_json else nobody
    with held(), shown() as progress:
        outcome = carry_out(scene, progress, Reapplication(present, before), before.before)
    told = tell.Told(outcome, tenant_of)
    tell.outcome(told, present.number, done="applied again", json=as_json)
    if not as_json:
        tell.waiting(scene.aim.waiting)
    return Exit.DONE
