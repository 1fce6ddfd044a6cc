"""What native tables of nftables refuse and forward, from their JSON (libnftables-json(5))."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from laneway.kernel.nft_tests import both, ports_of, tests_of
from laneway.state.facts import ForwardedPort
from laneway.state.gates import UNKNOWN, GateChain, GateRule, GateTable
from laneway.state.prefix import FAMILIES, IPV4, IPV6

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from laneway.kernel.native_nft import NativeTable
    from laneway.state.gates import GateTest

_FAMILIES = {"ip": (IPV4,), "ip6": (IPV6,), "inet": FAMILIES, "bridge": FAMILIES, "netdev": FAMILIES}
_VERDICTS = {"accept": "accept", "drop": "drop", "reject": "drop", "return": "return"}
_JUMPS = ("jump", "goto")
_TRANSLATES = frozenset({"dnat", "redirect"})
_ENDS = frozenset({*_TRANSLATES, "snat", "masquerade"})
_DNAT = -100
"""The priority at which iptables translates destinations (NF_IP_PRI_NAT_DST): of two, the first that does decides."""

_NOTHING = frozenset({"counter", "log", "comment", "mangle", "set", "map", "ct helper", "ct timeout", "flow"})
"""Statements that decide nothing about a packet."""


def nft_gates(tables: Sequence[NativeTable]) -> Iterator[GateTable]:
    """Yield the tables that may refuse a packet."""
    for table in tables:
        chains = tuple(_chain(table, each) for each in table.chains)
        refuses = any(each.drops or any(rule.verdict in ("drop", "unknown") for rule in each.rules) for each in chains)
        if refuses and table.family in _FAMILIES:
            yield GateTable("nft", table.name, _FAMILIES[table.family], chains)


def _chain(table: NativeTable, chain: dict[str, Any]) -> GateChain:
    name = str(chain.get("name", ""))
    theirs = [rule for rule in table.rules if rule.get("chain") == name]
    rules = tuple(gate for rule in theirs for gate in _rules(rule, _text(table, rule)))
    device = chain.get("dev", ())
    devices = (device,) if isinstance(device, str) else tuple(map(str, device))
    return GateChain(name, rules, str(chain.get("hook", "")), chain.get("policy") == "drop", devices)


def _text(table: NativeTable, rule: dict[str, Any]) -> str:
    return f"nft {table.name} {rule.get('chain')}: handle {rule.get('handle')}"


def _rules(rule: dict[str, Any], text: str) -> Iterator[GateRule]:
    """Yield what a rule decides, in as many rules as it has outcomes."""
    tests: tuple[GateTest, ...] = ()
    for statement in rule.get("expr", ()):
        name, value = _named(statement)
        if name == "match":
            tests = both(tests, tests_of(value))
        elif name in _VERDICTS:
            yield GateRule(tests, _VERDICTS[name], "", text)
            return
        elif name in _JUMPS:
            yield GateRule(tests, name, str(value.get("target", "")), text)
            return
        elif name == "vmap":
            yield from _outcomes(value, tests, text)
        elif name in _ENDS:
            yield GateRule(tests, "accept", "", text)
            return
        elif name == "notrack":  # what is in no flow laneway does not let out
            yield GateRule(tests, "drop", "", text)
            return
        elif name in ("queue", "fwd", "synproxy", "xt"):
            yield GateRule(both(tests, (UNKNOWN,)), "unknown", "", text)
            return
        elif name not in _NOTHING:  # a limit, a quota, a count of connections
            tests = both(tests, (UNKNOWN,))


def _named(statement: Any) -> tuple[str, Any]:
    """Return the name of a statement or verdict, and what it has besides."""
    name, value = next(iter(statement.items()), ("", None)) if isinstance(statement, dict) else (str(statement), None)
    return name, value if isinstance(value, dict) else {}


def _outcomes(value: Any, tests: tuple[GateTest, ...], text: str) -> Iterator[GateRule]:
    data = value.get("data")
    pairs = data.get("set", ()) if isinstance(data, dict) else None
    if pairs is None:  # a named map, of which only its owner knows what it holds now
        yield GateRule(both(tests, (UNKNOWN,)), "unknown", "", text)
        return
    for key, verdict in pairs:
        name, to = _named(verdict)
        found = both(tests, tests_of({"op": "==", "left": value.get("key"), "right": key}))
        if name in _VERDICTS:
            yield GateRule(found, _VERDICTS[name], "", text)
        elif name in _JUMPS:
            yield GateRule(found, name, str(to.get("target", "")), text)


def nft_forwarded(tables: Sequence[NativeTable]) -> Iterator[ForwardedPort]:
    """Yield the ports that rules send on, or lead to a chain that does."""
    for table in tables:
        leading, early = _leading(table), any(_is_before_dnat(each) for each in table.chains)
        for rule in table.rules:
            statements = rule.get("expr", ())
            if _translates(statements) or _targets(statements) & leading:
                matches = [each["match"] for each in statements if isinstance(each, dict) and "match" in each]
                families = _FAMILIES.get(table.family, FAMILIES)
                only = families[0] if len(families) == 1 else 0
                for family, protocol, first, last, address in ports_of(matches):
                    yield ForwardedPort(
                        family or only, protocol, first, last, address, _text(table, rule), before_ours=early
                    )


def _is_before_dnat(chain: dict[str, Any]) -> bool:
    priority = chain.get("prio")
    first = isinstance(priority, int) and priority < _DNAT
    return first and (chain.get("type"), chain.get("hook")) == ("nat", "prerouting")


def _leading(table: NativeTable) -> set[str]:
    """Return the chains in which a packet may be translated, or that lead to one."""
    jumps: dict[str, set[str]] = {}
    for rule in table.rules:
        for target in _targets(rule.get("expr", ())):
            jumps.setdefault(target, set()).add(str(rule.get("chain")))
    found: set[str] = set()
    waiting = {str(rule.get("chain")) for rule in table.rules if _translates(rule.get("expr", ()))}
    while waiting:
        found |= waiting
        waiting = {source for each in waiting for source in jumps.get(each, ())} - found
    return found


def _translates(statements: Sequence[Any]) -> bool:
    return any(isinstance(each, dict) and _TRANSLATES & each.keys() for each in statements)


def _targets(statements: Sequence[Any]) -> set[str]:
    return {
        str(each[verb].get("target", ""))
        for each in statements
        if isinstance(each, dict)
        for verb in _JUMPS
        if isinstance(each.get(verb), dict)
    }
