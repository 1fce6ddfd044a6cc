"""Our chains in one variant of iptables: written by iptables-restore, read from iptables-save."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from laneway.errors import HostRefused, StepFailed
from laneway.kernel.empty_tables import delete_empty_table
from laneway.kernel.iptables_variant import PROGRAMS
from laneway.kernel.restore_failure import RESOURCE_PROBLEM, lock_was_held, restore_failed
from laneway.kernel.restore_input import Line, depends_on_present, family_of, restore_input
from laneway.kernel.save_text import USER_CHAIN, ours, saved_counters, saved_tables
from laneway.kernel.tools import run_tool
from laneway.kernel.xt_tables import instantiated_tables, save_output
from laneway.plan.steps import Op, Step
from laneway.state.chain_text import MADE_CHAIN
from laneway.state.prefix import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from laneway.kernel.foreign_rules import ForeignRules
    from laneway.kernel.iptc_child import RuleShape
    from laneway.kernel.ports import ChainsRead
    from laneway.kernel.save_text import SavedTable
    from laneway.state.chains import Chain, ChainKey
    from laneway.state.facts import Variant

_LOCK_WAIT = 5
"""Seconds to wait for the xtables lock. Without a limit iptables waits for ever."""

_TIMEOUT = 30  # seconds
_LINES = 1000
"""Lines for which a second more is given: for chains by the ten thousand nft takes longer than in proportion."""

_ATTEMPTS = 4
"""How often a table is written anew when somebody who takes no lock has changed it meanwhile."""


class IptablesChains:
    """Reads and writes our chains by the tools of one variant, in the network namespace of the calling thread."""

    def __init__(self, variant: Variant) -> None:
        """Take the variant that `iptables_variant.detect_variant` found."""
        self._variant = variant
        self.warnings: tuple[str, ...] = ()
        """What the last reading had to do in a second-best way."""

    @property
    def variant(self) -> Variant:
        """Return the variant that is read and written."""
        return self._variant

    def read(self) -> ChainsRead:
        """Return our chains, the jumps to them and the recorded priors."""
        return ours({family: self.saved(family) for family in FAMILIES})

    def run(self, steps: Sequence[Step]) -> None:
        """Do steps of the kinds "chains", "jumps" and "priors", a family at a time; raises StepFailed.

        In the nft variant, a table that was made for our chains goes with the last of them if it is empty.
        """
        for family in dict.fromkeys(map(family_of, steps)):
            part = [step for step in steps if family_of(step) == family]
            nft = self._variant == "nft"
            new = nft and any(step.op == Op.CREATE for step in part)
            present = self._present(family, part[0]) if new or any(map(depends_on_present, part)) else {}
            lines = restore_input(part, present, sign_new_tables=nft)
            if lines:
                self._restore(family, lines)
            if nft and any(step.op == Op.DELETE for step in part):
                self._remove_made_tables(family, part[-1])

    def _present(self, family: int, step: Step) -> dict[str, SavedTable]:
        try:
            return self.saved(family)
        except HostRefused as error:
            raise StepFailed(step, str(error), error.hint) from error

    def _remove_made_tables(self, family: int, step: Step) -> None:
        """Remove the tables that laneway made and nobody uses; of one that somebody does, only the sign."""
        for name, table in self._present(family, step).items():
            if table.of_ours() == {MADE_CHAIN}:
                if table.is_untouched() and delete_empty_table(family, name):
                    continue
                self._restore(family, [Line(text, step) for text in (f"*{name}", f"-X {MADE_CHAIN}", "COMMIT")])

    def others(self) -> ForeignRules:
        """Return what rules of others do, in both variants of iptables and in nftables."""
        from laneway.kernel import foreign_rules

        found = foreign_rules.read(self._variant)
        self.warnings = found.warnings
        return found

    def counters(self) -> dict[ChainKey, tuple[tuple[int, int], ...]]:
        """Return packets and bytes of each rule of our chains."""
        self.warnings = ()
        if self._variant == "legacy":
            try:
                return {key: tuple(rule[:2] for rule in rules) for key, rules in self.witnessed().items()}
            except HostRefused as error:
                self.warnings = (f"{error}: the text of iptables-legacy-save was read instead",)
        found: dict[ChainKey, tuple[tuple[int, int], ...]] = {}
        for family in FAMILIES:
            found |= saved_counters(save_output(self._variant, family, counters=True), family)
        return found

    def witnessed(self) -> dict[ChainKey, tuple[RuleShape, ...]]:
        """Return our chains as python-iptables sees them in the legacy variant; raises HostRefused when it fails."""
        from laneway.kernel.iptc_child import read_legacy

        return read_legacy("ours", {family: instantiated_tables(family) for family in FAMILIES}).ours

    @contextmanager
    def second_look(self, chains: Mapping[ChainKey, Chain]) -> Iterator[Callable[[], tuple[str, ...]]]:
        """Have python-iptables look while the block goes on, whose function returns where it saw other than `chains`.

        For a look after writing: iptables-restore and iptables-save, which agree with each other, are not asked. Of
        the nft variant nothing is known.
        """
        from laneway.kernel.iptc_child import reading_legacy
        from laneway.kernel.witness import disagreements

        self.warnings = ()
        with ExitStack() as stack:

            def told() -> tuple[str, ...]:
                try:
                    return tuple(disagreements(chains, answer().ours)) if answer else ()
                except HostRefused as error:
                    self.warnings = (str(error),)
                    return ()

            answer = None
            try:
                if self._variant == "legacy":
                    tables = {family: instantiated_tables(family) for family in FAMILIES}
                    answer = stack.enter_context(reading_legacy("ours", tables))
            except HostRefused as error:
                self.warnings = (str(error),)
            yield told

    def saved(self, family: int) -> dict[str, SavedTable]:
        """Return the xt_tables of the family, ours and others' chains."""
        return saved_tables(save_output(self._variant, family))

    def _restore(self, family: int, lines: Sequence[Line]) -> None:
        argv = [f"{PROGRAMS[family]}-{self._variant}-restore", "-w", str(_LOCK_WAIT), "--noflush"]
        text = "".join(f"{line.text}\n" for line in lines)
        for attempt in range(_ATTEMPTS):
            try:
                result = run_tool(argv, input=text, timeout=_TIMEOUT + len(lines) // _LINES)
            except HostRefused as error:
                raise StepFailed(lines[0].step, str(error), error.hint) from error
            if result.returncode != RESOURCE_PROBLEM or lock_was_held(result):
                break
            time.sleep(0.05 * 2**attempt)
        if result.returncode:
            raise restore_failed(result, lines)


def removal(read: ChainsRead) -> tuple[Step, ...]:
    """Return the steps that take everything of `read` away, but for operators' chains with rules in them."""
    jumps = [Step(Op.DELETE, "jumps", key, jump) for key, jump in sorted(read.jumps.items())]
    chains = [
        Step(Op.DELETE, "chains", key, rules)
        for key, rules in sorted(read.chains.items())
        if key.name != USER_CHAIN or not rules
    ]
    priors = [Step(Op.DELETE, "priors", key, value) for key, value in sorted(read.priors.items())]
    return (*jumps, *chains, *priors)


def remove_leftovers(variant: Variant) -> tuple[ChainKey, ...]:
    """Remove our chains from a variant that is not the one in use, and return which they were; raises StepFailed."""
    chains = IptablesChains(variant)
    read = chains.read()
    chains.run(removal(read))
    return tuple(sorted(read.chains))
