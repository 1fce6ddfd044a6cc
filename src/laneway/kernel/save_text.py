"""What iptables-save prints, taken apart, and what of it is ours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from laneway.kernel.ports import ChainsRead
from laneway.state.chain_text import MADE_CHAIN, PRIOR_CHAIN, PRIOR_COMMENT, PRIOR_TABLE, parse_rule
from laneway.state.chains import BaseJump, ChainKey, ChainRule, Jump, JumpKey, XtTable
from laneway.state.prefix import IPV4

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from laneway.state.chains import Chain

PREFIX = "LANEWAY-"
"""What the names of our chains begin with."""

USER_CHAIN = "LANEWAY-USER"
"""The operator's own chain among ours: made once, never emptied."""

_JUMP_TO_OURS = re.compile(r"(?:^| )-[jg] (LANEWAY-\S+)$")
_NO_POLICY = "-"


class SavedTable(NamedTuple):
    """One xt_table: what its chains are and hold."""

    policies: dict[str, str]  # of base chains "ACCEPT" or "DROP", of others "-"
    rules: dict[str, list[str]]  # by chain, each without "-A CHAIN"

    def of_ours(self) -> set[str]:
        """Return the names of our chains."""
        return {chain for chain in self.policies if chain.startswith(PREFIX)}

    def is_untouched(self) -> bool:
        """Return whether there is nothing in it but base chains as they are made, and our sign."""
        bases = (policy for chain, policy in self.policies.items() if chain != MADE_CHAIN)
        return not any(self.rules.values()) and all(policy == "ACCEPT" for policy in bases)

    def is_base(self, chain: str) -> bool:
        """Return whether the kernel itself sends packets to `chain`."""
        return self.policies.get(chain, _NO_POLICY) != _NO_POLICY


def saved_tables(text: str) -> dict[str, SavedTable]:
    """Return the xt_tables that `text`, the output of iptables-save, shows."""
    tables: dict[str, SavedTable] = {}
    policies: dict[str, str] = {}
    rules: dict[str, list[str]] = {}
    for line in text.split("\n"):
        if line.startswith("-A "):
            _, chain, *rule = line.split(" ", 2)
            rules.setdefault(chain, []).append(rule[0] if rule else "")
        elif line.startswith("*"):
            policies, rules = {}, {}
            tables[line[1:]] = SavedTable(policies, rules)
        elif line.startswith(":"):
            chain, policy, *_ = line[1:].split(" ")
            policies[chain] = policy
    return tables


def saved_counters(text: str, family: int) -> dict[ChainKey, tuple[tuple[int, int], ...]]:
    """Return packets and bytes of each rule of our chains in `text`, the output of iptables-save -c."""
    found: dict[ChainKey, list[tuple[int, int]]] = {}
    table = ""
    for line in text.split("\n"):
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(f":{PREFIX}") and table in set(XtTable):
            found[ChainKey(family, XtTable(table), line[1:].split(" ")[0])] = []
        elif line.startswith("["):
            counters, _, chain, *_ = line.split(" ", 3)
            if chain.startswith(PREFIX) and table in set(XtTable):
                packets, octets = counters[1:-1].split(":")
                found[ChainKey(family, XtTable(table), chain)].append((int(packets), int(octets)))
    return {key: tuple(rules) for key, rules in found.items() if key.name != MADE_CHAIN}


def jump_target(rule: str) -> str:
    """Return the chain of ours that a rule's text leads to, or nothing."""
    found = _JUMP_TO_OURS.search(rule) if PREFIX in rule else None
    return found[1] if found else ""


def ours(saved: Mapping[int, Mapping[str, SavedTable]]) -> ChainsRead:
    """Return what of `saved`, by family, is laneway's."""
    chains: dict[ChainKey, Chain] = {}
    jumps: dict[JumpKey, BaseJump] = {}
    for family in sorted(saved):
        for table in XtTable:
            if table in saved[family]:
                chains.update(_chains(family, table, saved[family][table]))
                jumps.update(_jumps(family, table, saved[family][table]))
    # Without a prior in it, it is a chain like any other that nobody wants.
    holds_priors = chains.get(ChainKey(IPV4, PRIOR_TABLE, PRIOR_CHAIN))
    if holds_priors:
        del chains[ChainKey(IPV4, PRIOR_TABLE, PRIOR_CHAIN)]
    return ChainsRead(chains, jumps, _priors(holds_priors or ()))


def _chains(family: int, table: XtTable, saved: SavedTable) -> Iterator[tuple[ChainKey, Chain]]:
    names = saved.of_ours()
    for name in saved.policies:
        # The sign that laneway made the table is of no concern while there is a reason for the table.
        if name in names and (name != MADE_CHAIN or len(names) == 1):
            rules = tuple(parse_rule(rule, family=family) for rule in saved.rules.get(name, ()))
            yield ChainKey(family, table, name), rules


def _jumps(family: int, table: XtTable, saved: SavedTable) -> dict[JumpKey, BaseJump]:
    jumps: dict[JumpKey, BaseJump] = {}
    for base in sorted(saved.policies):
        if not saved.is_base(base):
            continue
        first = True
        for text in saved.rules.get(base, ()):
            target = jump_target(text)
            if not target:
                first = False
                continue
            key = JumpKey(family, table, base, target)
            jump = _jump(text, family, first=first)
            # One more like it is one too many: written anew, both go.
            jumps[key] = jumps[key]._replace(first=False) if key in jumps else jump
    return jumps


def _jump(text: str, family: int, *, first: bool) -> BaseJump:
    """Return the jump that `text` is; one that laneway would not write stands where it must not."""
    match parse_rule(text, family=family):
        case ChainRule(matches, Jump(_, False), _):
            return BaseJump(matches, first)
        case _:
            return BaseJump((), first=False)


def _priors(chain: Chain) -> dict[str, str]:
    comments = (rule.comment for rule in chain if isinstance(rule, ChainRule))
    pairs = (comment.removeprefix(PRIOR_COMMENT).partition("=") for comment in comments)
    return {key: value for key, _, value in pairs}


def foreign_rules(saved: Mapping[str, SavedTable]) -> Iterable[tuple[str, str, str]]:
    """Yield table, chain and text of each rule that is not in a chain of ours, and no jump to one."""
    for table, content in saved.items():
        for chain, rules in content.rules.items():
            if not chain.startswith(PREFIX):
                yield from ((table, chain, rule) for rule in rules if not jump_target(rule))
