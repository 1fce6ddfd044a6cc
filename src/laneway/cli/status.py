"""`laneway status`: which lanes this host has, what they carry, and whether they are as they were applied."""

import sys
import time
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

from laneway.cli import output
from laneway.cli.app import finish
from laneway.errors import Exit, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typer import Typer

    from laneway.apply.following import Following
    from laneway.apply.pending import Pending
    from laneway.cli.steps_json import TenantOf
    from laneway.cli.wire import Scene
    from laneway.doctor.finding import Finding
    from laneway.plan.conflicts.collision import Collision
    from laneway.plan.steps import Step
    from laneway.policy.model import HostSettings, PolicySet
    from laneway.verify.figures import Figures

LOOK_AGAIN: Final = 10
"""Seconds after which --watch compares the whole host with its policy again."""


class Manner(NamedTuple):
    """How to answer."""

    as_json: bool = False
    watch: bool = False
    interval: float = 2
    times: int = 0  # 0: until interrupted


def register(app: "Typer") -> None:
    """Add the verb to the application."""
    import typer

    @app.command(short_help="Show uplinks, tenants, lanes, their traffic, and drift.")
    def status(  # noqa: PLR0913  a parameter for each option
        tenant: Annotated[str | None, typer.Argument(metavar="[TENANT]", help="Only this tenant.")] = None,
        *,
        watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again and again, and show rates.")] = False,
        interval: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.1)] = 2,
        times: Annotated[int, typer.Option(help="Stop --watch after so many looks.", min=0)] = 0,
        dump: Annotated[
            bool, typer.Option("--dump", help="Write down this host instead, for `plan --against FILE` elsewhere.")
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    ) -> None:
        """Show uplinks, tenants and lanes of this host, what they carry, and whether anything has drifted.

        Links count since they were made. A lane shows its living flows and, where the host counts that (sysctl
        net.netfilter.nf_conntrack_acct=1, for flows that begin after), what they have carried. Conflicts with something
        of others' are named, and what the doctor finds that breaks the policy. Exit code 0: all is as it was applied;
        4: something is not, or the doctor finds an error.
        """
        if dump:
            finish(write_down, as_json=as_json)
        finish(lambda: run(tenant, Manner(as_json, watch, interval, times)), as_json=as_json)


def write_down() -> Exit:
    """Print all that planning needs to know of this host."""
    from laneway.cli.wire import dump

    output.data(dump())
    return Exit.DONE


def run(tenant: str | None, manner: Manner) -> Exit:
    """Print the state of this host, once or again and again."""
    from laneway.apply import store

    stored = store.applied()
    if stored is None:
        message = "no policy is applied on this host, or what was applied is not remembered"
        raise UsageError(message, "apply one: laneway apply PATH")
    if tenant is not None and tenant not in {each.name for each in stored.tenants}:
        message = f"no tenant {tenant} on this host"
        raise UsageError(message, f"tenants: {', '.join(each.name for each in stored.tenants)}")
    views = _views(stored, tenant, manner)
    if manner.watch and sys.stdout.isatty() and not manner.as_json:
        return _live(views)
    code = Exit.DONE
    for view in views:
        code = view.code
        _tell(view, as_json=manner.as_json)
    return code


class View(NamedTuple):
    """One look."""

    data: dict[str, object]
    steps: "tuple[Step, ...]"
    in_the_way: "tuple[Collision, ...]"  # of others', for which a plan is refused
    workloads: dict[str, str]  # that are not inside as the policy says, and why
    errors: "tuple[Finding, ...]"  # the doctor's
    waiting: tuple[str, ...]
    rates: bool
    host: "HostSettings"
    tenant_of: "TenantOf"
    pending: "Pending | None" = None
    rebooted: int = 0  # the generation in force, when the host was started anew since it was applied
    follows: "Following | None" = None  # `laneway run`

    @property
    def code(self) -> Exit:
        """Return the exit code."""
        return Exit.PENDING if self.steps or self.errors or self.workloads else Exit.DONE


def _views(stored: "PolicySet", tenant: str | None, manner: Manner) -> "Iterator[View]":
    from laneway.apply import following
    from laneway.cli.status_data import status_data
    from laneway.cli.steps_json import tenants_of
    from laneway.cli.waiting import pending_now
    from laneway.cli.wire import look_at

    scene = look_at(stored, prune=True)
    steps, others, workloads = _compared(scene)
    errors = _errors(scene)
    tenant_of = tenants_of(scene)
    looked = time.monotonic()
    before, shown = None, 0
    while True:
        now = _figures(scene)
        data = status_data(scene, tenant, now, before)
        rebooted = _lost_by_a_reboot() if steps else 0
        rates = before is not None
        found, waiting = (steps, others, workloads, errors), scene.aim.waiting
        view = View({**data, "steps": steps}, *found, waiting, rates, stored.host, tenant_of)
        yield view._replace(pending=pending_now(), rebooted=rebooted, follows=following.read())
        shown += 1
        if not manner.watch or shown == manner.times:
            return
        before = now
        time.sleep(manner.interval)
        if time.monotonic() - looked > LOOK_AGAIN:
            scene = look_at(stored, prune=True)
            steps, others, workloads = _compared(scene)
            errors = _errors(scene)
            looked = time.monotonic()


