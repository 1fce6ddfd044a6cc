"""laneway's native table of nftables, from what `nft -j list table` prints (libnftables-json(5)).

nft(8) leaves out of its output what a rule asks so that another question makes sense: that a packet is of IPv4 before
its address is read. It is put back here; and before 1.1 it prints a mask of the highest bits as a prefix.
"""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

from laneway.state.nft import SETS, TABLE, AnyBit, Compare, Field, Member, Named, NftChain, NftRule, NftTable, Unread
from laneway.state.nft_text import CT_STATES, CT_STATUSES, FAMILIES, LOCAL, PROTOCOLS, element_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.state.nft import Column, NftElement, NftMatch

_FIELDS = {str(field): field for field in Field}
_ICMP_TYPES = {
    "echo-request": {Field.ICMP_TYPE: 8, Field.ICMP6_TYPE: 128},
    "nd-router-solicit": {Field.ICMP6_TYPE: 133},
    "nd-neighbor-solicit": {Field.ICMP6_TYPE: 135},
    "nd-neighbor-advert": {Field.ICMP6_TYPE: 136},
}
_WORDS = {
    Field.FAMILY: {name: number for number, name in FAMILIES.items()},
    Field.PROTOCOL: {name: number for number, name in PROTOCOLS.items()} | {"icmpv6": socket.IPPROTO_ICMPV6},
    Field.TO_ON_ARRIVAL_LINK: {"local": LOCAL},
    Field.ICMP_TYPE: {name: known[Field.ICMP_TYPE] for name, known in _ICMP_TYPES.items() if Field.ICMP_TYPE in known},
    Field.ICMP6_TYPE: {name: known[Field.ICMP6_TYPE] for name, known in _ICMP_TYPES.items()},
}
_BITS = {
    Field.CT_STATE: {name: bit for bit, name in CT_STATES.items()},
    Field.CT_STATUS: {name: bit for bit, name in CT_STATUSES.items()},
}
_IMPLIED = {
    Field.SOURCE4: (Compare(Field.FAMILY, 2),),
    Field.TO4: (Compare(Field.FAMILY, 2),),
    Field.SOURCE6: (Compare(Field.FAMILY, 10),),
    Field.TO6: (Compare(Field.FAMILY, 10),),
    Field.ICMP_TYPE: (Compare(Field.FAMILY, 2), Compare(Field.PROTOCOL, socket.IPPROTO_ICMP)),
    Field.ICMP6_TYPE: (Compare(Field.FAMILY, 10), Compare(Field.PROTOCOL, socket.IPPROTO_ICMPV6)),
}


def parse(output: str) -> tuple[dict[str, NftTable], dict[NftElement, None]]:
    """Return the table and what is in its sets."""
    told = json.loads(output)["nftables"]
    sets: dict[str, tuple[Column, ...]] = {}
    elements: dict[NftElement, None] = {}
    for each in (one["set"] for one in told if "set" in one):
        sets[each["name"]] = _columns(each)
        if each["name"] in SETS:
            elements.update(dict.fromkeys(_elements(each)))
    rules: dict[str, list[NftRule]] = {}
    for each in (one["rule"] for one in told if "rule" in one):
        rules.setdefault(each["chain"], []).append(_rule(each["expr"]))
    chains = [_chain(one["chain"], tuple(rules.get(one["chain"]["name"], ()))) for one in told if "chain" in one]
    dormant = any("dormant" in one["table"].get("flags", ()) for one in told if "table" in one)
    table = NftTable(tuple(sorted(chains)), tuple(sorted(sets.items())), int(dormant))
    return {TABLE: table}, elements


def _chain(said: dict[str, Any], rules: tuple[NftRule, ...]) -> NftChain:
    return NftChain(said["name"], rules, said.get("hook", ""), said.get("prio", 0), said.get("policy", ""))


def _columns(said: dict[str, Any]) -> tuple[Column, ...]:
    """Return what the key of a set is made of; nothing for one that is not as laneway makes its sets."""
    columns = SETS.get(said["name"], ())
    kind = said["type"] if isinstance(said["type"], list) else [said["type"]]
    return columns if kind == list(columns) and not {"flags", "map", "timeout", "size"} & said.keys() else ()


def _elements(said: dict[str, Any]) -> Iterator[NftElement]:
    for each in said.get("elem", ()) if _columns(said) else ():
        key = each.get("elem", {}).get("val", each) if isinstance(each, dict) else each
        values = key["concat"] if isinstance(key, dict) else [key]
        yield element_of(said["name"], [_key_part(value) for value in values])


def _key_part(value: Any) -> str | int | bytes:  # noqa: ANN401  as JSON has it
    if value in _WORDS[Field.PROTOCOL]:
        return _WORDS[Field.PROTOCOL][value]
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_pton(family, value)
        except (OSError, TypeError):
            continue
    return int(value) if isinstance(value, int) else str(value)


def _rule(said: list[Any]) -> NftRule:
    matches: list[NftMatch] = []
    verdict = ""
    for statement in said:
        (name, value), *_ = statement.items()
        if name == "match" and not verdict:
            match = _match(value)
            fields = match.fields if isinstance(match, Member) else () if isinstance(match, Unread) else (match.field,)
            asked = [each for field in fields for each in _IMPLIED.get(field, ())]
            matches += [each for each in dict.fromkeys(asked) if each not in matches]
            matches.append(match)
        elif name in ("accept", "drop"):
            verdict = name
        elif name == "goto":
            verdict = f"goto {value['target']}"
        else:
            matches.append(Unread(name, b""))
    return NftRule(tuple(matches), verdict)


def _match(said: dict[str, Any]) -> NftMatch:  # noqa: PLR0911  one case a form
    left, right, operator = said["left"], said["right"], said["op"]
    fields = tuple(map(_field, left.get("concat", [left])))
    known = [field for field in fields if field is not None]
    if len(known) != len(fields):
        if "&" in left and (field := _field(left["&"][0])) is not None:
            return Compare(field, _number(field, right), int(left["&"][1]), operator == "!=")
        return Unread(json.dumps(said), b"")
    if isinstance(right, str) and right.startswith("@"):
        return Member(tuple(known), right[1:])
    field = known[0]
    if field in _BITS and operator in ("in", "=="):
        return AnyBit(field, sum(_BITS[field].get(each, 0) for each in ([right] if isinstance(right, str) else right)))
    if field in (Field.IIFNAME, Field.OIFNAME) and operator == "==":
        return Named(field, str(right))
    if isinstance(right, dict) and "prefix" in right:
        mask = 0xFFFFFFFF << (32 - right["prefix"]["len"]) & 0xFFFFFFFF
        return Compare(field, int(right["prefix"]["addr"]), mask, operator == "!=")
    return Compare(field, _number(field, right), 0, operator == "!=")


def _number(field: Field, value: Any) -> int:  # noqa: ANN401  as JSON has it
    known = _WORDS.get(field, {})
    return known[value] if value in known else int(value)


def _field(said: dict[str, Any]) -> Field | None:
    match said:
        case {"meta": {"key": str(key)}}:
            return _FIELDS.get(key) or _FIELDS.get(f"meta {key}")
        case {"ct": {"key": str(key)}}:
            return _FIELDS.get(f"ct {key}")
        case {"payload": {"protocol": str(protocol), "field": str(name)}}:
            return _FIELDS.get(f"{protocol} {name}")
        case {"fib": {"result": str(result), "flags": flags}}:
            return _FIELDS.get(f"fib {' . '.join(flags)} {result}")
        case _:
            return None
