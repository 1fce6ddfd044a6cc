"""A probe on its way through the chains of one table of others."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from laneway.doctor.probes import Holds, holds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from laneway.doctor.probes import Probe
    from laneway.state.gates import GateChain, GateRule

DEEPEST = 16
"""Jumps within jumps, as deep as the kernel goes (NFT_JUMP_STACK_SIZE)."""

MOST_RULES = 20_000
"""Rules walked for one probe through one base chain: what is not through by then is not judged."""


class Outcome(IntEnum):
    """How much of what a probe stands for is refused, the worst last."""

    PASSES = 0
    SOME = 1  # what a rule picks out
    MOST = 2  # all but what a rule lets pass
    ALL = 3


class Refusal(NamedTuple):
    """How much is refused, and by which rule, or by the policy."""

    outcome: Outcome
    by: str = ""


def walked(probe: Probe, base: GateChain, chains: Mapping[str, GateChain]) -> Refusal:
    """Return what becomes of a probe in a base chain."""
    walk = _Walk(probe, chains)
    left_over = walk.through(base, depth=0, picked=False)
    if walk.left <= 0:
        return Refusal(Outcome.PASSES)
    refused = walk.refused
    if left_over and base.drops:
        refused = Refusal(Outcome.MOST, "its policy") if refused.outcome < Outcome.MOST else refused
    accepted = walk.accepted or (left_over and not base.drops)
    return refused if accepted or not refused.outcome else Refusal(Outcome.ALL, refused.by)


class _Walk:
    """What is known so far of the packets that a probe stands for."""

    def __init__(self, probe: Probe, chains: Mapping[str, GateChain]) -> None:
        self._probe = probe
        self._chains = chains
        self.left = MOST_RULES
        self.accepted = False  # some of them
        self.refused = Refusal(Outcome.PASSES)

    def through(self, chain: GateChain, *, depth: int, picked: bool) -> bool:
        """Return whether any of them come out at the chain's end; `picked`: only some come here."""
        returned = False
        for rule in chain.rules:
            self.left -= 1
            match = holds(self._probe, rule.tests)
            if match is Holds.NO or self.left <= 0:
                continue
            some = match is Holds.MAYBE
            goes_on, returns = self._met(rule, depth=depth, picked=picked or some)
            returned = returned or returns
            if not (goes_on or some):
                return returned
        return True

    def _met(self, rule: GateRule, *, depth: int, picked: bool) -> tuple[bool, bool]:
        """Let the rule decide, and return whether any it is for go on behind it, and whether any leave the chain."""
        match rule.verdict:
            case "accept":
                self.accepted = True
                return False, False
            case "drop":
                outcome = Outcome.SOME if picked else Outcome.MOST
                self.refused = max(self.refused, Refusal(outcome, rule.text), key=lambda each: each.outcome)
                return False, False
            case "return":
                return False, True
            case "jump" | "goto" if depth < DEEPEST and rule.target in self._chains:
                back = self.through(self._chains[rule.target], depth=depth + 1, picked=picked)
                return (back, False) if rule.verdict == "jump" else (False, back)
            case "unknown":
                self.accepted = True
                return True, False
            case _:
                return True, False
