"""The nouns of a host as plain JSON values, and back: every value is checked, whoever wrote it.

What a class says of its fields is the format: a named tuple, and `HostState`, is an object with a key for each field,
bytes are hexadecimal, a mapping whose keys are no strings is a list of pairs. Where a field can be one of several
classes, the object says which in `is`.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

from laneway.state.chains import BaseJump, Chain, ChainKey, Dnat, JumpKey, Snat
from laneway.state.leftovers import LeftoverKey
from laneway.state.marks import FwMark
from laneway.state.prefix import FAMILIES, Prefix
from laneway.state.routing import FibRule, Route, RouteKey

if TYPE_CHECKING:
    from collections.abc import Callable

    Reader = Callable[[Any, str], Any]

_MOST = 2**32 - 1  # no number of the kernel's that is kept here is larger
_ADDRESS_SIZES = (4, 16)
_LEFTOVERS: dict[str, tuple[Any, Any]] = {
    "priors": (str, str),
    "chains": (ChainKey, Chain),
    "jumps": (JumpKey, BaseJump),
}


class MalformedError(ValueError):
    """A value is not what stands in its place; says where."""


def plain(value: Any) -> Any:  # noqa: ANN401, PLR0911  any noun, one case a kind
    """Return a noun as values that JSON has."""
    match value:
        case StrEnum():
            return str(value)
        case bytes():
            return value.hex()
        case dict():
            if all(type(key) is str for key in value):
                return {key: plain(each) for key, each in value.items()}
            return [[plain(key), plain(value[key])] for key in sorted(value, key=repr)]
        case tuple() if not hasattr(value, "_fields"):
            return [plain(each) for each in value]
        case frozenset():
            return [plain(each) for each in sorted(value)]
        case None | bool() | int() | str():
            return value
        case _:
            tag = {"is": type(value).__name__} if type(value) in _alternatives() else {}
            return tag | {name: plain(getattr(value, name)) for name in _fields(_class_of(value))}


def _class_of(value: Any) -> Any:  # noqa: ANN401  any noun
    return type(value)


def noun(kind: Any, value: Any, where: str = "") -> Any:  # noqa: ANN401  any noun
    """Return the noun of that kind that plain values say; raises MalformedError."""
    return _reader(kind)(value, where)


@lru_cache(maxsize=1)
def _alternatives() -> frozenset[Any]:
    """Return the classes that stand where others could: an object of theirs says which it is."""
    from laneway.state import chains, nft

    rules = (*get_args(chains.Match), *get_args(chains.Target), chains.ChainRule, chains.ForeignRule)
    return frozenset((*rules, *get_args(nft.NftMatch)))


@lru_cache(maxsize=256)
def _fields(kind: Any) -> dict[str, Any]:  # noqa: ANN401  a class
    return get_type_hints(kind)


@lru_cache(maxsize=256)
def _reader(kind: Any) -> Reader:  # noqa: ANN401, C901, PLR0911  a type, one case a form
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return lambda value, _: value
    if kind in (None, types.NoneType):
        return lambda value, where: value if value is None else _wrong(where, "null")
    if kind is bytes:
        return _bytes
    if kind in (str, int, bool):
        return lambda value, where: _primitive(kind, value, where)
    if kind is LeftoverKey:
        return _leftover_key
    if origin is Literal:
        return lambda value, where: value if value in inner else _wrong(where, " or ".join(map(str, inner)))
    if origin in (Union, types.UnionType):
        return lambda value, where: _one_of(inner, value, where)
    if origin is tuple and inner[-1] is not Ellipsis:
        return lambda value, where: _fixed(inner, value, where)
    if origin in (tuple, frozenset):
        return lambda value, where: origin(
            _reader(inner[0])(each, f"{where}[{place}]") for place, each in enumerate(_list(value, where))
        )
    if origin in (dict, Mapping):
        return lambda value, where: _mapping(inner, value, where)
    if issubclass(kind, StrEnum):
        return lambda value, where: _word(kind, value, where)
    return lambda value, where: _object(kind, value, where)


def _wrong(where: str, wanted: str) -> NoReturn:
    raise MalformedError(f"{where or 'the whole'}: {wanted} is expected")


def _primitive(kind: Any, value: Any, where: str) -> Any:  # noqa: ANN401  as plain
    if type(value) is not kind:
        _wrong(where, {str: "a text", int: "a number", bool: "true or false"}[kind])
    if kind is int and not 0 <= value <= _MOST:
        _wrong(where, f"a number from 0 to {_MOST}")
    if kind is str and (not value.isprintable() and not value.replace("\n", "").replace("\t", "").isprintable()):
        _wrong(where, "a text that can be printed")
    return value


def _bytes(value: Any, where: str) -> bytes:  # noqa: ANN401  as plain
    try:
        return bytes.fromhex(value)
    except (TypeError, ValueError):
        _wrong(where, "a hexadecimal text")


def _list(value: Any, where: str) -> list[Any]:  # noqa: ANN401  as plain
    return value if isinstance(value, list) else _wrong(where, "a list")


def _word(kind: Any, value: Any, where: str) -> Any:  # noqa: ANN401  a StrEnum
    if value not in list(kind):
        _wrong(where, " or ".join(kind))
    return kind(value)


def _fixed(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:  # noqa: ANN401  as plain
    if len(_list(value, where)) != len(kinds):
        _wrong(where, f"a list of {len(kinds)}")
    return tuple(
        _reader(kind)(each, f"{where}[{place}]") for place, (kind, each) in enumerate(zip(kinds, value, strict=True))
    )


def _one_of(kinds: tuple[Any, ...], value: Any, where: str) -> Any:  # noqa: ANN401  as plain
    if value is None and types.NoneType in kinds:
        return None
    rest = [kind for kind in kinds if kind is not types.NoneType]
    if len(rest) == 1:
        return _reader(rest[0])(value, where)
    if isinstance(value, str):
        words = [kind for kind in rest if isinstance(kind, type) and issubclass(kind, StrEnum)]
        return _reader(words[0])(value, where) if words else _wrong(where, "an object")
    by_name = {kind.__name__: kind for kind in rest}
    tag = value.get("is") if isinstance(value, dict) else None
    if not isinstance(tag, str) or tag not in by_name:
        _wrong(where, f"an object that is {' or '.join(sorted(by_name))}")
    return _reader(by_name[tag])({key: each for key, each in value.items() if key != "is"}, where)


def _mapping(kinds: tuple[Any, ...], value: Any, where: str) -> dict[Any, Any]:  # noqa: ANN401  as plain
    key_kind, value_kind = kinds
    if isinstance(value, dict):
        pairs = list(value.items())
    else:
        pairs = [_fixed((Any, Any), each, f"{where}[{place}]") for place, each in enumerate(_list(value, where))]
    read = {}
    for key, each in pairs:
        found = _reader(key_kind)(key, f"{where}, a key")
        kind = _LEFTOVERS[found.kind][1] if key_kind is LeftoverKey else value_kind
        read[found] = _reader(kind)(each, f"{where}[{key}]" if isinstance(key, str) else where)
    return read


def _leftover_key(value: Any, where: str) -> LeftoverKey:  # noqa: ANN401  as plain
    parts = {"variant", "kind", "key"}
    if not isinstance(value, dict) or value.keys() != parts or value["kind"] not in list(_LEFTOVERS):
        _wrong(where, "something of the other variant of iptables")
    variant = _reader(Literal["legacy", "nft", "disk"])(value["variant"], f"{where}.variant")
    return LeftoverKey(variant, value["kind"], _reader(_LEFTOVERS[value["kind"]][0])(value["key"], f"{where}.key"))


def _object(kind: Any, value: Any, where: str) -> Any:  # noqa: ANN401  a class
    fields = _fields(kind)
    if not isinstance(value, dict) or value.keys() != fields.keys():
        _wrong(where, f"an object with {', '.join(fields)}" if fields else "an empty object")
    made = kind(**{name: _reader(hint)(value[name], f"{where}.{name}") for name, hint in fields.items()})
    if not _makes_sense(made):
        _wrong(where, f"a {kind.__name__} that can be")
    return made


def _makes_sense(value: Any) -> bool:  # noqa: ANN401  any noun
    match value:
        case Prefix(address, length):
            return len(address) in _ADDRESS_SIZES and length <= len(address) * 8
        case Route(_, _, via):
            return not via or len(via) in _ADDRESS_SIZES
        case RouteKey(more=more) | FibRule(more=more) if len(more.split()) % 2:
            return False
        case Dnat(address) | Snat(address):
            return len(address) in _ADDRESS_SIZES
        case FwMark(number, mask):
            return not number & ~mask
        case _:
            return getattr(value, "family", FAMILIES[0]) in FAMILIES
