"""A packet's way through laneway's native table of nftables, as nf_tables_core.c takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.explain.hop import InTable, Trail, Verdict
from laneway.state.nft import AnyBit, Compare, Field, Member, Named
from laneway.state.nft_text import CT_STATES, CT_STATUSES, LOCAL, element_of
from laneway.state.prefix import IPV4

if TYPE_CHECKING:
    from collections.abc import Sequence

    from laneway.explain.packet import Skb
    from laneway.explain.terrain import Terrain
    from laneway.state.nft import NftChain, NftMatch

_ADDRESSES = {Field.SOURCE4: "source", Field.SOURCE6: "source", Field.TO4: "to", Field.TO6: "to"}
_NUMBERS = {4: 2, 6: 10}  # linux/netfilter.h


class NativeHook(NamedTuple):
    """The table at one of netfilter's hooks, with the packet that passes it."""

    terrain: Terrain
    skb: Skb
    trail: Trail
    hook: str

    def passes(self) -> Verdict | None:
        """Walk the packet through the chains of the hook; None: it goes on."""
        for table in self.terrain.state.nft_tables.values():
            chains = {each.name: each for each in table.chains}
            for chain in table.chains:
                if chain.hook == self.hook and not table.flags & 1 and self._drops(chain, chains):
                    return Verdict.DROPPED
        return None

    def _drops(self, base: NftChain, chains: dict[str, NftChain]) -> bool:
        chain = base
        while True:
            verdict = self._decided(chain)
            name, _, to = verdict.partition(" ")
            if name != "goto":
                return (verdict or base.base_policy) == "drop"
            chain = chains[to]

    def _decided(self, chain: NftChain) -> str:
        """Return the verdict of the first rule that the packet meets, empty where there is none."""
        for number, rule in enumerate(chain.rules, 1):
            if all(self._holds(match) for match in rule.matches):
                if rule.verdict == "drop":
                    self.trail.add(f"nftables {self.hook}", "drops it", InTable(chain.name, number, rule))
                return rule.verdict
        return ""

    def _holds(self, match: NftMatch) -> bool:
        match match:
            case Compare(field, value, mask, negated):
                found = self._number(field)
                return found is not None and (found & (mask or ~0) == value) != negated
            case AnyBit(field, bits):
                return bool((self._number(field) or 0) & bits)
            case Named(field, name):
                return self._link(field) == name
            case Member(fields, name):
                return self._is_in(fields, name)
            case _:
                return False

    def _is_in(self, fields: Sequence[Field], name: str) -> bool:
        values = [self._value(field) for field in fields]
        return None not in values and element_of(name, values) in self.terrain.state.nft_elements  # type: ignore[arg-type]

    def _value(self, field: Field) -> str | int | bytes | None:
        if field in (Field.IIFNAME, Field.OIFNAME):
            return self._link(field)
        if field in _ADDRESSES:
            right = (field in (Field.SOURCE4, Field.TO4)) == (self.skb.family == IPV4)
            return bytes(getattr(self.skb, _ADDRESSES[field])) if right else None
        return self._number(field)

    def _link(self, field: Field) -> str:
        """Return the name of a link; frames between two ports of a bridge came by none (br_nf_post_routing)."""
        if field in (Field.OIFNAME, Field.OIFGROUP):
            return self.skb.leaves if self.hook == "postrouting" else ""
        return "" if self.skb.bridged else self.skb.arrives

    def _number(self, field: Field) -> int | None:  # noqa: C901, PLR0911  one case a field
        skb = self.skb
        match field:
            case Field.IIF:
                return int(bool(self._link(field)))
            case Field.IIFGROUP | Field.OIFGROUP:
                link = self._link(field)
                return self.terrain.group(link) if link else None
            case Field.MARK:
                return skb.mark
            case Field.FAMILY:
                return _NUMBERS[skb.family]
            case Field.PROTOCOL:
                return skb.protocol
            case Field.CT_STATE:
                return sum(bit for bit, name in CT_STATES.items() if name.upper() in skb.states)
            case Field.CT_STATUS:
                return sum(bit for bit, name in CT_STATUSES.items() if name.upper() in skb.states)
            case Field.ICMP_TYPE | Field.ICMP6_TYPE:
                return skb.icmp_type
            case Field.PORT:
                return skb.port
            case Field.TO_ON_ARRIVAL_LINK:
                return LOCAL if self.terrain.is_local(skb.to, skb.arrives) else 0
            case _:
                return None
