"""ipset headers and entries as nfnetlink messages, both ways (linux/netfilter/ipset/ip_set.h)."""

from __future__ import annotations

import socket
from functools import partial
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from laneway.kernel.netlink import NLM_F_EXCL, Request, attribute, attributes, each_attribute, nested, string, text
from laneway.plan.steps import Op
from laneway.state.marks import FwMark
from laneway.state.prefix import IPV4, IPV6, Prefix
from laneway.state.sets import MAX_ENTRIES, IpSet, SetEntry, SetType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_SUBSYSTEM = 6 << 8
_CMD_LIST = 7
_CMD_ADD = 9
_CMD_DEL = 10
LIST = _SUBSYSTEM | _CMD_LIST

_PROTOCOL = 6
"""The protocol version spoken: that of kernel 2.6.39 and later; version 7 differs in commands not used here."""

_ATTR_PROTOCOL = 1
_ATTR_SETNAME = 2
_ATTR_TYPENAME = 3
_ATTR_FAMILY = 5
_ATTR_FLAGS = 6
_ATTR_DATA = 7
_ATTR_ADT = 8

_FLAG_LIST_SETNAME = 1 << 1
_FLAG_WITH_SKBINFO = 1 << 6
_HEADER_FLAGS = {"counters": 1 << 3, "comment": 1 << 4, "forceadd": 1 << 5}
_ENTRY_FLAGS = {"physdev": 1 << 1, "nomatch": 1 << 2, "wildcard": 1 << 7}

# Within _ATTR_DATA.
_IP = 1
_CIDR = 3
_PORT = 4
_TIMEOUT = 6
_PROTO = 7
_CADT_FLAGS = 8
_MAXELEM = 19
_IP2 = 20
_CIDR2 = 21
_IFACE = 23
_SKBMARK = 27
_IPADDR_IPV4 = 1
_IPADDR_IPV6 = 2

_NO_MARK = FwMark(0, 0)
_NET_ORDER = 0x4000
_U16 = Struct(">H")
_MARK = Struct(">II")  # value, mask
_FLAGS = Struct(">I")
_NFGEN = bytes((socket.AF_INET, 0, 0, 0))
_HEADER = _NFGEN + attribute(_ATTR_PROTOCOL, bytes([_PROTOCOL]))

DUMP_NAMES = _HEADER + attribute(_ATTR_FLAGS | _NET_ORDER, _FLAGS.pack(_FLAG_LIST_SETNAME))


def dump_set(name: str) -> bytes:
    """Return the body of a request for the header and the entries of one set."""
    return _HEADER + text(_ATTR_SETNAME, name)


def names(bodies: Iterable[bytes]) -> Iterator[str]:
    """Yield the names of a dump of names."""
    for body in bodies:
        yield string(attributes(body, len(_NFGEN)).get(_ATTR_SETNAME, b""))


class SeenSet(NamedTuple):
    """A set as the kernel tells it; None: it went away before it was asked for."""

    header: IpSet | None
    entries: dict[SetEntry, FwMark | None]


class SeenEntry(NamedTuple):
    """An entry and its mark, which counts in a set whose header says that entries have marks."""

    entry: SetEntry
    mark: FwMark


def parse_set(
    name: str, bodies: Iterable[bytes], read: Callable[[list[bytes]], Iterable[SeenEntry]] | None = None
) -> SeenSet:
    """Return the set that a dump of it tells, its entries by `read` if not by `entry`."""
    read = read or partial(map, partial(entry, name))
    header = None
    entries: dict[SetEntry, FwMark | None] = {}
    for body in bodies:
        found = attributes(body, len(_NFGEN))
        if _ATTR_TYPENAME in found:  # in the first message alone
            header = _header(found)
        if _ATTR_ADT in found:
            marks = header is not None and header.marks
            for seen, mark in read([data for _, data in each_attribute(found[_ATTR_ADT])]):
                entries[seen] = mark if marks else None
    return SeenSet(header, entries)


