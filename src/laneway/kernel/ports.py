"""What the kernel package needs from a part that others may write: the iptables chains."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from laneway.kernel.foreign_rules import ForeignRules
    from laneway.plan.steps import Step
    from laneway.state.chains import BaseJump, Chain, ChainKey, JumpKey
    from laneway.state.facts import Variant


class ChainsRead(NamedTuple):
    """Everything of ours that iptables holds."""

    chains: dict[ChainKey, Chain]
    jumps: dict[JumpKey, BaseJump]
    priors: dict[str, str]


class Chains(Protocol):
    """Our chains in one variant of iptables."""

    @property
    def variant(self) -> Variant:
        """Return the variant that is read and written."""

    def read(self) -> ChainsRead:
        """Return our chains, the jumps to them and the recorded priors."""

    def run(self, steps: Sequence[Step]) -> None:
        """Do steps of the kinds "chains", "jumps" and "priors"; raises StepFailed."""

    def second_look(self, chains: Mapping[ChainKey, Chain]) -> AbstractContextManager[Callable[[], tuple[str, ...]]]:
        """Have python-iptables look while the block goes on; the block's function returns where it saw other rules."""

    def others(self) -> ForeignRules:
        """Return what rules of others do, in iptables and in nftables."""
