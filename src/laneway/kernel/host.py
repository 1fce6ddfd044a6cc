"""The host as laneway reads and changes it: every part of `laneway.kernel` put together."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from laneway.kernel import (
    conntrack,
    facts,
    files,
    foreign,
    leftovers,
    links,
    netns,
    networks,
    nft_table,
    observe,
    routes,
    sets,
    sysctls,
)
from laneway.kernel.known import Known
from laneway.kernel.netlink import NetlinkSocket
from laneway.kernel.save_text import USER_CHAIN
from laneway.plan.steps import Op
from laneway.state.facts import Foreign, HostFacts, Networks
from laneway.state.host import DISK, HostState, ReadBack, recorded_keys, recorded_priors
from laneway.state.leftovers import LeftoverKey

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from laneway.errors import StepFailed
    from laneway.kernel.observe import Sight
    from laneway.kernel.ports import Chains
    from laneway.plan.steps import Step
    from laneway.state.chains import Chain, ChainKey
    from laneway.state.flows import Closed, Ends
    from laneway.state.links import LinkKey
    from laneway.state.marks import FwMark


class _Seen(NamedTuple):
    """What a reading saw beside the state of ours."""

    priors: dict[str, str]
    sight: Sight


class LinuxHost:
    """The network of the host that this process is in."""

    def __init__(
        self,
        *,
        chains: Chains,
        others: Chains | None = None,
        root: Path = Path("/"),
        memory: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """Keep the parts that know iptables, in use and in the other variant, where /etc is found, and more priors."""
        self._chains = chains
        self._others = others
        self._root = root
        self._memory = memory
        self._others_seen: Foreign | None = None  # as long as what follows
        self._seen: _Seen | None = None  # by the last reading, until a step may have changed it
        self._peers: dict[int, LinkKey] = {}  # as the last reading found them
        self._known = Known()  # its messages

    def read(self) -> HostState:
        """Return everything of ours, inside our network namespaces too; raises HostRefused."""
        return self._look()[0]

    def _look(self) -> tuple[HostState, _Seen]:
        """Read the host anew, and keep what was seen besides for the questions about others that follow."""
        self._seen = self._others_seen = None
        state = HostState()
        with _without_collections(), NetlinkSocket() as kernel:
            self._known = Known()
            sight = observe.read(kernel, state, self._known)
            priors = self._read_rest(state, remembered=self._memory())
        self._known.close()
        self._peers = sight.peers
        self._seen = _Seen(priors, sight)
        return state, self._seen

    def read_back(self, inside: Collection[str], chains: Mapping[ChainKey, Chain]) -> ReadBack:
        """Return what the host holds after steps, of network namespaces those `inside`; raises HostRefused.

        Meanwhile python-iptables, which wrote none of it, compares the rules of a legacy host with `chains`. The
        operator's own chain is not judged, and of the nft variant nothing is known.
        """
        judged = {key: chain for key, chain in chains.items() if key.name != USER_CHAIN}
        state = HostState()
        with self._chains.second_look(judged) as told, _without_collections(), NetlinkSocket() as kernel:
            observe.read(kernel, state, self._known, inside=inside, peers=self._peers)
            self._read_rest(state, remembered={})
            return ReadBack(state, told())

    def _read_rest(self, state: HostState, *, remembered: Mapping[str, str]) -> dict[str, str]:
        """Add to `state` what is not read by rtnetlink, and return the recorded priors of sysctls."""
        state.sets, state.entries = sets.read(self._known)
        state.nft_tables, state.nft_elements = nft_table.read()
        state.files = files.read(self._root)
        state.chains, state.jumps, state.priors = self._chains.read()
        state.leftovers = leftovers.read(self._others)
        state.leftovers |= {LeftoverKey(DISK, "priors", key): value for key, value in remembered.items()}
        state.sysctls |= sysctls.read(sorted(recorded_keys(state)))
        return recorded_priors(state)

    def foreign(self, tables: tuple[int, int], priorities: tuple[int, int]) -> Foreign:
        """Return what of others' laneway could collide with; raises HostRefused."""
        del tables, priorities  # everything is told: what of it collides is for the plan to say
        if self._others_seen is not None:
            return self._others_seen
        sight = (self._seen or self._look()[1]).sight
        their_links, addresses = foreign.links_and_addresses(sight.links, sight.addresses)
        fib_rules, marks = foreign.fib_rules(sight.rules)
        rules = self._chains.others()
        with NetlinkSocket() as kernel:
            known = foreign.other_routes(kernel, sight.links)
            self._others_seen = Foreign(
                links=their_links,
                netns=sight.strangers,
                addresses=addresses,
                fib_rules=fib_rules,
                routes=known.routes,
                marks=(*marks, *rules.marks),
                table_names=foreign.table_names(self._root),
                ways=known.ways,
                defaults=known.defaults,
                gates=rules.gates,
                forwarded=rules.forwarded,
                unseen=rules.unseen,
                inner=sight.inner,
            )
        return self._others_seen

    def facts(self, uplink_interfaces: Sequence[str]) -> HostFacts:
        """Return the facts that compiling needs; raises HostRefused."""
        priors, sight = self._seen or self._look()[1]
        with NetlinkSocket() as kernel:
            return facts.read(
                kernel,
                sight,
                variant=self._chains.variant,
                uplinks=uplink_interfaces,
                priors=priors,
            )

    def networks(self) -> Networks:
        """Return what of others' the host may forward packets for; raises HostRefused."""
        return networks.read()

    def run(self, steps: Sequence[Step]) -> None:
        """Do `steps` in the given order, those of one kind and operation that follow each other in bulk.

        Raises StepFailed with the first step that was refused; of those in bulk with it some may be done.
        """
        self._seen = self._others_seen = None
        with NetlinkSocket() as kernel:
            executors = self._executors(kernel)
            for (kind, op), group in groupby(steps, key=_lot):
                executors[kind](op, list(group))

    def attempt(self, steps: Sequence[Step]) -> tuple[StepFailed, ...]:
        """Do of `steps`, which are about workloads, what can be done, and return why the others could not be.

        Raises HostRefused where that is no matter of one workload.
        """
        self._seen = self._others_seen = None
        failures: list[StepFailed] = []
        with NetlinkSocket() as kernel:
            executors = self._executors(kernel)
            for (kind, op), group in groupby(steps, key=_lot):
                executors[kind](op, list(group), failures.append)
        return tuple(failures)

    def _executors(self, kernel: NetlinkSocket) -> dict[str, Callable[..., None]]:
        """Return what does the steps of each kind."""

        def run_chains(_: Op, steps: list[Step]) -> None:
            self._chains.run(steps)

        return {
            "netns": netns.run,
            "links": partial(links.run, kernel),
            "addresses": partial(links.run_addresses, kernel),
            "priors": run_chains,
            "sysctls": sysctls.run,
            "routes": partial(routes.run, kernel),
            "files": partial(files.run, self._root),
            "sets": sets.run,
            "entries": sets.run_entries,
            "fib_rules": partial(routes.run_rules, kernel),
            "chains": run_chains,
            "jumps": run_chains,
            "leftovers": partial(leftovers.run, self._others),
            "nft_tables": nft_table.run,
            "nft_elements": nft_table.run_elements,
        }

    def forget(
        self,
        marks: Iterable[FwMark],
        closed: Sequence[Closed] = (),
        lost: Callable[[Ends], bool] | None = None,
        missed: Callable[[Ends], bool] | None = None,
    ) -> None:
        """Delete the conntrack entries that bear one of `marks`, are `closed` or `lost`, and no others.

        Of those to the host itself also what is `missed`, unless a service of the host's has it.

        Raises HostRefused.
        """
        conntrack.forget(marks)
        conntrack.shut(closed, lost, missed)


def _lot(step: Step) -> tuple[str, Op]:
    """Return what steps done together have in common; of iptables everything, so that a table is one COMMIT."""
    if step.kind in ("chains", "jumps", "priors"):
        return ("chains", Op.REPLACE)
    return (step.kind, step.op)


@contextmanager
def _without_collections() -> Iterator[None]:
    """Leave the garbage collector alone while some hundred thousand values are made, none of them garbage."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
