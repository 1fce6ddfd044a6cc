"""A packet's way through laneway's chains: jump, goto and return as ip_tables.c does them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.compile.names import TAKE
from laneway.explain.hop import InChain, Trail, Verdict
from laneway.explain.matching import all_hold, entry_of
from laneway.explain.translation import masquerade_address
from laneway.state.chains import (
    ChainKey,
    ChainRule,
    Dnat,
    ForeignRule,
    InSet,
    Jump,
    MapMark,
    Masquerade,
    NoTarget,
    Reject,
    RestoreMark,
    SaveMark,
    SetConnMark,
    SetMark,
    Snat,
    XorMark,
    XtTable,
)
from laneway.state.chains import Verdict as Target
from laneway.state.prefix import address_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.explain.packet import Flow, Skb
    from laneway.explain.terrain import Terrain
    from laneway.state.chains import Match
    from laneway.state.marks import FwMark
    from laneway.state.sets import SetEntry

ALL_BITS = 0xFFFFFFFF

Ending = Verdict | Target
"""What ends a walk through a base chain: ACCEPT, or that the packet is refused or dropped."""


class Hook(NamedTuple):
    """One xt_table at one of netfilter's hooks, with the packet that passes it."""

    terrain: Terrain
    skb: Skb
    trail: Trail
    table: XtTable
    base: str
    nexthop: bytes = b""  # at POSTROUTING: who gets the packet next on its link

    @property
    def stage(self) -> str:
        """Return the place in words."""
        return f"{self.table} {self.base}"

    def passes(self) -> Verdict | None:
        """Walk the packet through laneway's part of the base chain; None: it goes on."""
        for key, jump in self.terrain.jumps(self.skb.family, self.table, self.base):
            if all_hold(jump.matches, self.skb, self.terrain):
                self.trail.add(self.stage, f"goes to {key.chain}", key, minor=True)
                ending = self._chain(key.chain)
                if ending is not None:
                    return ending if isinstance(ending, Verdict) else None
        return None

    def _chain(self, name: str, by: InChain | None = None) -> Ending | None:
        """Return what ended the walk, or None when it goes on where the chain was called from.

        `by` is told instead of the chain's own rules.
        """
        key = ChainKey(self.skb.family, self.table, name)
        for number, rule in enumerate(self.terrain.chain(key), 1):
            place = by or InChain(key, number, rule)
            if isinstance(rule, ForeignRule):
                self.trail.add(self.stage, "is not laneway's and was passed over", place)
            elif all_hold(rule.matches, self.skb, self.terrain):
                match rule.target:
                    case Target.RETURN:
                        self.trail.add(self.stage, "returns", place, minor=True, entry=self._entry(rule.matches))
                        return None
                    case Jump(chain, goto):
                        # A class's uplink is what the class is for: that rule of many tenants' is told as the class's.
                        by = place if chain.startswith(TAKE) else None
                        if by is None:
                            self.trail.add(self.stage, f"goes to {chain}", place, minor=True)
                        ending = self._chain(chain, by)
                        # What a chain was gone to with goto returns from, returns from this one as well.
                        if goto or ending is not None:
                            return ending
                    case _:
                        ending = self._act(rule, place)
                        if ending is not None:
                            return ending
            else:
                self._spared(rule, place)
        return None

    def _spared(self, rule: ChainRule, place: InChain) -> None:
        """Note a guard that lets the packet pass: a rule for all such packets but those that are as they should be."""
        if not rule.matches or not getattr(rule.matches[-1], "negated", False):
            return
        by_set = isinstance(rule.matches[-1], InSet)  # what is in none may still be stopped, further down
        guards = rule.target is Target.DROP or isinstance(rule.target, Reject | Jump if by_set else Reject)
        if guards and all_hold(rule.matches[:-1], self.skb, self.terrain):
            last = rule.matches[-1]
            found = entry_of(last.set, last.directions, self.skb, self.terrain) if isinstance(last, InSet) else None
            self.trail.add(self.stage, "passes", place, entry=found.entry if found else None)

    def _entry(self, matches: tuple[Match, ...]) -> SetEntry | None:
        """Return the set entry that made a rule match."""
        for match in matches:
            if isinstance(match, InSet) and not match.negated:
                found = entry_of(match.set, match.directions, self.skb, self.terrain)
                return found.entry if found else None
        return None

    def _act(self, rule: ChainRule, place: InChain) -> Ending | None:
        """Do what the rule's target does; return what ends the walk."""
        match rule.target:
            case Target.ACCEPT:
                self.trail.add(self.stage, "passes", place, entry=self._entry(rule.matches))
                return Target.ACCEPT
            case Target.DROP:
                self.trail.add(self.stage, "drops it", place, entry=self._entry(rule.matches))
                return Verdict.DROPPED
            case Reject(with_):
                self.trail.add(self.stage, f"refuses it with {with_}", place, entry=self._entry(rule.matches))
                return Verdict.REFUSED
            case Dnat() | Snat() | Masquerade():
                return self._translate(rule.target, place)
            case NoTarget():
                return None
            case _:
                self._mark(rule, place)
                return None

    def _mark(self, rule: ChainRule, place: InChain) -> None:
        """Change the packet's mark or the flow's; a change to what it was already is not worth a word."""
        skb, flow = self.skb, self.skb.flow
        before = (skb.mark, flow.mark if flow else 0)
        entry, effect, decides = None, "marks it", not isinstance(rule.target, SaveMark)
        match rule.target:
            case SetMark(mark):
                skb.mark = _changed(skb.mark, mark)
            case MapMark(name, directions):
                found = entry_of(name, directions, skb, self.terrain)
                if found is None or found.mark is None:
                    return
                entry = found.entry
                skb.mark = _changed(skb.mark, found.mark)
            case RestoreMark(mask) if flow is not None:
                effect = "takes the flow's mark"
                skb.mark = (skb.mark & ~mask) ^ (flow.mark & mask)
            case XorMark(mask) if flow is not None:
                skb.mark ^= flow.mark & mask
            case SaveMark(mask) if flow is not None:
                effect = "remembers the mark for the flow"
                flow.mark = (flow.mark & ~mask & ALL_BITS) ^ (skb.mark & mask)
            case SetConnMark(mark) if flow is not None:
                effect = "remembers the lane for the answers" if mark.value else "lets the flow have no answers"
                decides = bool(mark.value)
                flow.mark = _changed(flow.mark, mark)
        after = (skb.mark, flow.mark if flow else 0)
        minor = after == before or not decides
        told = after[1] if isinstance(rule.target, SaveMark | SetConnMark) else skb.mark
        self.trail.add(self.stage, effect, place, entry=entry, mark=told, minor=minor)

    def _translate(self, target: Dnat | Snat | Masquerade, place: InChain) -> Ending:
        skb = self.skb
        flow = skb.flow
        if flow is None:  # connection tracking comes before nat, always
            return Target.ACCEPT
        match target:
            case Dnat(address, port):
                flow.new_to = (address, port or skb.port)
                skb.to, skb.port = flow.new_to
                to = f"{address_text(address)}" + (f" port {skb.port}" if skb.port else "")
                self.trail.add(self.stage, f"DNAT to {to}", place)
                return Target.ACCEPT
            case Snat(address):
                source: bytes | None = address
            case Masquerade():
                source = masquerade_address(self.terrain, link=skb.leaves, nexthop=self.nexthop, to=skb.to)
        if source is None:
            self.trail.add(self.stage, f"drops it: {skb.leaves} has no address", place)
            return Verdict.DROPPED
        self._leave_as(flow, source)
        self.trail.add(self.stage, f"SNAT to {address_text(source)}", place)
        return Target.ACCEPT

    def _leave_as(self, flow: Flow, source: bytes) -> None:
        if source != self.skb.source:
            flow.new_source = self.skb.source = source


def _changed(value: int, mark: FwMark) -> int:
    """Return what `--set-xmark` and `--map-mark` make of a mark: the mask's bits go, the value's are turned over."""
    return (value & ~mark.mask & ALL_BITS) ^ mark.value


def tables(base: str) -> Iterator[XtTable]:
    """Yield the xt_tables of a hook in the order of their priorities; nat, of first packets alone, is left out."""
    if base in {"PREROUTING", "OUTPUT"}:
        yield XtTable.RAW
    yield XtTable.MANGLE
    if base in {"INPUT", "FORWARD", "OUTPUT"}:
        yield XtTable.FILTER
