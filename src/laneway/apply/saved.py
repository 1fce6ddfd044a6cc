"""A host written down: all that planning needs to know of it, to be planned against elsewhere, without root."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from laneway.errors import UsageError
from laneway.policy.load import PolicyError, load_text
from laneway.policy.write import to_toml
from laneway.state.chain_text import rule_text
from laneway.state.facts import Foreign, HostFacts, Networks
from laneway.state.host import HostState, ReadBack
from laneway.state.portable import MalformedError, noun, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from laneway.apply.ports import Kernel
    from laneway.errors import StepFailed
    from laneway.plan.steps import Step
    from laneway.policy.model import HostSettings, PolicySet
    from laneway.state.chains import Chain, ChainKey
    from laneway.state.flows import Closed, Ends
    from laneway.state.marks import FwMark

FORMAT = 2
"""The version of the file, its key `laneway`."""

MEMORY = "<the saved state>"
"""What stands for a file where the policy in force on that host is pointed at."""

_HINT = "write it anew on the host: laneway status --dump > FILE"
_PARTS: dict[str, Any] = {"observed": HostState, "facts": HostFacts, "foreign": Foreign}


@dataclass(frozen=True, slots=True)
class SavedHost:
    """A host as it was when it was written down; it can be looked at, and not be changed."""

    observed: HostState
    known: HostFacts
    others: Foreign
    policy: PolicySet | None  # the one in force

    def read(self) -> HostState:
        """Return what of laneway's the host held."""
        return self.observed

    def facts(self, uplink_interfaces: Sequence[str]) -> HostFacts:
        """Return what compiling needs to know, of every interface the host had."""
        del uplink_interfaces
        return self.known

    def foreign(self, tables: tuple[int, int], priorities: tuple[int, int]) -> Foreign:
        """Return what on the host belonged to others."""
        del tables, priorities
        return self.others

    def networks(self) -> Networks:
        """Return none: where there is nothing to change, nothing of theirs is in question."""
        return Networks()

    def run(self, steps: Sequence[Step]) -> None:
        """Raise UsageError."""
        raise UsageError(f"a saved state cannot be changed, and {len(steps)} steps were to")

    def attempt(self, steps: Sequence[Step]) -> tuple[StepFailed, ...]:
        """Raise UsageError."""
        raise UsageError(f"a saved state cannot be changed, and {len(steps)} steps were to")

    def read_back(self, inside: Collection[str], chains: Mapping[ChainKey, Chain]) -> ReadBack:
        """Return what it held all along."""
        del inside, chains
        return ReadBack(self.observed, ())

    def forget(
        self,
        marks: Iterable[FwMark],
        closed: Sequence[Closed] = (),
        lost: Callable[[Ends], bool] | None = None,
        missed: Callable[[Ends], bool] | None = None,
    ) -> None:
        """Do nothing: there are no flows."""


def save(kernel: Kernel, host: HostSettings, policy: PolicySet | None) -> str:
    """Return a host as a text; raises HostRefused."""
    observed = kernel.read()
    foreign = kernel.foreign(host.tables, host.priorities)
    names = {link.name for link in foreign.links if not link.netns} | kernel.facts([]).interfaces
    values = {
        "observed": plain(observed),
        "facts": plain(kernel.facts(sorted(names))),
        "foreign": plain(foreign),
        "policy": None if policy is None else to_toml(policy),
    }
    text = json.dumps({"laneway": FORMAT, **values}, indent=1, sort_keys=True)
    return text.replace("\x7f", "\\u007f")  # it may be shown by a terminal


def saved_host(text: str, file: str) -> SavedHost:
    """Return the host that a text tells of; raises UsageError for one that `save` did not write."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file}: no saved state: {error}", _HINT) from error
    if not isinstance(values, dict) or values.get("laneway") != FORMAT or not _PARTS.keys() < values.keys():
        raise UsageError(f"{file}: no saved state of this laneway, whose format is {FORMAT}", _HINT)
    try:
        observed, facts, foreign = (noun(kind, values[name], name) for name, kind in _PARTS.items())
        _demand_rules(observed)
    except (MalformedError, RecursionError) as error:
        raise UsageError(f"{file}: {error}", _HINT) from error
    return SavedHost(observed, facts, foreign, _policy(values.get("policy"), file))


def _demand_rules(observed: HostState) -> None:
    """Raise MalformedError for a rule that iptables has no words for: no host has it."""
    try:
        for key, rules in observed.chains.items():
            for rule in rules:
                rule_text(rule, family=key.family)
    except ValueError as error:
        raise MalformedError(f"chains: {error}") from error


def _policy(text: object, file: str) -> PolicySet | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise UsageError(f"{file}: policy: a text is expected", _HINT)
    try:
        return load_text(text, MEMORY)
    except PolicyError as error:
        raise UsageError(f"{file}: policy: {error}", _HINT) from error
