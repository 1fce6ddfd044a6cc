"""What applying needs of a host; `laneway.kernel.host.LinuxHost` has it, and so has the fake of the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from laneway.errors import StepFailed
    from laneway.plan.steps import Step
    from laneway.state.chains import Chain, ChainKey
    from laneway.state.facts import Foreign, HostFacts, Networks
    from laneway.state.flows import Closed, Ends
    from laneway.state.host import HostState, ReadBack
    from laneway.state.marks import FwMark


class Kernel(Protocol):
    """A host: what is on it, and the ways to change it."""

    def read(self) -> HostState:
        """Return what of laneway's the host holds."""

    def facts(self, uplink_interfaces: Sequence[str]) -> HostFacts:
        """Return what compiling needs to know of the host."""

    def foreign(self, tables: tuple[int, int], priorities: tuple[int, int]) -> Foreign:
        """Return what on the host belongs to others."""

    def networks(self) -> Networks:
        """Return the networks of others that the host may forward packets for."""

    def run(self, steps: Sequence[Step]) -> None:
        """Do `steps` in order; raises StepFailed at the first that fails, with those before it done."""

    def attempt(self, steps: Sequence[Step]) -> tuple[StepFailed, ...]:
        """Do of `steps`, which are about workloads, what can be done, and return the failures of the others."""

    def read_back(self, inside: Collection[str], chains: Mapping[ChainKey, Chain]) -> ReadBack:
        """Return what the host holds after steps, of network namespaces those `inside`; `read` was called before them.

        With it comes where a second reader sees other rules than `chains`.
        """

    def forget(
        self,
        marks: Iterable[FwMark],
        closed: Sequence[Closed] = (),
        lost: Callable[[Ends], bool] | None = None,
        missed: Callable[[Ends], bool] | None = None,
    ) -> None:
        """Delete the conntrack entries that bear one of `marks`, and those that are `closed` or `lost`.

        Of those to the host itself also what is `missed`, unless a service of the host's has it.
        """


class Ledger(Protocol):
    """Who writes down what a transaction does; each method raises HostRefused when it cannot."""

    def interrupted(self) -> HostState | None:
        """Return how the host was before a change that was cut off, which may have left flows without their lane."""

    def begin(self, before: HostState, steps: Sequence[Step]) -> None:
        """Write down how the host is and what is about to be done; when it cannot, nothing is touched."""

    def reached(self, done: int) -> None:
        """Write down that so many steps are done."""

    def keep(self) -> None:
        """Write down that the host holds what it was given; without a `begin`, that it did already."""

    def drop(self) -> None:
        """Take back what was written down: the host is as it was."""
