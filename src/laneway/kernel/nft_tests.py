"""What a rule of nftables asks of a packet, from its JSON (libnftables-json(5))."""

from __future__ import annotations

from ipaddress import ip_address, ip_network, summarize_address_range
from typing import TYPE_CHECKING, Any

from laneway.state.gates import UNKNOWN, GateTest
from laneway.state.prefix import Prefix, family_of, of_network

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Tests = tuple[GateTest, ...]
    Ports = tuple[int, str, int, int, bytes]

_META = {"iifname": "iif", "iif": "iif", "oifname": "oif", "oif": "oif", "l4proto": "protocol"}
_FAMILY = {"ipv4": "4", "ipv6": "6", "ip": "4", "ip6": "6"}
_FIELDS = {"saddr": "source", "daddr": "to"}
_TRANSPORTS = ("tcp", "udp", "sctp", "dccp", "udplite")
_ICMP = {"icmp": "icmp", "icmpv6": "ipv6-icmp"}


def both(one: Tests, other: Tests) -> Tests:
    """Return the tests of both, each once."""
    return tuple(dict.fromkeys((*one, *other)))


def tests_of(match: Any) -> Tests:
    """Return what a match asks: of what is not known here, that nobody knows."""
    try:
        return tuple(_tests(match))
    except (KeyError, TypeError, ValueError, AttributeError):
        return (UNKNOWN,)


def _tests(match: Any) -> Iterator[GateTest]:
    if match["op"] not in ("==", "!=", "in"):
        yield UNKNOWN
        return
    negated = match["op"] == "!="
    right = _values(match["right"])
    match match["left"]:
        case {"meta": {"key": "nfproto" | "protocol"}}:
            yield GateTest("family", tuple(_FAMILY[each] for each in right), negated=negated)
        case {"meta": {"key": key}} if key in _META:
            yield GateTest(_META[key], tuple(map(str, right)), negated=negated)
        case {"ct": {"key": "state", **more}} if not more:
            yield GateTest("state", tuple(map(str, right)), negated=negated)
        case {"payload": {"protocol": "ip" | "ip6" as protocol, "field": field}}:
            yield GateTest("family", (_FAMILY[protocol],))
            yield _of_header(field, right, negated=negated)
        case {"payload": {"protocol": protocol, "field": "dport"}} if protocol in (*_TRANSPORTS, "th"):
            if protocol != "th":
                yield GateTest("protocol", (protocol,))
            yield GateTest("port", tuple(map(_port_text, right)), negated=negated)
        case {"payload": {"protocol": "icmp" | "icmpv6" as protocol, "field": "type"}}:
            yield GateTest("protocol", (_ICMP[protocol],))
            yield GateTest("type", tuple(map(str, right)), negated=negated)
        case left:
            yield _of_mark(left, right, negated=negated)


def _of_mark(left: Any, right: Sequence[Any], *, negated: bool) -> GateTest:
    match left:
        case {"meta": {"key": "mark"}} | {"ct": {"key": "mark"}}:
            return GateTest("mark", tuple(map(_mark_text, right)), negated=negated)
        case {"&": [{"meta": {"key": "mark"}} | {"ct": {"key": "mark"}}, int(mask)]}:
            return GateTest("mark", tuple(f"{each:#x}/{mask:#x}" for each in right), negated=negated)
        case _:
            return UNKNOWN


def _mark_text(value: Any) -> str:
    match value:
        case {"prefix": {"addr": int(mark), "len": int(length)}}:  # how nft(8) writes a mask of the highest bits
            return f"{mark:#x}/{0xFFFFFFFF << (32 - length) & 0xFFFFFFFF:#x}"
        case _:
            return f"{value:#x}"


def _of_header(field: str, right: Sequence[Any], *, negated: bool) -> GateTest:
    if field in _FIELDS:
        prefixes = tuple(each for value in right for each in _prefixes(value))
        return GateTest(_FIELDS[field], prefixes=prefixes, negated=negated)
    if field in ("protocol", "nexthdr"):
        return GateTest("protocol", tuple(map(str, right)), negated=negated)
    return UNKNOWN


def _values(right: Any) -> list[Any]:
    """Return the values that a match compares with; raises ValueError for a named set."""
    if isinstance(right, str) and right.startswith("@"):
        raise ValueError(right)
    if isinstance(right, dict) and "set" in right:
        right = right["set"]
    values = right if isinstance(right, list) else [right]
    return [each["elem"]["val"] if isinstance(each, dict) and "elem" in each else each for each in values]


def _port_text(value: Any) -> str:
    match value:
        case {"range": [int(first), int(last)]}:
            return f"{first}-{last}"
        case int():
            return str(value)
        case _:
            raise ValueError(value)


def _prefixes(value: Any) -> Iterator[Prefix]:
    match value:
        case {"prefix": {"addr": str(address), "len": int(length)}}:
            yield of_network(ip_network(f"{address}/{length}", strict=False))
        case {"range": [str(first), str(last)]}:
            yield from map(of_network, summarize_address_range(*map(ip_address, (first, last))))
        case str():
            yield of_network(ip_network(value))
        case _:
            raise ValueError(value)


def ports_of(matches: Sequence[Any]) -> Iterator[Ports]:
    """Yield family, protocol, first and last port and address of each that the matches of one rule let through."""
    tests = [each for match in matches for each in tests_of(match)]
    ports = [port for each in tests if each.of == "port" and not each.negated for port in each.values]
    named = {value for each in tests if each.of == "protocol" and not each.negated for value in each.values}
    protocols = [each for each in ("tcp", "udp") if each in named or not named]
    to = [each for test in tests if test.of == "to" and not test.negated for each in test.prefixes]
    for_all = not any(test.of == "to" for test in tests)
    for port in ports:
        first, _, last = port.partition("-")
        for protocol in protocols:
            if for_all:
                yield 0, protocol, int(first), int(last or first), b""
            yield from ((family_of(each), protocol, int(first), int(last or first), each) for each in _addresses(to))


def _addresses(prefixes: Iterable[Prefix]) -> Iterator[bytes]:
    return (each.address for each in prefixes if each.length == len(each.address) * 8)
