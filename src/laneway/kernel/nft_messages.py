"""A native table of nftables as netlink messages, both ways (linux/netfilter/nf_tables.h, nf_tables_api.c).

The rules are put as nft(8) puts them, so that it makes no difference who wrote them, and who reads them. Each match
loads what it asks into the registers from the first on.
"""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

from laneway.kernel.netlink import attribute, attributes, each_attribute, nested, string, text
from laneway.state.nft import AnyBit, Compare, Field, Member, Named, NftRule, Unread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from laneway.state.nft import NftMatch

_ELEMENT = 1  # NFTA_LIST_ELEM
_NAME, _DATA = 1, 2  # NFTA_EXPR_…
_VALUE, _VERDICT = 1, 2  # NFTA_DATA_…
_CODE, _CHAIN = 1, 2  # NFTA_VERDICT_…
_EQUAL, _UNEQUAL = 0, 1  # NFT_CMP_EQ, NFT_CMP_NEQ
_REGISTERS = 8  # NFT_REG32_00: 16 registers of 4 bytes; the same ones are 1 to 4, with 16 bytes each
_WORD = 4  # bytes

_VERDICTS = {"drop": 0, "accept": 1, "return": -5 & 0xFFFFFFFF, "goto": -4 & 0xFFFFFFFF, "jump": -3 & 0xFFFFFFFF}
_VERDICT_NAMES = {code: name for name, code in _VERDICTS.items()}

_NETWORK, _TRANSPORT = 1, 2  # NFT_PAYLOAD_…_HEADER
_NAME_SIZE = 16  # IFNAMSIZ

_LOADS: dict[Field, tuple[str, tuple[int, ...], int]] = {
    # The expression, its attributes from the second on (the first is the register, but where said), and bytes.
    Field.IIF: ("meta", (4,), 4),
    Field.IIFGROUP: ("meta", (21,), 4),
    Field.OIFGROUP: ("meta", (22,), 4),
    Field.IIFNAME: ("meta", (6,), _NAME_SIZE),
    Field.OIFNAME: ("meta", (7,), _NAME_SIZE),
    Field.MARK: ("meta", (3,), 4),
    Field.FAMILY: ("meta", (15,), 1),
    Field.PROTOCOL: ("meta", (16,), 1),
    Field.CT_STATE: ("ct", (0,), 4),
    Field.CT_STATUS: ("ct", (2,), 4),
    Field.SOURCE4: ("payload", (_NETWORK, 12, 4), 4),
    Field.TO4: ("payload", (_NETWORK, 16, 4), 4),
    Field.SOURCE6: ("payload", (_NETWORK, 8, 16), 16),
    Field.TO6: ("payload", (_NETWORK, 24, 16), 16),
    Field.ICMP_TYPE: ("payload", (_TRANSPORT, 0, 1), 1),
    Field.ICMP6_TYPE: ("payload", (_TRANSPORT, 0, 1), 1),
    Field.PORT: ("payload", (_TRANSPORT, 2, 2), 2),
    Field.TO_ON_ARRIVAL_LINK: ("fib", (3, 2 | 8), 4),  # NFT_FIB_RESULT_ADDRTYPE, by destination and arrival link
}
_FIELDS: dict[tuple[str, tuple[int, ...]], Field] = {
    (name, numbers): field for field, (name, numbers, _) in _LOADS.items() if field is not Field.ICMP6_TYPE
}


def be32(kind: int, value: int) -> bytes:
    """Return an attribute with one number, of 32 bits in network order as nf_tables has them."""
    return attribute(kind, value.to_bytes(4, "big"))


def number(payload: bytes | None) -> int:
    """Return the number of an attribute; one that is not there is 0."""
    return int.from_bytes(payload or b"", "big")


def _register(word: int) -> int:
    """Return how the kernel names the register that begins at a word (nft_dump_register)."""
    return 1 + word // _WORD if word % _WORD == 0 else _REGISTERS + word


def _word(register: int) -> int:
    return register - _REGISTERS if register >= _REGISTERS else (register - 1) * _WORD


def _expression(name: str, *parts: bytes) -> bytes:
    return nested(_ELEMENT, text(_NAME, name), nested(_DATA, *parts))


def _load(field: Field, word: int) -> bytes:
    name, numbers, _ = _LOADS[field]
    return _expression(name, be32(1, _register(word)), *(be32(place, each) for place, each in enumerate(numbers, 2)))


def expressions(rule: NftRule) -> bytes:
    """Return a rule's expressions."""
    parts = [part for match in rule.matches for part in _match(match)]
    if not rule.verdict:
        return b"".join(parts)
    name, _, chain = rule.verdict.partition(" ")
    goes = text(_CHAIN, chain) if chain else b""
    verdict = nested(_VERDICT, be32(_CODE, _VERDICTS[name]), goes)
    parts.append(_expression("immediate", be32(1, 0), nested(2, verdict)))
    return b"".join(parts)


