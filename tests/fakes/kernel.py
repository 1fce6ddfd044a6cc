"""A host in memory that refuses what the kernel would refuse; held to the same contract as the real one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from laneway.errors import StepFailed
from laneway.plan.reach import without_unreached
from laneway.plan.steps import Op
from laneway.state.chains import ChainRule, InSet, Jump, MapMark
from laneway.state.facts import Foreign, HostFacts, Networks
from laneway.state.host import HostState, ReadBack
from laneway.state.links import HOST, Link, LinkKey, LinkKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from laneway.plan.steps import Step
    from laneway.state.chains import Chain, ChainKey
    from laneway.state.flows import Closed, Ends
    from laneway.state.marks import FwMark

SYSCTLS = {"net/ipv4/ip_forward": "0", "net/ipv6/conf/all/forwarding": "0", "net/ipv4/conf/all/rp_filter": "0"}


class FakeKernel:
    """Implements `laneway.apply.ports.Kernel`."""

    def __init__(self, interfaces: Iterable[str] = ("eth0", "eth1"), fail_at: int | Step | None = None) -> None:
        self.state = HostState()
        self.interfaces = frozenset(interfaces)
        self.sysctls = dict(SYSCTLS)
        self.listening: frozenset[str] = frozenset()
        self.foreign_objects = Foreign()
        self.others_networks = Networks()
        self.forgotten: list[FwMark] = []
        self.closed: list[Closed] = []
        self.lost: Callable[[Ends], bool] | None = None  # of the last time
        self.missed: Callable[[Ends], bool] | None = None
        self.contradictions: tuple[str, ...] = ()
        self.done = 0
        self.fail_at = fail_at  # the number of steps after which the next one fails, or the step that does, once

    def read(self) -> HostState:
        return HostState(**{name: dict(each) for name, each in self.state.kinds().items()})  # whose values never change

    def facts(self, uplink_interfaces: Sequence[str]) -> HostFacts:
        present = self.interfaces & set(uplink_interfaces)
        sysctls = {**self.sysctls, **self.state.priors}
        return HostFacts(
            "nft", present, sysctls=sysctls, listening=self.listening, present=dict(self.sysctls) | self.state.sysctls
        )

    def foreign(self, tables: tuple[int, int], priorities: tuple[int, int]) -> Foreign:
        del tables, priorities
        return self.foreign_objects

    def networks(self) -> Networks:
        return self.others_networks

    def read_back(self, inside: Collection[str], chains: Mapping[ChainKey, Chain]) -> ReadBack:
        del chains
        return ReadBack(without_unreached(self.read(), inside), self.contradictions)

    def forget(
        self,
        marks: Iterable[FwMark],
        closed: Sequence[Closed] = (),
        lost: Callable[[Ends], bool] | None = None,
        missed: Callable[[Ends], bool] | None = None,
    ) -> None:
        self.forgotten += marks
        self.closed += closed
        self.lost = lost
        self.missed = missed

    def run(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if self.fail_at in (self.done, step):
                self.fail_at = None
                raise StepFailed(step, "injected")
            reason = self._refusal(step)
            if reason:
                raise StepFailed(step, reason)
            self._do(step)
            self.done += 1

    def attempt(self, steps: Sequence[Step]) -> tuple[StepFailed, ...]:
        failures: list[StepFailed] = []
        for step in steps:
            try:
                self.run([step])
            except StepFailed as failure:
                failures.append(failure)
        return tuple(failures)

    def _do(self, step: Step) -> None:
        mapping = self.state.kinds()[step.kind]
        if step.op == Op.DELETE:
            del mapping[step.key]
            self._cascade(step)
        elif step.kind == "sysctls" and step.key not in self.state.sysctls and step.op == Op.REPLACE:
            self.sysctls[step.key] = step.new
        else:
            mapping[step.key] = step.new
        if step.kind == "links" and step.op == Op.CREATE and step.new.peer is not None:
            self.state.links.setdefault(step.new.peer, Link(LinkKind.PEER, step.new.group, up=False))
        if step.kind == "priors" and step.op == Op.DELETE:
            # As on a host: what is no longer recorded is no longer ours.
            self.sysctls[step.key] = self.state.sysctls.pop(step.key, step.old)

    def _cascade(self, step: Step) -> None:
        """Take away what the kernel takes away by itself."""
        if step.kind == "netns":
            self._drop(lambda key: getattr(key, "netns", None) == step.key)
            gone = [key for key, link in self.state.links.items() if link.peer and link.peer.netns == step.key]
            for key in gone:
                del self.state.links[key]
        elif step.kind == "nft_tables":
            self.state.nft_elements.clear()
        elif step.kind == "links":
            for dead in (step.key, *([step.old.peer] if step.old.peer else [])):
                self._drop_link(dead)

    def _drop_link(self, dead: LinkKey) -> None:
        self.state.links.pop(dead, None)
        for address in [each for each in self.state.addresses if (each.netns, each.link) == dead]:
            del self.state.addresses[address]
        for route in [key for key, each in self.state.routes.items() if (key.netns, each.dev) == dead]:
            del self.state.routes[route]
        for sysctl in [each for each in self.state.sysctls if f"/{dead.name}/" in each]:
            del self.state.sysctls[sysctl]

    def _drop(self, condition: Any) -> None:
        mappings: tuple[dict[Any, Any], ...] = (self.state.links, self.state.addresses, self.state.routes)
        for mapping in mappings:
            for key in [each for each in mapping if condition(each)]:
                del mapping[key]

    def _refusal(self, step: Step) -> str:
        mapping = self.state.kinds()[step.kind]
        if step.op == Op.CREATE and step.key in mapping and not self._born_with_its_pair(step):
            return "exists"
        if step.op == Op.DELETE and step.key not in mapping:
            return "is not there"
        check = getattr(self, f"_refuse_{step.kind}", None)
        return check(step) if check else ""

    def _born_with_its_pair(self, step: Step) -> bool:
        return step.kind == "links" and step.new.kind == LinkKind.PEER

    def _refuse_links(self, step: Step) -> str:
        if step.op == Op.DELETE:
            return ""
        link = step.new
        if link.master and LinkKey(HOST, link.master) not in self.state.links:
            return f"master {link.master} does not exist"
        if link.peer is not None and link.peer.netns not in self.state.netns:
            return f"netns {link.peer.netns} does not exist"
        if link.kind == LinkKind.PEER and step.key not in self.state.links:
            return "the pair does not exist"
        return ""

    def _refuse_addresses(self, step: Step) -> str:
        there = LinkKey(step.key.netns, step.key.link) in self.state.links
        return "" if step.op == Op.DELETE or there else "link does not exist"

    def _refuse_routes(self, step: Step) -> str:
        if step.op == Op.DELETE or not step.new.dev:
            return ""
        known = step.key.netns == HOST and step.new.dev in self.interfaces | {"lo"}
        return "" if known or LinkKey(step.key.netns, step.new.dev) in self.state.links else "link does not exist"

    def _refuse_entries(self, step: Step) -> str:
        return "" if step.key.set in self.state.sets else "set does not exist"

    def _refuse_sets(self, step: Step) -> str:
        used = any(step.key in _sets_of(chain) for chain in self.state.chains.values())
        return "set is in use" if step.op == Op.DELETE and used else ""

    def _refuse_chains(self, step: Step) -> str:
        names = {key.name for key in self.state.chains if key[:2] == step.key[:2]}
        if step.op == Op.DELETE:
            jumped = any(step.key.name in _targets_of(c) for k, c in self.state.chains.items() if k[:2] == step.key[:2])
            based = any(k.chain == step.key.name and k[:2] == step.key[:2] for k in self.state.jumps)
            return "chain is in use" if jumped or based else ""
        missing = _targets_of(step.new) - names - {step.key.name}
        unset = _sets_of(step.new) - set(self.state.sets)
        return f"no chain {missing}" if missing else f"no set {unset}" if unset else ""

    def _refuse_jumps(self, step: Step) -> str:
        there = any(k[:2] == step.key[:2] and k.name == step.key.chain for k in self.state.chains)
        return "" if there else "no such chain"


def _targets_of(chain: Any) -> set[str]:
    return {rule.target.chain for rule in chain if isinstance(rule, ChainRule) and isinstance(rule.target, Jump)}


def _sets_of(chain: Any) -> set[str]:
    rules = [rule for rule in chain if isinstance(rule, ChainRule)]
    matched = {match.set for rule in rules for match in rule.matches if isinstance(match, InSet)}
    return matched | {rule.target.set for rule in rules if isinstance(rule.target, MapMark)}
