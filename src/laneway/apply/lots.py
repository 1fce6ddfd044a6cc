"""Lots of steps done: those that must be, or all is refused, and those inside workloads, as far as it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.plan.words import describe
from laneway.state.links import HOST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from laneway.apply.ports import Kernel
    from laneway.plan.steps import Step
    from laneway.plan.workloads import Workloads


class Doer:
    """Does steps, and remembers why those inside workloads could not be done."""

    def __init__(self, kernel: Kernel, workloads: Workloads) -> None:
        """Take whose host it is, and which workloads may lack something."""
        self._kernel = kernel
        self._workloads = workloads
        self._shut: set[str] = set()  # whose network namespace, or link, is not ours: nothing is done in there
        self.reasons: dict[str, str] = {}
        """Why the first step of a workload's could not be done, by its network namespace."""

    def run(self, lot: Sequence[Step]) -> None:
        """Do a lot of steps; raises StepFailed for one that must be done."""
        must, may = self._workloads.parted(lot)
        if must:
            self._kernel.run(must)
        may = [step for step in may if self._workloads.of(step) not in self._shut]
        for failure in self._kernel.attempt(may) if may else ():
            name = self._workloads.of(failure.step) or ""
            hint = f" ({failure.hint})" if failure.hint else ""
            self.reasons.setdefault(name, f"{describe(failure.step)}: {failure.reason}{hint}")
            if failure.step.kind == "netns" or getattr(failure.step.key, "netns", None) == HOST:
                self._shut.add(name)

    def must(self, lot: Sequence[Step]) -> list[Step]:
        """Return the steps of a lot that must be done."""
        return self._workloads.parted(lot)[0]