def _match(match: NftMatch) -> Iterator[bytes]:
    match match:
        case Compare(field, value, mask, negated):
            size = _LOADS[field][2]
            yield _load(field, 0)
            if mask:
                yield _masked(mask, size)
            yield _compared(value.to_bytes(size, sys.byteorder), _UNEQUAL if negated else _EQUAL)
        case AnyBit(field, bits):
            yield _load(field, 0)
            yield _masked(bits, _LOADS[field][2])
            yield _compared(bytes(_LOADS[field][2]), _UNEQUAL)
        case Named(field, name):
            yield _load(field, 0)
            yield _compared(name.encode().ljust(_NAME_SIZE, b"\0"), _EQUAL)
        case Member(fields, name):
            word = 0
            for field in fields:
                yield _load(field, word)
                word += -(-_LOADS[field][2] // _WORD)
            yield _expression("lookup", text(1, name), be32(2, _register(0)))
        case Unread(_, raw):
            yield raw


def _masked(mask: int, size: int) -> bytes:
    masks = nested(4, attribute(_VALUE, mask.to_bytes(size, sys.byteorder)))
    return _expression(
        "bitwise", be32(1, 1), be32(2, 1), be32(3, size), masks, nested(5, attribute(_VALUE, bytes(size)))
    )


def _compared(value: bytes, operator: int) -> bytes:
    return _expression("cmp", be32(1, 1), be32(2, operator), nested(3, attribute(_VALUE, value)))


class _Reader:
    """Takes a rule's expressions one after the other."""

    def __init__(self) -> None:
        self.matches: list[NftMatch] = []
        self.verdict = ""
        self._loaded: list[Field] = []
        self._next = 0  # the word after what is loaded
        self._mask = 0

    def take(self, name: str, data: dict[int, bytes]) -> bool:  # noqa: PLR0911  one case an expression
        """Take one expression; return whether it is one that laneway writes, where it writes it."""
        if self.verdict:
            return False
        match name:
            case "meta" | "ct" | "payload" | "fib":
                return self._load(name, data)
            case "bitwise":
                self._mask = int.from_bytes(_value(data.get(4)), sys.byteorder)
                plain = not any(_value(data.get(5))) and number(data.get(6)) == 0
                return plain and len(self._loaded) == 1 and number(data.get(1)) == number(data.get(2)) == 1
            case "cmp":
                return self._compare(number(data.get(1)), number(data.get(2)), _value(data.get(3)))
            case "lookup":
                fields, plain = tuple(self._loaded), set(data) <= {1, 2, 5} and not number(data.get(5))
                self._matched(Member(fields, string(data.get(1, b""))))
                return plain and bool(fields) and number(data.get(2)) == 1
            case "immediate":
                return self._decide(data)
            case _:
                return False

    def _load(self, name: str, data: dict[int, bytes]) -> bool:
        numbers = tuple(number(data[place]) for place in sorted(data) if place > 1)
        field = _FIELDS.get((name, numbers))
        if field is None or 1 not in data or _word(number(data[1])) != self._next or self._mask:
            return False
        if field is Field.ICMP_TYPE and Compare(Field.PROTOCOL, socket.IPPROTO_ICMPV6) in self.matches:
            field = Field.ICMP6_TYPE
        self._loaded.append(field)
        self._next += -(-_LOADS[field][2] // _WORD)
        return True

    def _compare(self, register: int, operator: int, value: bytes) -> bool:
        if register != 1 or operator not in (_EQUAL, _UNEQUAL) or len(self._loaded) != 1:
            return False
        field, negated = self._loaded[0], operator == _UNEQUAL
        if field in (Field.CT_STATE, Field.CT_STATUS):
            bits, plain = self._mask, negated and not any(value)
            self._matched(AnyBit(field, bits))
            return plain and bool(bits)
        if field in (Field.IIFNAME, Field.OIFNAME):
            self._matched(Named(field, string(value)))
            return not negated and len(value) == _NAME_SIZE
        self._matched(Compare(field, int.from_bytes(value, sys.byteorder), self._mask, negated))
        return True

    def _matched(self, match: NftMatch) -> None:
        self.matches.append(match)
        self._loaded, self._next, self._mask = [], 0, 0

    def _decide(self, data: dict[int, bytes]) -> bool:
        verdict = attributes(attributes(data.get(2, b"")).get(_VERDICT, b""))
        name = _VERDICT_NAMES.get(number(verdict.get(_CODE)), "")
        chain = string(verdict.get(_CHAIN, b""))
        self.verdict = f"{name} {chain}".rstrip()
        return bool(name) and not self._loaded and number(data.get(1)) == 0


def _value(payload: bytes | None) -> bytes:
    return attributes(payload or b"").get(_VALUE, b"")


def rule(body: bytes) -> NftRule:
    """Return the rule that these expressions are; one that laneway does not write is told by its expressions."""
    reader = _Reader()
    parts = [attributes(part) for kind, part in each_attribute(body) if kind == _ELEMENT]
    said: Sequence[tuple[str, bytes]] = [(string(each.get(_NAME, b"")), each.get(_DATA, b"")) for each in parts]
    if all(reader.take(name, attributes(data)) for name, data in said) and reader.verdict:
        return NftRule(tuple(reader.matches), reader.verdict)
    return NftRule((Unread(" ".join(name for name, _ in said), body),), "")
