"""`laneway destroy`: take away what is laneway's, all of it or some tenants."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from laneway.cli import output
from laneway.cli.app import finish
from laneway.errors import Exit, UsageError

if TYPE_CHECKING:
    from typer import Typer

    from laneway.cli.wire import Scene
    from laneway.policy.model import PolicySet
    from laneway.state.host import HostState


def register(app: "Typer") -> None:
    """Add the verb to the application."""
    import typer

    @app.command(short_help="Remove everything of laneway, or some tenants, from this host.")
    def destroy(
        tenants: Annotated[
            list[str] | None, typer.Argument(metavar="[TENANT]...", help="Only these tenants; without any, everything.")
        ] = None,
        *,
        yes: Annotated[
            bool, typer.Option("--yes", "-y", help="Do not ask, on a terminal, whether it is meant.")
        ] = False,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, and change nothing.")] = False,
        wait: Annotated[float, typer.Option(help="Seconds to wait for another laneway to end.", min=0)] = 0,
        as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    ) -> None:
        """Remove everything of laneway's from this host, or some tenants; nothing of anybody else's is touched.

        The host is then as it was before. The hook chain LANEWAY-USER stays when there are rules in it. On a terminal
        it asks first. Exit code 4, with --dry-run: there is something to remove.
        """
        if dry_run:
            finish(lambda: run_dry(tenants or [], as_json=as_json), as_json=as_json)
        finish(lambda: run(tenants or [], wait=wait, as_json=as_json, is_agreed=yes), as_json=as_json)


def run_dry(tenants: Sequence[str], *, as_json: bool = False) -> Exit:
    """Show what removing `tenants`, or everything, would do."""
    from laneway.cli import plan, waiting

    return plan.show(_without(tenants), plan.Manner(as_json=as_json), waiting.pending_now)


def run(tenants: Sequence[str], *, wait: float = 0, as_json: bool = False, is_agreed: bool = False) -> Exit:
    """Remove `tenants`, or everything."""
    from laneway.cli import difference, tell
    from laneway.cli.change import alone, change, refuse_while_waiting
    from laneway.cli.steps_json import nobody, tenants_of
    from laneway.kernel.privilege import demand_net_admin

    demand_net_admin()
    output.demand_writable()
    agreed = None if is_agreed or as_json else difference.agreed(lambda: _without(tenants))
    with alone(wait):
        refuse_while_waiting()
        scene = _without(tenants)
        difference.demand_agreed(scene, agreed)
        unknown = [] if scene.aim.policy.tenants else _unknown_priors(scene)
        tenant_of = tenants_of(scene) if as_json else nobody
        outcome, _ = change(scene, destroyed=not scene.aim.policy.tenants)
    words = f"removed: {tell.tally(outcome.steps)}" if outcome.changed else "nothing to do"
    with output.of_what_is_done(words):
        if as_json:
            output.answer(tell.Told(outcome, tenant_of, tuple(unknown)).as_json())
        else:
            output.data(words)
    for each in unknown:
        output.note(f"note: {each}")
    if not as_json:
        tell.workloads(outcome.workloads)
    return Exit.DONE


def _unknown_priors(scene: "Scene") -> list[str]:
    """Return, for a person, that nobody knows any more what the sysctls were before the policy in force."""
    from laneway.apply import generations, store
    from laneway.apply.memory import recall
    from laneway.kernel.netns import here
    from laneway.state.host import recorded_priors

    present = generations.in_force(store.history())
    applied = present is not None and not present.destroyed and not present.is_of_an_earlier_boot
    if not applied or recall(store.memory(), here()) or recorded_priors(scene.observed):
        return []
    lost = f"what the sysctls of this host were before laneway is not known (chain LANEWAY-PRIOR and {store.memory()}"
    compare = "sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding net.ipv4.conf.all.rp_filter"
    return [f"{lost} are lost): they stay as they are; compare: {compare}"]


def _without(tenants: Sequence[str]) -> "Scene":
    """Return this host beside what it is to hold without `tenants`, or without anything of laneway's."""
    from laneway.apply import store
    from laneway.apply.target import without
    from laneway.cli.wire import linux_host, look_at

    policy = store.known_ground()
    if tenants:
        stored = store.applied()
        kernel = linux_host(stored.host.iptables if stored else "auto")
        policy = without(_known(stored, kernel.read(), tenants), frozenset(tenants))
    return replace(look_at(policy, prune=True), kept=())  # that the others stay is what was asked for


def _known(stored: "PolicySet | None", observed: "HostState", tenants: Sequence[str]) -> "PolicySet":
    """Return the applied policy; raises UsageError when it does not know one of `tenants`, or is lost."""
    from laneway.lanes.rebuild import resident_tenants

    present = sorted(set(resident_tenants(observed).values()))
    there = f"tenants of this host: {', '.join(present) or 'none'}"
    if stored is None and present:
        message = f"the policy in force is not known any more, so that the others would not be kept; {there}"
        raise UsageError(message, "apply the others' policy with --prune, or `laneway destroy` removes all of it")
    unknown = sorted(set(tenants) - {each.name for each in stored.tenants} if stored else set(tenants))
    if stored is None or unknown:
        raise UsageError(f"no such tenant in the policy that is applied here: {', '.join(unknown)}", there)
    return stored
