"""The way back: the host planned to where it was, as far as it lets itself be."""

from __future__ import annotations

import time
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from laneway.apply.forwarding import leave_on
from laneway.apply.lots import Doer
from laneway.errors import Exit, LanewayError
from laneway.plan.implied import without_links
from laneway.plan.plan import plan
from laneway.plan.steps import Op
from laneway.plan.words import commands
from laneway.state.host import HostState
from laneway.state.links import HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from laneway.apply.ports import Kernel
    from laneway.plan.steps import Step
    from laneway.plan.workloads import Workloads
    from laneway.state.facts import Networks, Variant

TROUBLE = (LanewayError, OSError, MemoryError)
"""What a host, or want of memory, makes of a step or a look; anything else is a bug."""

ATTEMPTS = 4
"""How often the way back is planned anew: what stood in the way may have gone."""

_TABLES = frozenset({"chains", "jumps", "priors"})
_PAUSE = 0.2  # seconds, growing, before another attempt
_WAYS = frozenset(("routes", "links"))
_CARRIERS = ("links", "netns")
_WHOLE = frozenset({"chains", "jumps", "priors", "leftovers"})  # an xt_table is written in one COMMIT


class RollbackIncomplete(LanewayError):  # noqa: N818  it is a state of the host
    """The host could not be planned back to where it was; `remaining` is left to do by hand."""

    exit_code = Exit.INCOMPLETE
    kind = "incomplete"

    def __init__(self, message: str, remaining: tuple[Step, ...], variant: Variant | None = None) -> None:
        """Keep what is left to do, and say it in commands for the variant of iptables that is in use."""
        super().__init__(message, "type the commands below, or fix the cause and apply again")
        self.remaining = remaining
        self.commands = commands(remaining, variant=variant)


class WayBack(NamedTuple):
    """What it took to go back, and what was left as it is, and why, a sentence each."""

    steps: tuple[Step, ...]
    notes: tuple[str, ...]


def lots(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Yield the steps in lots that are done in bulk: of one kind and operation, or all of iptables."""
    for _, group in groupby(steps, key=lambda step: "iptables" if step.kind in _TABLES else (step.kind, step.op)):
        yield list(group)


def ways_go(lot: Sequence[Step]) -> bool:
    """Return whether the lot takes ways to workloads away."""
    return lot[0].op == Op.DELETE and lot[0].kind in _WAYS


def go_back(  # noqa: PLR0913  what a way back is about, by name
    kernel: Kernel,
    before: HostState,
    done: Sequence[Step],
    *,
    cause: BaseException,
    workloads: Workloads,
    forget: Callable[[Sequence[Step]], None] = lambda _: None,
    variant: Variant | None = None,
    networks: Networks | None = None,
) -> WayBack:
    """Make the host hold `before` again, and return every step that took.

    `networks` is what others had when laneway turned forwarding on.

    Before ways to workloads go, `forget` is given the steps, for the flows that they leave astray.
    What is inside `workloads` is put back once, as far as it goes.
    What belongs to interfaces that are gone cannot be put back, and is left out in the later attempts. Raises
    RollbackIncomplete, caused by `cause` as well, with what is left; `done` serves where the host cannot be read.
    """
    taken: list[Step] = []
    notes: tuple[str, ...] = ()
    trouble: BaseException | None = None
    remaining: tuple[Step, ...] | None = None
    tried = False
    for attempt in range(ATTEMPTS):
        try:
            aim = before if attempt < ATTEMPTS // 2 else attainable(before, kernel)
            seen, left_on = leave_on(aim, kernel.read(), networks, kernel.networks)
            remaining = plan(aim, seen)
        except TROUBLE as error:
            trouble = error
            time.sleep(_PAUSE * 2**attempt)
            continue
        notes = left_on or notes
        must, lacking = workloads.left(remaining, seen)
        if not must and (tried or not lacking):
            return WayBack(tuple(taken), notes)
        taken += remaining
        met = _do_what_goes(kernel, remaining, workloads, forget)
        tried, trouble = met is None, met or trouble
    left, trouble = _left(kernel, before, done, trouble, workloads)
    if not left:
        return WayBack(tuple(taken), notes)
    why = f": {trouble}" if trouble else ""
    raise RollbackIncomplete(f"{cause}\nRollback failed: {len(left)} steps remain{why}", left, variant) from cause


def _left(
    kernel: Kernel, before: HostState, done: Sequence[Step], trouble: BaseException | None, workloads: Workloads
) -> tuple[tuple[Step, ...], BaseException | None]:
    """Return what is left to do, as the host says, or where it says nothing, as far as is known; and the trouble.

    That workloads alone lack something is nothing that is left to do.
    """
    try:
        seen = kernel.read()
        remaining = plan(before, seen)
        return remaining if workloads.left(remaining, seen)[0] else (), trouble
    except TROUBLE as error:
        remaining = plan(before, after(before, done))
        _do_what_goes(kernel, remaining, workloads, lambda _: None)
        return remaining, error


def _do_what_goes(
    kernel: Kernel, steps: Sequence[Step], workloads: Workloads, forget: Callable[[Sequence[Step]], None]
) -> Exception | None:
    """Do every step that can be done, and return why the last of the others could not."""
    trouble: Exception | None = None
    doer = Doer(kernel, workloads)
    for lot in lots(steps):
        if ways_go(lot):
            forget(steps)
        try:
            doer.run(lot)
        except TROUBLE as error:
            trouble = error
            if lot[0].kind not in _WHOLE:
                for step in doer.must(lot):
                    trouble = _refusal_of(kernel, step) or trouble
    return trouble


def _refusal_of(kernel: Kernel, step: Step) -> Exception | None:
    try:
        kernel.run([step])
    except TROUBLE as error:
        return error
    return None


def attainable(before: HostState, kernel: Kernel) -> HostState:
    """Return `before` less the routes and sysctls of interfaces of others that are no longer up."""
    ours = {key.name for key in before.links if key.netns == HOST}
    devices = {route.dev for key, route in before.routes.items() if key.netns == HOST and route.dev}
    interfaces = {key.split("/")[3] for key in before.sysctls if key.startswith(("net/ipv4/conf/", "net/ipv6/conf/"))}
    theirs = (devices | interfaces) - ours - {"all", "default"}
    gone = theirs - kernel.facts(sorted(theirs)).interfaces
    return before.replaced(
        routes={key: each for key, each in before.routes.items() if key.netns != HOST or each.dev not in gone},
        sysctls={key: each for key, each in before.sysctls.items() if not gone.intersection(key.split("/")[3:4])},
    )


def after(before: HostState, steps: Sequence[Step]) -> HostState:
    """Return what a host that was `before` holds once `steps` are done, as far as one can know without looking."""
    kinds = {name: dict(mapping) for name, mapping in before.kinds().items()}
    for step in steps:
        if step.op == Op.DELETE:
            kinds[step.kind].pop(step.key, None)
        else:
            kinds[step.kind][step.key] = step.new
    gone = {kind: {step.key for step in steps if (step.kind, step.op) == (kind, Op.DELETE)} for kind in _CARRIERS}
    return without_links(HostState(**kinds), gone["links"], gone["netns"])
