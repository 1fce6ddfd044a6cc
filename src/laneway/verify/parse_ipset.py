"""What `ipset save` prints, as laneway's own nouns (ipset(8))."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.state.marks import FwMark
from laneway.state.prefix import IPV4, IPV6, prefix
from laneway.state.sets import MAX_ENTRIES, IpSet, SetEntry, SetType

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX = "lw-"
"""What the names of laneway's sets begin with."""

PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "ipv6-icmp": 58, "sctp": 132, "udplite": 136}
ECHO = {1: 8 << 8, 58: 128 << 8}
"""An echo request as an entry's port: type << 8 | code, by protocol."""

UNKNOWN = -1
_PHYSDEV = "physdev:"


class Saved(NamedTuple):
    """Laneway's sets and their entries."""

    sets: dict[str, IpSet]
    entries: dict[SetEntry, FwMark | None]


def parse(text: str) -> Saved:
    """Return what of an output of `ipset save` is laneway's."""
    found = Saved({}, {})
    for line in text.split("\n"):
        command, name, *rest = line.split() if line.strip() else ("", "")
        if not name.startswith(PREFIX):
            continue
        if command == "create":
            found.sets[name] = _header(rest)
        elif command == "add":
            found.entries[_entry(name, found.sets[name], rest)] = _mark(rest) if found.sets[name].marks else None
    return found


def _header(words: Sequence[str]) -> IpSet:
    family = IPV6 if "inet6" in words else IPV4
    try:
        kind = SetType(words[0])
    except ValueError:
        kind = words[0]  # type: ignore[assignment]  # somebody made it: it compares unlike all of ours
    more = [word for word in ("counters", "comment", "forceadd") if word in words]
    for word, ours in (("timeout", ""), ("maxelem", str(MAX_ENTRIES))):
        value = words[words.index(word) + 1] if word in words else ours
        if value != ours:
            more.append(f"{word} {value}")
    return IpSet(kind, family, "skbinfo" in words, " ".join(more))


def _mark(words: Sequence[str]) -> FwMark:
    if "skbmark" not in words:
        return FwMark(0, 0)  # one that changes nothing is left out
    value, _, mask = words[words.index("skbmark") + 1].partition("/")
    return FwMark(int(value, 16), int(mask, 16) if mask else 0xFFFFFFFF)


def _entry(name: str, header: IpSet, words: Sequence[str]) -> SetEntry:
    first, *rest = words[0].split(",")
    more = [word for word in ("nomatch", "wildcard") if word in words]
    iface, protocol, port = "", 0, 0
    if header.type == SetType.NET_IFACE:
        iface = rest[0].removeprefix(_PHYSDEV)
        more = ["physdev"] * (iface != rest[0]) + more
    elif rest:
        protocol, port = _service(rest[0])
    net2 = prefix(rest[1]) if len(rest) > 1 else None
    return SetEntry(name, prefix(first), iface, protocol, port, net2, " ".join(more))


def _service(text: str) -> tuple[int, int]:
    name, _, port = text.partition(":")
    protocol = PROTOCOLS.get(name) or (int(name) if name.isdigit() else UNKNOWN)
    if port.isdigit():
        return protocol, int(port)
    kind, slash, code = port.partition("/")
    if slash:
        return protocol, int(kind) << 8 | int(code)
    return protocol, ECHO.get(protocol, UNKNOWN) if port in {"echo-request", "ping"} else UNKNOWN
