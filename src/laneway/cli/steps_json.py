"""Steps as data: what is done to which object of which tenant, and what it is before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.lanes.leases import PATH, parse
from laneway.plan.steps import Op, merged
from laneway.plan.words import command, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from laneway.cli.wire import Scene
    from laneway.lanes.allocate import Lanes
    from laneway.plan.steps import Step
    from laneway.policy.model import HostSettings, PolicySet
    from laneway.state.facts import Variant
    from laneway.verify.aspects import Owners

    TenantOf = Callable[[Step], str | None]


def steps_json(
    steps: Iterable[Step], tenant_of: TenantOf, host: HostSettings | None = None
) -> list[dict[str, str | None]]:
    """Return steps as data, in their order, on a host of these settings."""
    from laneway.verify.drift import difference

    variant = None if host is None else pinned(host)
    return [
        {
            "op": str(step.op),
            "kind": step.kind,
            "tenant": tenant_of(step),
            "object": found.object,
            "is": found.is_,
            "should_be": found.should_be,
            "summary": describe(step),
            "command": command(step, variant=variant),
        }
        for step, found in ((step, difference(step)) for step in steps)
    ]


def summary_json(steps: Sequence[Step], tenant_of: TenantOf) -> dict[str, object]:
    """Return how many objects are created, replaced and deleted: of each tenant, and of the host as a whole.

    What is of many tenants, as a chain that all of them pass is, is the host's.
    """
    host = _none()
    tenants: dict[str, dict[str, int]] = {}
    for step in merged(steps):
        name = tenant_of(step)
        counts = host if name is None else tenants.setdefault(name, _none())
        counts[str(step.op)] += 1
    return {"host": host, "tenants": dict(sorted(tenants.items()))}


def summary_lines(steps: Sequence[Step], tenant_of: TenantOf) -> Iterator[str]:
    """Yield the same for a person, a line a tenant that something is changed of."""
    counts: dict[str, list[Step]] = {}
    for step in merged(steps):
        name = tenant_of(step)
        counts.setdefault("host" if name is None else f"tenant {name}", []).append(step)
    for name, its in sorted(counts.items()):
        yield f"{name}: {', '.join(_counted(its))}"


def _counted(steps: Sequence[Step]) -> Iterator[str]:
    for op in Op:
        number = sum(step.op is op for step in steps)
        if number:
            yield f"{number} to {op}"


def _none() -> dict[str, int]:
    return {str(op): 0 for op in Op}


def pinned(host: HostSettings) -> Variant | None:
    """Return the variant of iptables that the policy names, which need not be what `iptables` is on the host."""
    return None if host.iptables == "auto" else host.iptables


def tenants_of(scene: Scene) -> TenantOf:
    """Return what says whose the object of a step is; None: nobody's, or that of many.

    The policy that was in force knows the tenants that go, and the lease file their numbers.
    """
    before = scene.before()
    leases = scene.observed.files.get(PATH, "")
    return tenants_by(scene.aim.lanes, leases, [scene.aim.policy, *([before] if before else [])])


def tenants_by(lanes: Lanes, leases: str, policies: Iterable[PolicySet]) -> TenantOf:
    """Return what says it by these policies, the first that knows, and by the numbers of both."""
    from laneway.explain.origin import Origins
    from laneway.verify.aspects import Owners

    numbers = lanes._replace(owners={**parse(leases).owners, **lanes.owners})
    known = [Owners(Origins(each, numbers)) for each in policies]
    return lambda step: _first(known, step)


def nobody(step: Step) -> None:
    """Say of every step that it is not known whose its object is."""


def _first(known: Sequence[Owners], step: Step) -> str | None:
    for owners in known:
        found = owners.about_step(step).tenants
        if found:
            return min(found) if len(found) == 1 else None
    return None
