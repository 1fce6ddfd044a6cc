"""Packets as bytes: read off a provider's wire, or written whole where no socket would."""

from __future__ import annotations

import re
import struct
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from laneway.policy.model import Address

TCP, UDP = 6, 17
ICMPV4, ICMPV6 = 1, 58
GRE = 47
ECHO_REQUEST = {4: 8, 6: 128}
ECHO_REPLY = {4: 0, 6: 129}

FORGED_PORT = 33333
"""Where datagrams made here come from."""

_TOKEN = re.compile(rb"laneway-lab:(\d+):")
_EXTENSIONS = frozenset({0, 43, 60})  # hop-by-hop, routing, destination options


class Seen(NamedTuple):
    """A packet on the wire."""

    source: Address
    to: Address
    protocol: int
    source_port: int  # 0 where there are none
    port: int
    token: int  # -1: the payload bears none


def payload(token: int) -> bytes:
    """Return what a probe says: which one it is."""
    return b"laneway-lab:%d:\n" % token


def token_of(data: bytes) -> int:
    """Return which probe a payload is of, or -1."""
    found = _TOKEN.search(data)
    return int(found[1]) if found else -1


def parse(packet: bytes) -> Seen | None:
    """Return what an IP packet says, or None if it is cut short or is neither IPv4 nor IPv6."""
    try:
        version = packet[0] >> 4
        if version == 4:  # noqa: PLR2004
            header, protocol = (packet[0] & 15) * 4, packet[9]
            source, to = ip_address(packet[12:16]), ip_address(packet[16:20])
        elif version == 6:  # noqa: PLR2004
            header, protocol = 40, packet[6]
            source, to = ip_address(packet[8:24]), ip_address(packet[24:40])
            while protocol in _EXTENSIONS:
                protocol, header = packet[header], header + 8 * (packet[header + 1] + 1)
        else:
            return None
        ports: tuple[int, int] = (0, 0)
        if protocol in {TCP, UDP}:
            ports = struct.unpack_from("!HH", packet, header)
    except (IndexError, ValueError, struct.error):  # cut short
        return None
    return Seen(source, to, protocol, ports[0], ports[1], token_of(packet[header:]))


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    even = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(even) // 2}H", even))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def echo(family: int, identifier: int, data: bytes) -> bytes:
    """Return an echo request; the kernel writes the checksum of an ICMPv6 one itself (RFC 3542)."""
    empty = struct.pack("!BBHHH", ECHO_REQUEST[family], 0, 0, identifier, 1) + data
    if family == 6:  # noqa: PLR2004
        return empty
    return empty[:2] + struct.pack("!H", checksum(empty)) + empty[4:]


def is_reply(family: int, packet: bytes, token: int) -> bool:
    """Return whether what a raw ICMP socket gave (of IPv4 with its header) is the echo reply to a probe."""
    start = (packet[0] & 15) * 4 if family == 4 and packet else 0  # noqa: PLR2004
    return packet[start : start + 1] == bytes([ECHO_REPLY[family]]) and token_of(packet) == token


def datagram(source: Address, to: Address, port: int, data: bytes) -> bytes:
    """Return a whole IP packet with a UDP datagram, whoever's address `source` is."""
    udp = struct.pack("!HHHH", FORGED_PORT, port, 8 + len(data), 0) + data
    pseudo = source.packed + to.packed + struct.pack("!II", len(udp), UDP)
    udp = udp[:6] + struct.pack("!H", checksum(pseudo + udp) or 0xFFFF) + udp[8:]
    if isinstance(source, IPv6Address):
        return struct.pack("!IHBB", 6 << 28, len(udp), UDP, 64) + source.packed + to.packed + udp
    # The kernel fills in the length, the identification and the checksum (raw(7)).
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, UDP, 0) + source.packed + to.packed + udp


def address_pair(peer: tuple[object, ...]) -> tuple[Address, int]:
    """Return the address and the port of a socket address."""
    return ip_address(str(peer[0]).partition("%")[0]), int(str(peer[1]))
