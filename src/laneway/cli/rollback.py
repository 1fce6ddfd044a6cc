"""`laneway rollback`: bring an earlier generation back, or take back what waits for its confirmation."""

import time
from typing import TYPE_CHECKING, Annotated

from laneway.cli import output
from laneway.cli.app import finish
from laneway.errors import ChangeWaits, Conflict, Exit, HostRefused, LanewayError, NothingPending

if TYPE_CHECKING:
    from typer import Typer

    from laneway.apply.pending import Pending
    from laneway.apply.transaction import Outcome
    from laneway.cli.steps_json import TenantOf
    from laneway.cli.tell import Told

POLL = 0.5
"""Seconds between two looks whether the confirmation has come."""

TRIES = 20
"""How often taking back is tried when the host refuses: it may be a lock that is held, or memory that is short."""

PAUSE = 3.0  # seconds between two tries
LOCK_WAIT = 600.0  # seconds for the lock, of whoever takes back in the background


def register(app: "Typer") -> None:
    """Add the verb to the application."""
    import typer

    @app.command(short_help="Apply the policy of an earlier generation again.")
    def rollback(
        generation: Annotated[
            int | None, typer.Argument(metavar="[GENERATION]", help="Default: the last with another policy.")
        ] = None,
        *,
        pending: Annotated[
            bool, typer.Option("--pending", help="Revert what waits: GENERATION, or, once its time is over, any.")
        ] = False,
        confirm_within: Annotated[
            str | None,
            typer.Option(metavar="TIME", help="Revert it unless `laneway confirm` comes in time: 60s, 5m."),
        ] = None,
        wait: Annotated[float, typer.Option(help="Seconds to wait for another laneway to end.", min=0)] = 0,
        as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    ) -> None:
        """Make this host hold the policy of an earlier generation, as one transaction.

        While a change waits for its confirmation, revert that one; with --pending GENERATION only that one, at once.
        `laneway history` lists the generations. Exit code 7: another one waits; 9: one waits, or another laneway is
        at work.
        """
        if pending:
            if generation is None:
                finish(take_back_in_time, as_json=as_json)
            finish(lambda: take_back_now(generation, wait=wait, as_json=as_json), as_json=as_json)
        finish(lambda: run(generation, confirm_within=confirm_within, wait=wait, as_json=as_json), as_json=as_json)


def run(generation: int | None, *, confirm_within: str | None = None, wait: float = 0, as_json: bool = False) -> Exit:
    """Take back what waits, or bring `generation` back."""
    from laneway.apply import pending, store
    from laneway.cli import tell
    from laneway.cli.change import alone
    from laneway.cli.durations import seconds_of
    from laneway.cli.steps_json import nobody
    from laneway.kernel.privilege import demand_net_admin

    within = None if confirm_within is None else seconds_of(confirm_within)
    demand_net_admin()
    output.demand_writable()
    with alone(wait):
        waiting = pending.read(store.pending())
        if waiting is None:
            _bring_back(generation, within=within, as_json=as_json)
            return Exit.DONE
        if generation is not None:
            hint = f"`laneway confirm {waiting.generation}` keeps it, `laneway rollback` reverts it now"
            raise ChangeWaits(waiting.describe(), hint).of_change(waiting.change)
        tenant_of = _tenants_of(waiting) if as_json else nobody
        told = tell.Told(take_back(waiting), tenant_of)
    _tell_taken_back(told, waiting.before, as_json=as_json)
    return Exit.DONE


def take_back_now(generation: int, *, wait: float, as_json: bool) -> Exit:
    """Take back the change that waits, at once, if it is this generation."""
    from laneway.apply import pending, store
    from laneway.cli import tell
    from laneway.cli.change import alone
    from laneway.cli.steps_json import nobody
    from laneway.kernel.privilege import demand_net_admin

    demand_net_admin()
    output.demand_writable()
    with alone(wait):
        waiting = pending.read(store.pending())
        if waiting is None:
            raise NothingPending("nothing waits for a confirmation", "`laneway history` shows what happened to it")
        pending.refuse_another(waiting, generation)
        tenant_of = _tenants_of(waiting) if as_json else nobody
        told = tell.Told(take_back(waiting), tenant_of)
    _tell_taken_back(told, waiting.before, as_json=as_json)
    return Exit.DONE


def _tell_taken_back(told: "Told", before: int | None, *, as_json: bool) -> None:
    from laneway.cli import tell

    tell.notes(told.outcome.notes)
    tell.outcome(told, before, done="reverted", json=as_json)


def _tenants_of(waiting: "Pending") -> "TenantOf":
    """Return whose the objects are, by the policy before the change and by that of the change.

    Nothing that is wrong with them keeps a change from being reverted.
    """
    from contextlib import suppress

    from laneway.apply import store
    from laneway.cli.steps_json import nobody, tenants_by
    from laneway.lanes.allocate import allocate
    from laneway.lanes.leases import PATH, parse

    with suppress(LanewayError):
        policies = [store.policy_of(store.find(each)) for each in (waiting.generation, waiting.before) if each]
        leases = waiting.snapshot.files.get(PATH, "")
        if policies:
            return tenants_by(allocate(policies[0], parse(leases)), leases, policies)
    return nobody


