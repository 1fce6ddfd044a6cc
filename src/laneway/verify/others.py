"""What of others' on a host far away keeps tenants' packets: ip rules and chains, from what plain commands say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from laneway.errors import HostRefused
from laneway.kernel.native_nft import taken_apart
from laneway.kernel.nft_gates import nft_gates
from laneway.kernel.save_text import saved_tables
from laneway.kernel.xt_gates import not_behind_ours, xt_gates
from laneway.state.facts import Foreign, ForeignFibRule
from laneway.state.prefix import FAMILIES, IPV4
from laneway.state.routing import PROTOCOL
from laneway.verify import answers
from laneway.verify.answers import taken

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from laneway.state.facts import Variant
    from laneway.state.gates import GateTable
    from laneway.verify.commands import Said

    Said_ = Mapping[str, Said]

_TABLES = {"255": "local", "254": "main", "253": "default"}
_ACTIONS = {"6": "blackhole", "7": "unreachable", "8": "prohibit"}  # linux/fib_rules.h
_WORDS = ("iif", "oif", "tos", "ipproto", "sport", "dport")
_OUR_PROTOCOLS = frozenset({str(PROTOCOL), "laneway"})
_NFT = "nft"

NOT_LOOKED_AT = (
    "what else the doctor looks at there, programs and their files, uplinks and sysctls: run it on that host"
)


def foreign(said: Said_, variant: Variant) -> Foreign:
    """Return what was told of others'; raises HostRefused for an answer that is none."""
    rules = [each for family in FAMILIES for each in _rules(said, family)]
    defaults = {each for family in FAMILIES for each in _defaults(said, family)}
    native, unseen = _native(said)
    gates = (*_of_iptables(said, variant), *native)
    return Foreign(
        fib_rules=tuple(sorted(rules)),
        defaults=frozenset(defaults),
        gates=tuple(sorted(gates)),
        unseen=(*unseen, NOT_LOOKED_AT),
    )


def _rules(said: Said_, family: int) -> list[ForeignFibRule]:
    read_as = answers.rules4 if family == IPV4 else answers.rules
    return taken(
        said,
        f"rule{family}",
        lambda text: [
            ForeignFibRule(family, int(each["priority"]), f"{each['priority']}: {' '.join(_rule_words(each))}")
            for each in read_as(text)
            if str(each.get("protocol", "")) not in _OUR_PROTOCOLS
        ],
    )


def _rule_words(rule: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a rule says, in the manner of `ip rule show`."""
    if "not" in rule:
        yield "not"
    for word, key in (("from", "src"), ("to", "dst")):
        if key in rule and (key == "src" or rule[key] != "all"):
            yield f"{word} {rule[key]}{_length(rule, key)}"
    if "fwmark" in rule:
        yield f"fwmark {rule['fwmark']}/{rule.get('fwmask', '0xffffffff')}"
    yield from (f"{word} {rule[word]}" for word in _WORDS if word in rule)
    if "uid_start" in rule:
        yield f"uidrange {rule['uid_start']}-{rule['uid_end']}"
    if "l3mdev" in rule:
        yield "l3mdev"
    yield _action(rule)
    if "suppress_prefixlen" in rule:
        yield f"suppress_prefixlength {rule['suppress_prefixlen']}"


def _action(rule: Mapping[str, Any]) -> str:
    if "goto" in rule:
        return f"goto {rule['goto']}"
    if "table" in rule:
        return f"lookup {_TABLES.get(str(rule['table']), rule['table'])}"
    return _ACTIONS.get(str(rule.get("action")), "nop")


def _length(rule: Mapping[str, Any], key: str) -> str:
    if rule[key] == "all":
        return ""
    return f"/{rule.get(f'{key}len', 128 if ':' in str(rule[key]) else 32)}"


def _defaults(said: Said_, family: int) -> list[tuple[int, int]]:
    name = f"default{family}"
    if name not in said:
        return []
    found = taken(said, name, lambda text: [str(each.get("table", "254")) for each in answers.objects(text, "dst")])
    return [(family, int(each)) for each in found if each.isdigit()]


def _of_iptables(said: Said_, variant: Variant) -> Iterator[GateTable]:
    for family in FAMILIES:
        for each in ("nft", "legacy"):
            name = f"save {each} {family}"
            if name in said and not said[name].code:
                program = f"{'iptables' if family == IPV4 else 'ip6tables'}-{each}"
                yield from not_behind_ours(xt_gates(family, program, saved_tables(said[name].text)), variant)


def _native(said: Said_) -> tuple[tuple[GateTable, ...], tuple[str, ...]]:
    if _NFT not in said:
        return (), ("native tables of nftables: that host has no program nft",)
    try:
        tables = taken_apart(taken(said, _NFT, str))
    except HostRefused as error:
        return (), (f"native tables of nftables: {error}",)
    return tuple(nft_gates(tables)), ()
