"""What a FIB rule asks besides its mark, as ip-rule(8) writes it, and back (linux/fib_rules.h).

Of laneway's, the rules behind main have such selectors. One of our protocol that somebody narrowed is not the rule that
we wrote, and to be deleted, or put back, it has to be named in full.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from laneway.kernel.netlink import attribute, string
from laneway.kernel.reasons import refusing_nonsense
from laneway.state import routing
from laneway.state.prefix import Prefix, prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_FRA_DST = 1
_FRA_SRC = 2
_FRA_IIFNAME = 3
_FRA_GOTO = 4
_FRA_PRIORITY = 6
_FRA_FWMARK = 10
_FRA_SUPPRESS_IFGROUP = 13
_FRA_SUPPRESS_PREFIXLEN = 14
_FRA_TABLE = 15
_FRA_FWMASK = 16
_FRA_OIFNAME = 17
_FRA_PAD = 18
_FRA_UID_RANGE = 20
_FRA_PROTOCOL = 21
_FRA_IP_PROTO = 22
_FRA_SPORT_RANGE = 23
_FRA_DPORT_RANGE = 24

_OURS = frozenset((_FRA_GOTO, _FRA_PRIORITY, _FRA_FWMARK, _FRA_TABLE, _FRA_FWMASK, _FRA_PAD, _FRA_PROTOCOL))
_UNSET = b"\xff\xff\xff\xff"  # of a suppressor, which the kernel tells of every rule

_NUMBER = Struct("=I")
_PORTS = Struct("=HH")
_UIDS = Struct("=II")


def _range(shape: Struct) -> tuple[Callable[[bytes], str], Callable[[str], bytes]]:
    def write(value: bytes) -> str:
        return "{}-{}".format(*shape.unpack(value))

    def read(word: str) -> bytes:
        first, _, last = word.partition("-")
        return shape.pack(int(first), int(last))

    return write, read


def _number(value: bytes) -> str:
    return str(_NUMBER.unpack(value)[0])


def _packed(word: str) -> bytes:
    return _NUMBER.pack(int(word))


class _Selector(NamedTuple):
    word: str
    write: Callable[[bytes], str]
    read: Callable[[str], bytes]


_SELECTORS: Mapping[int, _Selector] = {
    _FRA_IIFNAME: _Selector("iif", string, lambda word: word.encode() + b"\0"),
    _FRA_OIFNAME: _Selector("oif", string, lambda word: word.encode() + b"\0"),
    _FRA_UID_RANGE: _Selector("uidrange", *_range(_UIDS)),
    _FRA_IP_PROTO: _Selector("ipproto", lambda value: str(value[0]), lambda word: bytes([int(word)])),
    _FRA_SPORT_RANGE: _Selector("sport", *_range(_PORTS)),
    _FRA_DPORT_RANGE: _Selector("dport", *_range(_PORTS)),
    _FRA_SUPPRESS_PREFIXLEN: _Selector("suppress_prefixlength", _number, _packed),
    _FRA_SUPPRESS_IFGROUP: _Selector("suppress_ifgroup", _number, _packed),
}
_KINDS = {each.word: kind for kind, each in _SELECTORS.items()}
_UNNAMED = "attribute"  # and its number: one that is not known here, as hexadecimal digits


class Header(NamedTuple):
    """What of the selectors stands in a rule's header."""

    to: int = 0  # the length of a prefix
    from_: int = 0
    tos: int = 0


def written(header: Header, found: Mapping[int, bytes]) -> str:
    """Return what a rule of these attributes asks besides its mark; nothing of one that laneway could have written."""
    if not any(header) and found.keys() - _OURS <= {_FRA_SUPPRESS_PREFIXLEN}:  # nearly every rule
        suppressed = found.get(_FRA_SUPPRESS_PREFIXLEN, _UNSET)
        if suppressed == _UNSET:
            return ""
    return " ".join(_words(header, found))


def _words(header: Header, found: Mapping[int, bytes]) -> Iterator[str]:
    if _FRA_SRC in found:
        yield f"from {Prefix(found[_FRA_SRC], header.from_)}"
    if _FRA_DST in found:
        yield f"to {Prefix(found[_FRA_DST], header.to)}"
    if header.tos:
        yield f"tos {header.tos:#04x}"
    for kind in sorted(found.keys() - _OURS - {_FRA_SRC, _FRA_DST}):
        value = found[kind]
        if kind in _SELECTORS and value != _UNSET:
            yield f"{_SELECTORS[kind].word} {_SELECTORS[kind].write(value)}"
        elif kind not in _SELECTORS and any(value):
            yield f"{_UNNAMED}{kind} {value.hex()}"


def suppressors(found: Mapping[int, bytes]) -> Iterator[str]:
    """Yield which of the routes that a rule finds it passes over: `ip rule show` has them after the table."""
    for kind in (_FRA_SUPPRESS_PREFIXLEN, _FRA_SUPPRESS_IFGROUP):
        if found.get(kind, _UNSET) != _UNSET:
            yield f"{_SELECTORS[kind].word} {_SELECTORS[kind].write(found[kind])}"


def read(words: str) -> tuple[Header, bytes]:
    """Return the header and the attributes that say `words`; raises HostRefused for what no rule says."""
    with refusing_nonsense("rule", words):
        return _read(words)


def _read(words: str) -> tuple[Header, bytes]:
    header = Header()
    parts: list[bytes] = []
    each = iter(words.split())
    for word, value in zip(each, each, strict=True):
        match word:
            case "from" | "to":
                net = prefix(value)
                header = header._replace(**{"from_" if word == "from" else "to": net.length})
                parts.append(attribute(_FRA_SRC if word == "from" else _FRA_DST, net.address))
            case routing.PLACE:  # which the kernel has no attribute for
                continue
            case "tos":
                header = header._replace(tos=int(value, 0))
            case _ if word in _KINDS:
                parts.append(attribute(_KINDS[word], _SELECTORS[_KINDS[word]].read(value)))
            case _:
                parts.append(attribute(int(word.removeprefix(_UNNAMED)), bytes.fromhex(value)))
    return header, b"".join(parts)
