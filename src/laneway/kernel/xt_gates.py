"""What rules of others in iptables refuse and forward, from what iptables-save prints."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import TYPE_CHECKING, NamedTuple

from laneway.kernel.save_text import foreign_rules
from laneway.state.chains import XtTable
from laneway.state.facts import ForwardedPort
from laneway.state.gates import UNKNOWN, GateChain, GateRule, GateTable, GateTest
from laneway.state.prefix import of_network

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from laneway.kernel.save_text import SavedTable
    from laneway.state.facts import Variant

_BASES = {each.upper(): each for each in ("prerouting", "input", "forward", "output", "postrouting")}
_VERDICTS = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "drop", "RETURN": "return"}
_UNKNOWN_VERDICTS = frozenset({"NFQUEUE", "QUEUE", "SYNPROXY"})
_REFUSES = re.compile(r"-j (?:DROP|REJECT|NFQUEUE|QUEUE|SYNPROXY|NOTRACK|CT --notrack)\b")
_UNTRACKED = re.compile(r"-j (?:NOTRACK|CT --notrack)\b")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_TRANSLATES = frozenset({"DNAT", "REDIRECT"})
_NAMES = {"-i": "iif", "-o": "oif"}
_ADDRESSES = {"-s": "source", "-d": "to"}
_LISTS = {
    "--ctstate": "state",
    "--state": "state",
    "--dport": "port",
    "--dports": "port",
    "--icmpv6-type": "type",
    "--mark": "mark",
}
_SILENT = frozenset({"comment", "mark", "connmark", "tcp", "udp", "multiport", "conntrack", "state", "icmp6"})
"""Matches that say nothing beyond their options."""

_PROTOCOLS = {"icmpv6": "ipv6-icmp"}


class XtRule(NamedTuple):
    """A rule, as far as it is understood."""

    tests: tuple[GateTest, ...]
    target: str
    goto: bool
    text: str


def xt_gates(family: int, program: str, tables: Mapping[str, SavedTable]) -> Iterator[GateTable]:
    """Yield the tables in which something of others may be refused."""
    for name, table in tables.items():
        if name != "nat" and _may_refuse(table):
            rules: dict[str, list[GateRule]] = {}
            for _, chain, text in foreign_rules({name: table}):
                read = parsed(text)
                verdict = _verdict(read, table)
                if verdict:
                    target = read.target if verdict in ("jump", "goto") else ""
                    rule = GateRule(read.tests, verdict, target, f"{program} -t {name} -A {chain} {text}")
                    rules.setdefault(chain, []).append(rule)
            chains = tuple(_chain(chain, rules, table) for chain in sorted(set(rules) | set(table.policies)))
            yield GateTable(program, name, (family,), tuple(each for each in chains if each.rules or each.drops))


def not_behind_ours(gates: Iterable[GateTable], variant: Variant) -> Iterator[GateTable]:
    """Yield the tables as far as they are met: in the filter table in use laneway decides before what is forwarded."""
    for gate in gates:
        if not (gate.program.endswith(f"-{variant}") and gate.name == XtTable.FILTER):
            yield gate
            continue
        # What the host sends laneway leaves alone: neighbour solicitations to workloads too.
        chains = tuple(each if each.hook == "output" else each._replace(hook="") for each in gate.chains)
        if any(each.hook for each in chains):
            yield gate._replace(chains=chains)


def _may_refuse(table: SavedTable) -> bool:
    if any(policy not in ("ACCEPT", "-") for policy in table.policies.values()):
        return True
    return any(_REFUSES.search(text) for _, _, text in foreign_rules({"": table}))


def _chain(name: str, rules: Mapping[str, Sequence[GateRule]], table: SavedTable) -> GateChain:
    policy = table.policies.get(name, "-")
    return GateChain(name, tuple(rules.get(name, ())), _BASES.get(name, "") if policy != "-" else "", policy == "DROP")


def _verdict(rule: XtRule, table: SavedTable) -> str:
    """Return what a rule decides, or nothing."""
    if rule.target in _VERDICTS:
        return _VERDICTS[rule.target]
    if _UNTRACKED.search(rule.text):  # what is in no flow laneway does not let out
        return "drop"
    if rule.target in _UNKNOWN_VERDICTS:
        return "unknown"
    if rule.target in table.policies:
        return "goto" if rule.goto else "jump"
    return ""


def parsed(text: str) -> XtRule:
    """Return the rule that `text` writes; what is not understood of it is a test that nobody can judge."""
    words = iter(_QUOTED.sub('""', text).split())
    tests: list[GateTest] = []
    target, goto, negated = "", False, False
    for word in words:
        if word == "!":
            negated = True
            continue
        if word in ("-j", "-g"):
            target, goto = next(words, ""), word == "-g"
            break  # what follows are the target's own options
        if word == "-m":
            tests += [] if next(words, "") in _SILENT else [UNKNOWN]
        elif word != '""' and word.startswith("-") and word != "--comment":
            tests.append(_test(word, next(words, "") if word in _WITH_VALUE else "", negated=negated))
        negated = False
    return XtRule(tuple(dict.fromkeys(tests)), target, goto, text)


_WITH_VALUE = frozenset({*_NAMES, *_ADDRESSES, *_LISTS, "-p"})


def _test(option: str, value: str, *, negated: bool) -> GateTest:
    if option in _NAMES:
        pattern = f"{value[:-1]}*" if value.endswith("+") else value
        return GateTest(_NAMES[option], (pattern,), negated=negated)
    if option in _ADDRESSES:
        try:
            return GateTest(
                _ADDRESSES[option], prefixes=(of_network(ip_network(value, strict=False)),), negated=negated
            )
        except ValueError:  # a mask that is no prefix
            return UNKNOWN
    if option == "-p":
        return GateTest("protocol", (_PROTOCOLS.get(value, value),), negated=negated)
    if option in _LISTS:
        return GateTest(_LISTS[option], tuple(value.lower().replace(":", "-").split(",")), negated=negated)
    return UNKNOWN


def xt_forwarded(family: int, program: str, tables: Mapping[str, SavedTable]) -> Iterator[ForwardedPort]:
    """Yield the ports that rules send on, or lead to a chain that does."""
    nat = tables.get("nat")
    if nat is None or not any(each in text for rules in nat.rules.values() for text in rules for each in _TRANSLATES):
        return
    rules = [(chain, parsed(text)) for _, chain, text in foreign_rules({"nat": nat})]
    leading = _leading(rules)
    for chain, rule in rules:
        if rule.target in _TRANSLATES or rule.target in leading:
            where = f"{program} -t nat -A {chain} {rule.text}"
            yield from (ForwardedPort(family, *found, where) for found in _ports(rule))


def _leading(rules: Sequence[tuple[str, XtRule]]) -> set[str]:
    """Return the chains in which a packet may be translated, or that lead to one."""
    jumps: dict[str, set[str]] = {}
    for chain, rule in rules:
        jumps.setdefault(rule.target, set()).add(chain)
    found: set[str] = set()
    waiting = {chain for chain, rule in rules if rule.target in _TRANSLATES}
    while waiting:
        found |= waiting
        waiting = {source for each in waiting for source in jumps.get(each, ())} - found
    return found


def _ports(rule: XtRule) -> Iterator[tuple[str, int, int, bytes]]:
    protocols = [value for each in rule.tests if each.of == "protocol" and not each.negated for value in each.values]
    to = [each for each in rule.tests if each.of == "to" and not each.negated]
    addresses = [each.address for test in to for each in test.prefixes if each.length == len(each.address) * 8]
    for each in rule.tests:
        if each.of == "port" and not each.negated and protocols and protocols[0] in ("tcp", "udp"):
            for value in each.values:
                first, _, last = value.partition("-")
                if first.isdigit() and (last or first).isdigit():
                    found = addresses if to else [b""]
                    yield from ((protocols[0], int(first), int(last or first), address) for address in found)