def _compared(scene: "Scene") -> "tuple[tuple[Step, ...], tuple[Collision, ...], dict[str, str]]":
    from laneway.cli.wire import in_the_way, not_as_asked
    from laneway.plan.plan import plan

    steps = plan(scene.aim.desired, scene.observed)
    return steps, in_the_way(scene), not_as_asked(scene, steps)


def _lost_by_a_reboot() -> int:
    """Return the number of the generation in force if it was not applied in this start of the host, 0 if it was."""
    from laneway.apply import generations, store

    present = generations.in_force(store.history())
    return present.number if present and present.is_of_an_earlier_boot else 0


def _errors(scene: "Scene") -> "tuple[Finding, ...]":
    from laneway.cli.health import found_in_passing

    return tuple(each for each in found_in_passing(scene)[0] if each.severity == "error")


def _figures(scene: "Scene") -> "Figures":
    from laneway.kernel import sysctls
    from laneway.kernel.flows import flows
    from laneway.kernel.link_counters import link_counters
    from laneway.verify.figures import Figures, marked

    key = "net/netfilter/nf_conntrack_acct"
    accounting = sysctls.read([key]).get(key) == "1"
    return Figures(time.monotonic(), link_counters(), marked(flows(), scene.aim.lanes.field), accounting)


def _tell(view: View, *, as_json: bool) -> None:
    from laneway.cli import tell, waiting
    from laneway.cli.steps_json import steps_json

    if as_json:
        shown = {key: value for key, value in view.data.items() if key != "steps"}
        others = [each.as_json() for each in view.in_the_way]
        drift = steps_json(view.steps, view.tenant_of, view.host)
        rebooted = bool(view.rebooted)
        errors = [{**each._asdict(), "commands": list(each.commands)} for each in view.errors]
        in_sync = not view.steps and not view.workloads
        found = {"in_sync": in_sync, "rebooted": rebooted, "drift": drift, "in_the_way": others}
        found["run"] = view.follows and view.follows.as_json()
        output.answer(
            {**found, **waiting.as_json(view.pending), "workloads": view.workloads, "errors": errors, **shown}
        )
        return
    from rich.console import Console

    from laneway.cli.status_view import page

    # A pipe has no width: a table then takes what it needs.
    with output.told():
        Console(width=None if sys.stdout.isatty() else 200).print(page(view.data, rates=view.rates))
    for line in _judged(view):
        output.data(line)
    tell.waiting(view.waiting)


def _judged(view: View) -> "Iterator[str]":
    from laneway.cli import tell, waiting

    yield from waiting.lines(view.pending)
    yield from _followed(view.follows)
    if view.rebooted:
        yield f"the host was started anew since generation {view.rebooted} was applied: `laneway apply --in-force`"
        yield _at_start()
    mended = "`laneway verify` lists it, `laneway apply --in-force` repairs it"
    yield f"drift: {tell.tally(view.steps)}; {mended}" if view.steps else "no drift"
    yield from tell.workload_lines(view.workloads)
    for each in view.in_the_way:
        yield f"conflict: {each.text}"
    yield from (f"error: {each.what} [{each.rule}]; `laneway doctor` shows the fix" for each in view.errors)


def _followed(follows: "Following | None") -> "Iterator[str]":
    """Yield, for a person, whether somebody repairs the host at once, and what that was last."""
    if follows is None:
        yield "no `laneway run` follows this host"
        return
    last = follows.repairs[-1] if follows.repairs else None
    repaired = f"repaired last at {last.when}: {last.what}, after: {last.after}" if last else "nothing was repaired yet"
    yield f"`laneway run`, process {follows.pid}, follows the host since {follows.since}; {repaired}"
    if follows.waits:
        yield follows.waits
    if follows.trouble:
        yield f"`laneway run` cannot repair the host: {follows.trouble}"


def _at_start() -> str:
    """Return, for a person, what applies the policy at the next start, or why it was not applied at this one."""
    from laneway.kernel.service import enabled
    from laneway.service.files import UNITS

    if all(enabled(unit) for unit in UNITS):
        return "why it was not at start: `systemctl status laneway-boot.service`"
    return "at every start of the host: `laneway service install`"


def _live(views: "Iterator[View]") -> Exit:
    """Show the views in place, as top(1) does, until interrupted."""
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    from laneway.cli.status_view import page
    from laneway.state.visible import visible

    code = Exit.DONE
    with Live(screen=True, auto_refresh=False) as screen:
        for view in views:
            code = view.code
            below = (Text(visible(each)) for each in (*_judged(view), *view.waiting))
            screen.update(Group(page(view.data, rates=view.rates), *below), refresh=True)
    return code