def _header(found: dict[int, bytes]) -> IpSet:
    data = attributes(found.get(_ATTR_DATA, b""))
    flags = _flags(data)
    family = IPV6 if found.get(_ATTR_FAMILY) == bytes([socket.AF_INET6]) else IPV4
    words = [word for word, flag in _HEADER_FLAGS.items() if flags & flag]
    for word, number, ours in (("timeout", _TIMEOUT, None), ("maxelem", _MAXELEM, MAX_ENTRIES)):
        value = _FLAGS.unpack(data[number])[0] if number in data else ours
        if value != ours:
            words.append(f"{word} {value}")
    kind = _type(string(found[_ATTR_TYPENAME]))
    return IpSet(kind, family, bool(flags & _FLAG_WITH_SKBINFO), " ".join(words))


def _flags(data: Mapping[int, bytes]) -> int:
    flags: int = _FLAGS.unpack(data[_CADT_FLAGS])[0] if _CADT_FLAGS in data else 0
    return flags


def _type(name: str) -> SetType:
    try:
        return SetType(name)
    except ValueError:
        return name  # type: ignore[return-value]  # somebody made it: it compares unlike all of ours


def entry(name: str, data: bytes) -> SeenEntry:
    """Return what the attributes of one entry of the set `name` tell."""
    found = attributes(data)
    net2 = _net(found[_IP2], found.get(_CIDR2)) if _IP2 in found else None
    flags = _flags(found)
    told = SetEntry(
        name,
        _net(found.get(_IP, b""), found.get(_CIDR)),
        string(found[_IFACE]) if _IFACE in found else "",
        found[_PROTO][0] if _PROTO in found else 0,
        _U16.unpack(found[_PORT])[0] if _PORT in found else 0,
        net2,
        " ".join(word for word, flag in _ENTRY_FLAGS.items() if flags & flag) if flags else "",
    )
    # The kernel leaves out a mark that changes nothing.
    mark = FwMark(*_MARK.unpack(found[_SKBMARK])) if _SKBMARK in found else _NO_MARK
    return SeenEntry(told, mark)


def _net(address: bytes, length: bytes | None) -> Prefix:
    packed = address[4:]  # IPADDR_IPV4 or IPADDR_IPV6, one attribute
    return Prefix(packed, length[0] if length else len(packed) * 8)


def entry_request(op: Op, entry: SetEntry, mark: FwMark | None) -> Request:
    """Return the request that adds `entry` with its mark, changes its mark, or deletes it."""
    parts = [_address(_IP, entry.net), attribute(_CIDR, bytes([entry.net.length]))]
    if entry.protocol:
        parts.append(attribute(_PORT | _NET_ORDER, _U16.pack(entry.port)))
        parts.append(attribute(_PROTO, bytes([entry.protocol])))
    if entry.iface:
        parts.append(text(_IFACE, entry.iface))
    if entry.net2 is not None:
        parts += [_address(_IP2, entry.net2), attribute(_CIDR2, bytes([entry.net2.length]))]
    if entry.more:
        flags = sum(_ENTRY_FLAGS[word] for word in entry.more.split())
        parts.append(attribute(_CADT_FLAGS | _NET_ORDER, _FLAGS.pack(flags)))
    if mark is not None and op is not Op.DELETE:
        parts.append(attribute(_SKBMARK | _NET_ORDER, _MARK.pack(mark.value, mark.mask)))
    command = _CMD_DEL if op is Op.DELETE else _CMD_ADD
    flags = NLM_F_EXCL if op is Op.CREATE else 0
    return Request(_SUBSYSTEM | command, flags, dump_set(entry.set) + nested(_ATTR_DATA, *parts))


def _address(kind: int, net: Prefix) -> bytes:
    inner = _IPADDR_IPV4 if net.family == IPV4 else _IPADDR_IPV6
    return nested(kind, attribute(inner | _NET_ORDER, net.address))
