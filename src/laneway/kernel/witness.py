"""A second opinion on legacy chains: what python-iptables sees in the kernel against what the rules should be."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.kernel.iptables_variant import PROGRAMS
from laneway.state.chains import (
    ChainRule,
    Dnat,
    FromPrefix,
    InInterface,
    Jump,
    MapMark,
    Masquerade,
    NoTarget,
    OutInterface,
    Protocol,
    Reject,
    RestoreMark,
    SaveMark,
    SetConnMark,
    SetMark,
    Snat,
    ToPrefix,
    Verdict,
    XorMark,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from laneway.kernel.iptc_child import RuleShape
    from laneway.state.chains import Chain, ChainKey, ForeignRule, Target

_IN_HEADER = (FromPrefix, ToPrefix, InInterface, OutInterface, Protocol)
"""Conditions that are no match extension, but part of every rule."""

_EXTENSIONS: dict[type, str] = {
    Reject: "REJECT",
    SetMark: "MARK",
    SetConnMark: "CONNMARK",
    RestoreMark: "CONNMARK",
    SaveMark: "CONNMARK",
    XorMark: "CONNMARK",
    MapMark: "SET",
    Dnat: "DNAT",
    Snat: "SNAT",
    Masquerade: "MASQUERADE",
}


class _Shape(NamedTuple):
    """As much of a rule as the kernel's entry says without decoding its extensions."""

    target: str
    matches: int
    comment: str


def disagreements(
    chains: Mapping[ChainKey, Chain], witnessed: Mapping[ChainKey, tuple[RuleShape, ...]]
) -> Iterator[str]:
    """Yield a sentence for each chain that python-iptables sees otherwise; rules of others' are not judged."""
    for key in sorted(chains):
        where = f"chain {key.name} of {PROGRAMS[key.family]}-legacy {key.table}"
        seen = witnessed.get(key)
        if seen is None:
            yield f"{where} is not there"
        elif len(seen) != len(chains[key]):
            yield f"{where} has {len(seen)} rules, not {len(chains[key])}"
        else:
            differing = (n for n, pair in enumerate(zip(chains[key], seen, strict=True), 1) if not _alike(*pair))
            if number := next(differing, 0):
                yield f"{where} has another rule {number}: {seen[number - 1].comment or 'without a comment'}"


def _alike(rule: ChainRule | ForeignRule, seen: RuleShape) -> bool:
    return not isinstance(rule, ChainRule) or _shape(rule) == _Shape(seen.target, seen.matches, seen.comment)


def _shape(rule: ChainRule) -> _Shape:
    extensions = sum(not isinstance(match, _IN_HEADER) for match in rule.matches)
    return _Shape(_target_name(rule.target), extensions, rule.comment)


def _target_name(target: Target) -> str:
    match target:
        case Verdict():
            return target.value
        case Jump(chain, _):
            return chain
        case NoTarget():
            return ""
        case _:
            return _EXTENSIONS[type(target)]
