"""Plans and outcomes, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.cli import output
from laneway.cli.steps_json import pinned, steps_json
from laneway.cli.waiting import as_json as waiting_json
from laneway.plan.steps import touched
from laneway.plan.words import commands

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from laneway.apply.pending import Pending
    from laneway.apply.transaction import Outcome
    from laneway.cli.steps_json import TenantOf
    from laneway.plan.steps import Step
    from laneway.policy.model import HostSettings

NOUNS = {
    "netns": "network namespace",
    "links": "link",
    "addresses": "address",
    "priors": "former sysctl value",
    "sysctls": "sysctl",
    "routes": "route",
    "files": "file",
    "sets": "set",
    "entries": "set entry",
    "fib_rules": "ip rule",
    "chains": "chain",
    "jumps": "jump",
    "leftovers": "leftover in the other iptables",
    "nft_tables": "nftables table",
    "nft_elements": "nftables set element",
}
_PLURALS = {
    "address": "addresses",
    "set entry": "set entries",
    "leftover in the other iptables": "leftovers in the other iptables",
}


class Told(NamedTuple):
    """What a transaction did, and what an answer says besides."""

    outcome: Outcome
    tenant_of: TenantOf
    notes: tuple[str, ...] = ()
    pending: Pending | None = None

    def as_json(self) -> dict[str, object]:
        """Return it as data."""
        return {
            "changed": self.outcome.changed,
            "steps": steps_json(self.outcome.steps, self.tenant_of),
            "workloads": dict(self.outcome.workloads),
            "notes": [*self.outcome.notes, *self.notes],
            **waiting_json(self.pending),
        }


def plan_text(steps: Sequence[Step], host: HostSettings) -> str:
    """Return a plan as commands a person could type, in order, on a host of these settings."""
    return "\n".join(commands(steps, variant=pinned(host)))


def tally(steps: Sequence[Step]) -> str:
    """Return how many objects of which kind a plan touches."""
    return counted(touched(steps))


def counted(changes: Mapping[str, int]) -> str:
    """Return numbers of objects by kind in words."""
    named = [(NOUNS.get(kind, kind), number) for kind, number in changes.items()]
    return ", ".join(f"{n} {noun if n == 1 else _PLURALS.get(noun, noun + 's')}" for noun, n in named)


def outcome(told: Told, generation: int | None, *, done: str, json: bool) -> None:
    """Say what a transaction did to this host; `done` is its name."""
    result = told.outcome
    words = f"nothing to do: the host holds the policy (generation {generation})"
    if result.changed:
        words = f"{done}, generation {generation}: {tally(result.steps)}"
    with output.of_what_is_done(words):
        if json:
            output.answer({"generation": generation, **told.as_json()})
        else:
            output.data(words)
    if not json:
        workloads(result.workloads)


def workloads(reasons: Mapping[str, str]) -> None:
    """Say which workloads are not inside as the policy says, and why."""
    for line in workload_lines(reasons):
        output.note(line)
    if reasons:
        output.note(
            "  hint: root in there can do that, and nothing else waited for it: look with `laneway exec`, then apply"
        )


def workload_lines(reasons: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each of those workloads."""
    for name, reason in reasons.items():
        yield f"workload {name} is not as the policy says: {reason}"


def kept(tenants: Sequence[str]) -> None:
    """Say which tenants are left as they are."""
    if tenants:
        output.note(
            f"left as they are, since the policy does not name them: {', '.join(tenants)} (--prune removes them)"
        )


def notes(lines: Iterable[str]) -> None:
    """Say what works and is probably a mistake."""
    for line in lines:
        output.note(f"note: {line}")


def waiting(lines: Iterable[str]) -> None:
    """Say which uplinks are not there yet."""
    for line in lines:
        output.note(line)
