"""Which bits of the packet mark a rule of others uses, in the words of iptables and of nft(8)'s JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from laneway.state.marks import FwMark

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ALL_BITS = 0xFFFFFFFF

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_MARK_KEYS = ({"meta": {"key": "mark"}}, {"ct": {"key": "mark"}})

Extension = tuple[str, dict[str, list[str]]]
"""A match or a target: its name, and its options with their values."""


def extensions(rule: str) -> list[Extension]:
    """Return the matches and the target in a rule's text, as iptables-save prints it."""
    found: list[Extension] = []
    words = iter(_QUOTED.sub("", rule).split())
    options: dict[str, list[str]] = {}
    for word in words:
        if word in ("-m", "-j", "-g"):
            options = {}
            found.append((next(words, ""), options))
        elif word.startswith("--"):
            values: list[str] = options.setdefault(word[2:], [])
        elif word != "!" and options:
            values.append(word)
    return found


def extension_marks(name: str, options: Mapping[str, Sequence[str]]) -> Iterator[FwMark]:
    """Yield the mark bits that one match or target of iptables reads or writes."""
    for option in ("mark", "set-mark", "set-xmark", "tproxy-mark"):
        if option in options and name in ("mark", "connmark", "MARK", "CONNMARK", "TPROXY"):
            yield _used(options[option][-1])
    if "save-mark" in options or "restore-mark" in options:
        masks = [int(options[each][-1], 0) for each in ("nfmask", "ctmask", "mask") if each in options]
        yield from (FwMark(0, mask) for mask in dict.fromkeys(masks or [ALL_BITS]))
    if name == "HMARK" or "restore-skmark" in options:
        yield FwMark(0, ALL_BITS)


def _used(text: str) -> FwMark:
    value, _, mask = text.partition("/")
    # --xor-mark writes bits that are in the value alone.
    return FwMark(int(value, 0), (int(mask, 0) if mask else ALL_BITS) | int(value, 0))


def statement_marks(statement: Any) -> Iterator[FwMark]:
    """Yield the mark bits that one statement of an nftables rule reads or writes."""
    match statement:
        case {"match": {"left": left, "right": right}} if _is_mark(left) or _is_masked(left):
            mask = left["&"][1] if _is_masked(left) else ALL_BITS
            yield FwMark(right if isinstance(right, int) else 0, mask)
        case {"mangle": {"key": key, "value": value}} if _is_mark(key):
            constant, kept = _written(value, key)
            yield FwMark(constant, ALL_BITS & ~kept)
        case _ if _mentions(statement):
            yield FwMark(0, ALL_BITS)


def _is_mark(expression: Any) -> bool:
    return expression in _MARK_KEYS


def _is_masked(expression: Any) -> bool:
    match expression:
        case {"&": [inner, int()]}:
            return _is_mark(inner)
        case _:
            return False


def _written(expression: Any, key: Any) -> tuple[int, int]:
    """Return the bits an expression sets, and those of `key` that it leaves as they are."""
    match expression:
        case int():
            return expression, 0
        case {"&": [inner, int(mask)]}:
            constant, kept = _written(inner, key)
            return constant & mask, kept & mask
        case {"|": [inner, int(bits)]} | {"^": [inner, int(bits)]}:
            constant, kept = _written(inner, key)
            return constant | bits, kept & ~bits
        case _:
            return 0, ALL_BITS if expression == key else 0


def _mentions(expression: Any) -> bool:
    if _is_mark(expression):
        return True
    inner = expression.values() if isinstance(expression, dict) else expression if isinstance(expression, list) else ()
    return any(map(_mentions, inner))
