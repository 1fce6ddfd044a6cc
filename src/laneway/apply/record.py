"""The ledger of a real host: journal, generation, and the note of a change that waits for its confirmation."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from laneway.apply import generations, journal, pending, store
from laneway.apply.durable import refusals
from laneway.apply.journal import UNTOUCHED, Journal
from laneway.apply.memory import Memory, Notebook
from laneway.errors import HostRefused
from laneway.policy.write import to_toml

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from laneway.apply.generations import Draft, Generation
    from laneway.apply.pending import Pending
    from laneway.plan.steps import Step
    from laneway.policy.model import PolicySet
    from laneway.state.facts import Variant
    from laneway.state.host import HostState


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A confirmation that is asked for."""

    seconds: float
    variant: Variant  # of iptables, before the change
    start_timer: Callable[[float], None]  # starts what takes the change back; raises HostRefused


class Record:
    """Writes down one change of the policy in force; what it needs on disk is there before the first step."""

    def __init__(
        self,
        policy: PolicySet,
        *,
        restores: int | None = None,
        destroyed: bool = False,
        confirmation: Confirmation | None = None,
        before: Memory = Memory(),  # noqa: B008  a constant
    ) -> None:
        """Take what is to be in force, and what is to be remembered of the host then; nothing is written yet."""
        self._memory = Notebook(store.memory(), before)
        self._policy = policy
        self._restores = restores
        self._destroyed = destroyed
        self._confirmation = confirmation
        self._journal = Journal(store.journal())
        self._earlier: HostState | None = None
        self._draft: Draft | None = None
        self._repaired: tuple[Generation, Sequence[Step]] | None = None
        self._pending: Pending | None = None
        self.generation = 0
        """The number of the generation, once `keep` gave it one."""

    @property
    def waiting(self) -> Pending | None:
        """Return the note of the change if it now waits for its confirmation."""
        return self._pending

    def interrupted(self) -> HostState | None:
        """Return how the host was before a change that was cut off, or None where that is not to be known."""
        self._earlier = journal.before_a_cut(store.journal())
        return self._earlier

    def begin(self, before: HostState, steps: Sequence[Step]) -> None:
        """Write down everything that could find no room later; raises HostRefused, and leaves nothing of it then."""
        try:
            self._memory.begin(before)
            self._journal.begin(before if self._earlier is None else self._earlier, steps)
            present = generations.in_force(store.history())
            if self._confirmation is None and present is not None and self._is_as(present):
                self._repaired = (present, steps)
            else:
                self._make_draft(steps)
            if self._confirmation is not None:
                asked = self._confirmation
                # First: a note without a timer, which a kill in between would leave, would wait for ever. A timer
                # without a note finds nothing to do, once this process lets go of the lock.
                asked.start_timer(asked.seconds)
                self._pending = pending.begin(
                    store.pending(),
                    before,
                    seconds=asked.seconds,
                    generation=present.number if present else 0,
                    variant=asked.variant,
                )
        except BaseException:
            self.drop()
            raise

    def reached(self, done: int) -> None:
        """Write down that so many steps are done."""
        self._journal.reached(done)

    def keep(self) -> None:
        """Put the generation in force, where its policy is another than the one in force.

        What brings the host back to the policy in force is no generation: it is noted with that one. Only where it is
        to be confirmed it has a number, to be confirmed by.
        """
        if self._draft is None:
            present = generations.in_force(store.history())
            if present is not None and self._is_as(present):
                self.generation = present.number
                with suppress(OSError):  # a read-only disk is no reason to refuse what is done already
                    generations.note_boot(present)
                    if self._repaired is not None:
                        generations.note_repair(*self._repaired)
            else:
                self._make_draft(())
        if self._draft is not None:
            with refusals("the change could not be recorded"):
                self.generation = self._draft.keep()
                if self._pending is not None:
                    self._pending = pending.start_counting(self._pending, self.generation)
        with refusals("what the host was before could not be recorded"):
            self._memory.keep(forget=self._destroyed)
        self._journal.end()

    def drop(self) -> None:
        """Take back what was written down."""
        self._memory.drop()
        if self._draft is not None:
            self._draft.drop()
        if self._pending is not None:
            pending.remove(self._pending.path)
        if self._earlier is None:
            self._journal.end()
        else:  # the flows of the change that was cut off are still to be forgotten
            self._journal.leave()

    def _make_draft(self, steps: Sequence[Step]) -> None:
        with refusals(UNTOUCHED):
            self._draft = generations.draft(
                store.history(), self._policy, steps, restores=self._restores, destroyed=self._destroyed
            )

    def _is_as(self, present: generations.Generation) -> bool:
        """Return whether the generation in force says the same as this change."""
        try:
            text = present.policy.read_text(encoding="utf-8")
        except OSError:
            return False
        return present.destroyed == self._destroyed and text == to_toml(self._policy)


class Reapplication:
    """The ledger of the generation in force when it is applied again: no new one, so that reboots fill no history.

    It needs no room: a disk that is full or read-only is no reason to leave tenants without their lanes.
    """

    def __init__(self, generation: Generation, before: Memory) -> None:
        """Take the generation in force, and what is to be remembered of the host."""
        self._generation = generation
        self._memory = Notebook(store.memory(), before)
        self._journal = Journal(store.journal())
        self._journaled = False
        self._earlier: HostState | None = None

    def interrupted(self) -> HostState | None:
        """Return how the host was before a change that was cut off, or None where that is not to be known."""
        self._earlier = journal.before_a_cut(store.journal())
        return self._earlier

    def begin(self, before: HostState, steps: Sequence[Step]) -> None:
        """Write the journal, if there is room for it."""
        with suppress(HostRefused):
            self._memory.begin(before)
            self._journal.begin(before if self._earlier is None else self._earlier, steps)
            self._journaled = True

    def reached(self, done: int) -> None:
        """Write down that so many steps are done."""
        if self._journaled:
            self._journal.reached(done)

    def keep(self) -> None:
        """Write down in which start of the machine the generation is in force."""
        with suppress(OSError):
            generations.note_boot(self._generation)
            self._memory.keep(forget=False)
        with suppress(HostRefused):
            self._journal.end()

    def drop(self) -> None:
        """Take the journal away: the host is as it was; one that was there before stays, as in `Record.drop`."""
        self._memory.drop()
        if self._earlier is not None:
            self._journal.leave()
            return
        with suppress(HostRefused):
            self._journal.end()


class Reversion:
    """The ledger of a change that is taken back: it needs no room, so that a full disk does not keep it from that."""

    def __init__(self, change: Pending, before: Memory) -> None:
        """Take the note of the change, and what is to be remembered of the host without it."""
        self._change = change
        self._memory = Notebook(store.memory(), before)

    def interrupted(self) -> HostState | None:
        """Return how the host was before a change that was cut off, or None where that is not to be known."""
        return journal.before_a_cut(store.journal())

    def begin(self, before: HostState, steps: Sequence[Step]) -> None:
        """Do nothing: the note of the change stays until it is taken back."""

    def reached(self, done: int) -> None:
        """Do nothing."""

    def keep(self) -> None:
        """Mark the generation as taken back; nothing waits any more."""
        with suppress(OSError):  # too much there is no harm
            self._memory.keep(forget=not self._memory.priors)
        pending.mark_reverted(self._change, store.history() / str(self._change.generation))

    def drop(self) -> None:
        """Do nothing: it is still to be taken back."""
