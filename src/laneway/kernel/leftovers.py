"""What of ours is in the variant of iptables that is not in use, from before somebody changed that."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from laneway.errors import HostRefused, StepFailed
from laneway.state.leftovers import LeftoverKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from laneway.kernel.ports import Chains
    from laneway.plan.steps import Op, Step


def read(others: Chains | None) -> dict[LeftoverKey, Any]:
    """Return our chains, jumps and priors in the other variant; one that cannot be read has none of ours."""
    if others is None:
        return {}
    try:
        found = others.read()
    except HostRefused:
        return {}  # an xt_table that somebody made with nft(8), a kernel without nf_tables, a broken tool
    kinds = {"priors": found.priors, "chains": found.chains, "jumps": found.jumps}
    return {
        LeftoverKey(others.variant, kind, key): value
        for kind, mapping in kinds.items()
        for key, value in mapping.items()  # type: ignore[attr-defined]
    }


def run(others: Chains | None, op: Op, steps: Iterable[Step]) -> None:
    """Do steps of the kind "leftovers"; raises StepFailed."""
    del op  # each step has its own
    for variant, group in groupby(steps, key=lambda step: step.key.variant):
        mine = list(group)
        if others is None or others.variant != variant:
            raise StepFailed(mine[0], f"this host has no iptables of the {variant} variant any more")
        by_inner = {step._replace(kind=step.key.kind, key=step.key.key): step for step in mine}
        try:
            others.run(list(by_inner))
        except StepFailed as error:
            raise StepFailed(by_inner.get(error.step, mine[0]), error.reason, error.hint) from error
