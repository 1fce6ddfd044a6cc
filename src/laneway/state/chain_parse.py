"""Rules as iptables-save prints them, parsed to ChainRules; what laneway does not write stays text.

A host may have a hundred thousand rules, so a rule is taken apart by its clauses (the header, each `-m`, the target),
of which there are few different ones: each is parsed once and remembered.
"""

from __future__ import annotations

import re
import socket
from functools import lru_cache
from typing import TYPE_CHECKING

from laneway.state.chains import (
    Bridged,
    ChainRule,
    Confirmed,
    ConnMark,
    CtDirection,
    CtState,
    Dnat,
    Dscp,
    ForeignRule,
    FromGroup,
    FromLocal,
    FromPrefix,
    IcmpType,
    InInterface,
    InSet,
    Jump,
    MapMark,
    Mark,
    Masquerade,
    NoTarget,
    OutInterface,
    Protocol,
    Reject,
    Resets,
    RestoreMark,
    SaveMark,
    SetConnMark,
    SetMark,
    Snat,
    ToGroup,
    ToLocal,
    ToPorts,
    ToPrefix,
    Verdict,
    XorMark,
)
from laneway.state.marks import FwMark
from laneway.state.prefix import IPV4, Prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from laneway.state.chains import Match, Target

PORT_PROTOCOLS = {6: "tcp", 17: "udp", 33: "dccp", 132: "sctp", 136: "udplite"}
MULTIPORT_ONLY = {"udp", "udplite"}
"""Protocols whose ports are written with `multiport`.

iptables has no match of its own for udplite's. For every udp port (libxt_udp of 1.8) it calls getaddrinfo(3), which
reads all addresses of the host: with a thousand bridges one rule then takes milliseconds.
"""

CT_STATES = ("INVALID", "NEW", "RELATED", "ESTABLISHED", "UNTRACKED", "SNAT", "DNAT")
"""Names of `--ctstate` in the order libxt_conntrack prints them."""

_CT_DIRECTIONS = ("ORIGINAL", "REPLY")

OUR_CHAINS = "LANEWAY-"

_NAMES = {
    "all": 0,
    "icmp": 1,
    "tcp": 6,
    "udp": 17,
    "esp": 50,
    "ah": 51,
    "ipv6-icmp": 58,
    "icmpv6": 58,
    "sctp": 132,
    "ipv6-mh": 135,
    "mh": 135,
    "udplite": 136,
}
"""Protocols that iptables knows by itself; the others have the names in the host's /etc/protocols, or numbers."""

_COMMENT = re.compile(r'comment --comment (?:"([^"\\]+)"|([^"\\ ]+))')
_REMEMBERED = 1 << 16


def parse_rule(text: str, *, family: int) -> ChainRule | ForeignRule:
    """Return the rule that `text`, a line of iptables-save without `-A CHAIN `, says."""
    head, jumps, tail = f" {text}".partition(" -j ")
    goto = False
    if not jumps:
        head, goes, tail = head.partition(" -g ")
        goto = bool(goes)
    target = _target(tail, goto, family) if tail else NoTarget()
    first, *clauses = head.split(" -m ")
    header = _header(first, family)
    if target is None or header is None:
        return ForeignRule(text)
    matches, protocol = header
    comment = ""
    for clause in clauses:
        if clause.startswith("comment "):
            found = _COMMENT.fullmatch(clause)
            if found is None or comment:
                return ForeignRule(text)
            comment = found[1] or found[2]
        else:
            more = _clause(clause, protocol)
            if more is None:
                return ForeignRule(text)
            matches += more
    return ChainRule(matches, target, comment)


@lru_cache(maxsize=_REMEMBERED)
def _header(text: str, family: int) -> tuple[tuple[Match, ...], int] | None:
    """Return the conditions of a rule's header and its protocol number; None: something else is in it."""
    words = iter(text.split())
    matches: list[Match] = []
    protocol = 0
    try:
        for word in words:
            option = "! -d" if word == "!" and next(words) == "-d" else word
            value = next(words)
            match option:
                case "-s":
                    matches.append(FromPrefix(_prefix(value, family)))
                case "-d" | "! -d":
                    matches.append(ToPrefix(_prefix(value, family), option != "-d"))
                case "-i":
                    matches.append(InInterface(value))
                case "-o":
                    matches.append(OutInterface(value))
                case "-p":
                    protocol = _protocol(value)
                    matches.append(Protocol(protocol))
                case _:
                    return None
    except (ValueError, OSError, StopIteration):
        return None
    return tuple(matches), protocol


