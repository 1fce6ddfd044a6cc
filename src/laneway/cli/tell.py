"""Plans and outcomes, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.cli import output
from laneway.plan.steps import touched
from laneway.plan.words import command, commands, describe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from laneway.apply.transaction import Outcome
    from laneway.plan.steps import Step
    from laneway.policy.model import HostSettings
    from laneway.state.facts import Variant

NOUNS = {
    "netns": "network namespace",
    "links": "link",
    "addresses": "address",
    "priors": "remembered value",
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


def plan_text(steps: Sequence[Step], host: HostSettings) -> str:
    """Return a plan as commands a person could type, in order, on a host of these settings."""
    return "\n".join(commands(steps, variant=_pinned(host)))


def as_json(steps: Iterable[Step], host: HostSettings | None = None) -> list[dict[str, str]]:
    """Return a plan as data: what is done to which kind of object, in one line and as commands."""
    variant = None if host is None else _pinned(host)
    return [
        {
            "op": str(step.op),
            "kind": step.kind,
            "summary": describe(step),
            "command": command(step, variant=variant),
        }
        for step in steps
    ]


def _pinned(host: HostSettings) -> Variant | None:
    """Return the variant of iptables that the policy names, which need not be what `iptables` is on the host."""
    return None if host.iptables == "auto" else host.iptables


def tally(steps: Sequence[Step]) -> str:
    """Return how many objects of which kind a plan touches."""
    return counted(touched(steps))


def counted(changes: Mapping[str, int]) -> str:
    """Return numbers of objects by kind in words."""
    named = [(NOUNS.get(kind, kind), number) for kind, number in changes.items()]
    return ", ".join(f"{n} {noun if n == 1 else _PLURALS.get(noun, noun + 's')}" for noun, n in named)


def outcome(
    result: Outcome, generation: int | None, *, done: str, json: bool, more: Mapping[str, object] | None = None
) -> None:
    """Say what a transaction did to this host; `done` is its name, `more` what a JSON answer has besides."""
    words = f"nothing to do: the host holds the policy (generation {generation})"
    if result.changed:
        words = f"{done}, generation {generation}: {tally(result.steps)}"
    with output.of_what_is_done(words):
        if json:
            told: dict[str, object] = {"changed": result.changed, "generation": generation}
            told |= {"steps": as_json(result.steps)}
            told |= {"workloads": dict(result.workloads), "notes": list(result.notes)}
            output.answer({**told, **(more or {"pending": None})})
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