def _bring_back(generation: int | None, *, within: float | None, as_json: bool) -> None:
    from laneway.apply import store
    from laneway.cli import tell
    from laneway.cli.change import change, refuse_while_waiting, waiting_lines
    from laneway.cli.steps_json import nobody, tenants_of
    from laneway.cli.wire import look_at, mindful

    refuse_while_waiting()
    wanted = store.find(generation)
    scene = mindful(look_at(store.policy_of(wanted), prune=True))
    outcome, record = change(scene, within=within, restores=wanted.number, destroyed=wanted.destroyed)
    done = f"restored generation {wanted.number}"
    told = tell.Told(outcome, tenants_of(scene) if as_json else nobody, pending=record.waiting)
    tell.outcome(told, record.generation, done=done, json=as_json)
    if not as_json:
        tell.waiting(scene.aim.waiting)
        tell.waiting(waiting_lines(record.waiting))


def take_back(waiting: "Pending") -> "Outcome":
    """Make the host as it was before the change that waits; after a boot, as the generation before it asks."""
    from laneway.apply import store
    from laneway.apply.going_back import attainable
    from laneway.apply.record import Reversion
    from laneway.apply.transaction import transact
    from laneway.cli.wire import linux_host, look_at, remembered, to_remember
    from laneway.lanes.field import MarkField
    from laneway.plan.conflicts.collision import refuse
    from laneway.plan.conflicts.handovers import handovers
    from laneway.policy.model import PolicySet
    from laneway.state.host import recorded_priors

    if waiting.same_boot:
        host = store.known_ground().host
        kernel = linux_host(waiting.variant)
        snapshot, known = waiting.snapshot, remembered()
        return transact(
            kernel,
            desired=attainable(snapshot, kernel),
            observed=kernel.read(),
            field=MarkField.of(host.marks, host.max_uplinks),
            ledger=Reversion(waiting, known._replace(priors=recorded_priors(snapshot))),
            variant=waiting.variant,
            best_effort=snapshot.netns,  # whatever became of one meanwhile
            before=known.before,
        )
    policy = store.policy_of(store.find(waiting.before)) if waiting.before else PolicySet()
    scene = look_at(policy, prune=True)
    refuse(tuple(handovers(scene.observed, scene.aim.desired, scene.aim.lanes)))
    known = to_remember(scene)
    return transact(
        scene.kernel,
        desired=scene.aim.desired,
        observed=scene.observed,
        field=scene.aim.lanes.field,
        ledger=Reversion(waiting, known),
        variant=scene.aim.facts.variant,
        best_effort=scene.aim.desired.netns,
        before=known.before,
    )


def take_back_in_time() -> Exit:
    """Wait for the time of the change that waits to be over, and take it back unless it was confirmed meanwhile."""
    from laneway.apply import store
    from laneway.apply.going_back import TROUBLE
    from laneway.apply.pending import read
    from laneway.apply.signals import let_in
    from laneway.cli.change import alone

    let_in()
    for tried in range(1, TRIES + 1):
        try:
            if not _wait_until_due():
                output.note("nothing waits for a confirmation")
                return Exit.DONE
            with alone(LOCK_WAIT):
                waiting = read(store.pending())
                if waiting is not None and waiting.left <= 0:
                    for each in take_back(waiting).notes:
                        output.note(f"note: {each}")
                    output.note(f"not confirmed in time: reverted, generation {waiting.before} is in force again")
                    return Exit.DONE
        except TROUBLE as error:
            # Nobody else will take the change back: want of files or memory must not be the end of it.
            if tried == TRIES:
                raise
            output.failure(error if isinstance(error, LanewayError) else HostRefused(str(error)))
            time.sleep(PAUSE)
    return Exit.INCOMPLETE


def _wait_until_due() -> bool:
    """Return once the time of a change that waits is over; or False, at once, when none waits or is being made."""
    from laneway.apply import store
    from laneway.apply.pending import read

    while True:
        waiting = read(store.pending())
        if waiting is None:
            if _nothing_waits():
                return False
            time.sleep(POLL)
        elif waiting.left > 0:
            time.sleep(min(waiting.left, POLL))
        else:
            return True


def _nothing_waits() -> bool:
    """Tell that no change waits, and that nobody is at work who may be about to write down that one does.

    The lock is tried and not waited for: whoever confirms a change as soon as it is made must not find it taken.
    """
    from laneway.apply import store
    from laneway.apply.pending import read
    from laneway.cli.change import alone

    try:
        with alone(0):
            return read(store.pending()) is None
    except Conflict:
        return False
