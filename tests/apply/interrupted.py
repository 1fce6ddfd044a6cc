"""Sends itself a signal before each lot of an apply, and prints what the refusal says: run by test_transaction."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from laneway.apply.target import target
from laneway.apply.transaction import transact
from laneway.errors import HostRefused
from laneway.state.host import HostState
from tests.fakes.kernel import FakeKernel
from tests.worlds import crowd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from laneway.plan.steps import Step


class InterruptedKernel(FakeKernel):
    """A host that laneway is asked to leave alone whenever it changes something."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def run(self, steps: Sequence[Step]) -> None:
        os.kill(os.getpid(), self.number)
        super().run(steps)


def main(number: int) -> str:
    # As a terminal leaves it: under nohup(1), or after a shell's &, some are ignored.
    signal.signal(number, signal.default_int_handler)
    kernel, policy = InterruptedKernel(number), crowd(1)
    aim = target(policy, kernel.read(), kernel.facts(["eth0", "eth1"]))
    try:
        transact(kernel, desired=aim.desired, observed=kernel.read(), field=aim.lanes.field)
    except HostRefused as refusal:
        return str(refusal) if kernel.read() == HostState() else f"{refusal}, which is not so"
    return "not interrupted"


if __name__ == "__main__":
    sys.stdout.write(f"{main(int(sys.argv[1]))}\n")