@lru_cache(maxsize=_REMEMBERED)
def _clause(text: str, protocol: int) -> tuple[Match, ...] | None:
    """Return the conditions of one `-m` of a rule about `protocol`; None: they are not ones that laneway writes."""
    name, *words = text.split()
    negated = words[:1] == ["!"]
    try:
        if (protocol, *words) == (6, "--tcp-flags", "RST", "RST"):
            return (Resets(),)
        if name == PORT_PROTOCOLS.get(protocol) and not negated:
            return _ports(words, "--dport")
        if name in _CLAUSES:
            return _CLAUSES[name](words[negated:], negated, protocol)
    except (ValueError, IndexError):
        pass
    return None


def _devgroup(words: Sequence[str], negated: bool, _protocol: int) -> tuple[Match, ...] | None:  # noqa: FBT001
    kinds: dict[str, type[FromGroup | ToGroup]] = {"--src-group": FromGroup, "--dst-group": ToGroup}
    pairs = list(zip(words[::2], words[1::2], strict=True))
    if negated or not pairs or any(option not in kinds for option, _ in pairs):
        return None
    return tuple(kinds[option](int(value, 0)) for option, value in pairs)


def _multiport(words: Sequence[str], negated: bool, protocol: int) -> tuple[Match, ...] | None:  # noqa: FBT001
    return None if negated or protocol not in PORT_PROTOCOLS or not words else _ports(words, "--dports")


def _ports(words: Sequence[str], option: str) -> tuple[Match, ...] | None:
    if not words:  # the match is there, and asks for nothing
        return ()
    name, span = words
    first, _, last = span.partition(":")
    return (ToPorts(int(first), int(last or first)),) if name == option else None


def _icmp(words: Sequence[str], negated: bool, protocol: int) -> tuple[Match, ...] | None:  # noqa: FBT001
    option, kind = words
    expected = {1: "--icmp-type", 58: "--icmpv6-type"}.get(protocol)
    return (IcmpType(_byte(kind)),) if option == expected and not negated else None


def _dscp(words: Sequence[str], negated: bool, _protocol: int) -> tuple[Match, ...] | None:  # noqa: FBT001
    option, value = words
    return (Dscp(int(value, 0)),) if option == "--dscp" and not negated else None


def _mark(words: Sequence[str], negated: bool, _protocol: int) -> tuple[Match, ...] | None:  # noqa: FBT001
    option, value = words
    return (Mark(_fwmark(value), negated),) if option == "--mark" else None


def _connmark(words: Sequence[str], negated: bool, _protocol: int) -> tuple[Match, ...] | None:  # noqa: FBT001
    option, value = words
    return (ConnMark(_fwmark(value), negated),) if option == "--mark" else None


def _conntrack(words: Sequence[str], negated: bool, _protocol: int) -> tuple[Match, ...] | None:  # noqa: FBT001
    option, value = words
    if option == "--ctdir" and value in _CT_DIRECTIONS and not negated:
        return (CtDirection(value),)
    if option == "--ctstatus" and value == "CONFIRMED":
        return (Confirmed(negated),)
    states = value.split(",")
    if option != "--ctstate" or not set(states) <= set(CT_STATES):
        return None
    return (CtState(tuple(sorted(states, key=CT_STATES.index)), negated),)


def _set(words: Sequence[str], negated: bool, _protocol: int) -> tuple[Match, ...] | None:  # noqa: FBT001
    option, name, directions = words
    return (InSet(name, directions, negated),) if option == "--match-set" else None


def _addrtype(words: Sequence[str], negated: bool, _protocol: int) -> tuple[Match, ...] | None:  # noqa: FBT001
    if words == ["--src-type", "LOCAL,ANYCAST"] and not negated:
        return (FromLocal(),)
    if words[:2] != ["--dst-type", "LOCAL"] or words[2:] not in ([], ["--limit-iface-in"]):
        return None
    return (ToLocal(len(words) > 2, negated),)  # noqa: PLR2004


