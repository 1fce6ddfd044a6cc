"""Which bits of the packet mark a rule of others reads or writes, in the words of iptables and of nft(8)'s JSON.

What a program behind NFQUEUE, or one in BPF, does with marks stands in no rule, and nobody can tell.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from laneway.state.marks import OTHERS, FwMark

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


class BitsUsed(NamedTuple):
    """What one match, target or statement does with marks."""

    mark: FwMark
    writes: bool = False
    masked: str = ""  # how it would be written to change no more bits than it means to, where that can be said


def extension_marks(name: str, options: Mapping[str, Sequence[str]]) -> Iterator[BitsUsed]:
    """Yield the mark bits that one match or target of iptables reads or writes."""
    match name:
        case "mark" | "connmark" if "mark" in options:
            yield BitsUsed(_used(options["mark"][-1]))
        case "MARK" | "CONNMARK":
            yield from _target_marks(options)
        case "TPROXY" if "tproxy-mark" in options:
            yield _written_by("tproxy-mark", options["tproxy-mark"][-1])
        case "HMARK":
            yield BitsUsed(FwMark(0, ALL_BITS), writes=True)
        case "SET" if "map-mark" in options:  # with the mask that an entry of the set has
            yield BitsUsed(FwMark(0, ALL_BITS), writes=True)
        case "socket" if "restore-skmark" in options:
            yield BitsUsed(FwMark(0, ALL_BITS), writes=True)
        case _:
            return


def _target_marks(options: Mapping[str, Sequence[str]]) -> Iterator[BitsUsed]:
    for option in ("set-mark", "set-xmark"):
        if option in options:
            yield _written_by(option, options[option][-1])
    for option in ("save-mark", "restore-mark"):
        if option in options:
            masks = [int(options[each][-1], 0) for each in ("nfmask", "ctmask", "mask") if each in options]
            everything = not masks or ALL_BITS in masks
            masked = f"--{option} --nfmask {OTHERS} --ctmask {OTHERS}" if everything else ""
            for mask in dict.fromkeys(masks or [ALL_BITS]):
                yield BitsUsed(FwMark(0, mask), writes=True, masked=masked)


def _written_by(option: str, text: str) -> BitsUsed:
    mark = _used(text)
    whole = mark.mask == ALL_BITS and mark.value
    return BitsUsed(mark, writes=True, masked=f"--{option} {mark.value:#x}/{mark.value:#x}" if whole else "")


def _used(text: str) -> FwMark:
    value, _, mask = text.partition("/")
    # --xor-mark writes bits that are in the value alone.
    return FwMark(int(value, 0), (int(mask, 0) if mask else ALL_BITS) | int(value, 0))


def statement_marks(statement: Any) -> Iterator[BitsUsed]:
    """Yield the mark bits that one statement of an nftables rule reads or writes."""
    match statement:
        case {"match": {"left": left, "right": {"prefix": {"addr": int(value), "len": int(length)}}}} if _is_mark(left):
            # How nft(8) before 1.1 prints a mask of the highest bits.
            yield BitsUsed(FwMark(value, ALL_BITS << (32 - length) & ALL_BITS))
        case {"match": {"left": left, "right": right}} if _is_mark(left) or _is_masked(left):
            mask = left["&"][1] if _is_masked(left) else ALL_BITS
            yield BitsUsed(FwMark(right if isinstance(right, int) else 0, mask))
        case {"mangle": {"key": key, "value": value}} if _is_mark(key):
            constant, kept = _written(value, key)
            bits = ALL_BITS & ~kept
            yield BitsUsed(FwMark(constant & bits, bits), writes=True, masked=_masked_form(key, value))
        case _ if _mentions(statement):
            yield BitsUsed(FwMark(0, ALL_BITS))


def _masked_form(key: Any, value: Any) -> str:
    """Return how a statement that writes all bits would write its own alone."""
    name = "meta mark" if "meta" in key else "ct mark"
    match value:
        case int() if value:
            return f"{name} set {name} & {ALL_BITS & ~value:#x} | {value:#x}"
        case {"meta": {"key": "mark"}} | {"ct": {"key": "mark"}} if value != key:
            verb = "restore" if "meta" in key else "save"
            return f"-j CONNMARK --{verb}-mark --nfmask {OTHERS} --ctmask {OTHERS} of iptables: nft(8) cannot mask that"
        case _:
            return ""


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