def _physdev(words: Sequence[str], negated: bool, _protocol: int) -> tuple[Match, ...] | None:  # noqa: FBT001
    return (Bridged(negated),) if words == ["--physdev-is-bridged"] else None


_CLAUSES: dict[str, Callable[[Sequence[str], bool, int], tuple[Match, ...] | None]] = {
    "devgroup": _devgroup,
    "multiport": _multiport,
    "icmp": _icmp,
    "icmp6": _icmp,
    "dscp": _dscp,
    "mark": _mark,
    "connmark": _connmark,
    "conntrack": _conntrack,
    "set": _set,
    "addrtype": _addrtype,
    "physdev": _physdev,
}


@lru_cache(maxsize=_REMEMBERED)
def _target(text: str, goto: bool, family: int) -> Target | None:  # noqa: FBT001
    """Return what `-j`, or with `goto` `-g`, says; None: it is not what laneway writes."""
    words = text.split()
    try:
        if goto or len(words) == 1:
            return _plain_target(words, goto)
        return _target_with_options(words, family)
    except (ValueError, OSError):
        return None


def _plain_target(words: Sequence[str], goto: bool) -> Target | None:  # noqa: FBT001
    (name,) = words
    if name.startswith(OUR_CHAINS):
        return Jump(name, goto)
    if goto:
        return None
    if name == "MASQUERADE":
        return Masquerade()
    return Verdict(name)


def _target_with_options(words: Sequence[str], family: int) -> Target | None:  # noqa: C901, PLR0911  one case a kind
    match words:
        case ["REJECT", "--reject-with", error]:
            return Reject(error)
        case ["MARK", "--set-xmark", value]:
            return SetMark(_fwmark(value))
        case ["CONNMARK", "--set-xmark", value]:
            return SetConnMark(_fwmark(value))
        case ["CONNMARK", "--restore-mark", "--nfmask", mask, "--ctmask", same] if mask == same:
            return RestoreMark(int(mask, 0))
        case ["CONNMARK", "--restore-mark", "--nfmask", "0x0", "--ctmask", mask]:
            return XorMark(int(mask, 0))
        case ["CONNMARK", "--save-mark", "--nfmask", mask, "--ctmask", same] if mask == same:
            return SaveMark(int(mask, 0))
        case ["SET", "--map-set", name, directions, "--map-mark"]:
            return MapMark(name, directions)
        case ["DNAT", "--to-destination", destination]:
            return _dnat(destination, family)
        case ["SNAT", "--to-source", source]:
            return _snat(source, family)
        case ["MASQUERADE", "--to-ports", ports]:
            return Masquerade(*_range(ports))
        case _:
            return None


def _dnat(destination: str, family: int) -> Dnat:
    if destination.startswith("["):
        address, _, port = destination[1:].partition("]:")
    elif family == IPV4:
        address, _, port = destination.partition(":")
    else:
        address, port = destination, ""
    return Dnat(_address(address, family), int(port) if port else 0)


def _snat(source: str, family: int) -> Snat:
    address, ports = source, ""
    if family == IPV4 or source.startswith("["):
        address, _, ports = source.removeprefix("[").partition(":" if family == IPV4 else "]:")
    return Snat(_address(address, family), *(_range(ports) if ports else ()))


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    return int(first), int(last)


def _address(text: str, family: int) -> bytes:
    return socket.inet_pton(socket.AF_INET if family == IPV4 else socket.AF_INET6, text)


def _prefix(text: str, family: int) -> Prefix:
    address, _, length = text.partition("/")
    packed = _address(address, family)
    return Prefix(packed, int(length) if length else len(packed) * 8)


def _protocol(text: str) -> int:
    if text.isdecimal():
        return _byte(text)
    return _NAMES[text] if text in _NAMES else socket.getprotobyname(text)


def _fwmark(text: str) -> FwMark:
    value, _, mask = text.partition("/")
    return FwMark(int(value, 0), int(mask, 0) if mask else 0xFFFFFFFF)


def _byte(text: str) -> int:
    number = int(text, 0)
    if number not in range(256):
        msg = f"{text} is not a number of one byte"
        raise ValueError(msg)
    return number
