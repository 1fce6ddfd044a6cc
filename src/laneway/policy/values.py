"""Addresses, prefixes and number ranges, from the text that operators write."""

from __future__ import annotations

import re
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    NetmaskValueError,
)
from typing import TYPE_CHECKING

from laneway.policy.fields import Invalid, quoted

if TYPE_CHECKING:
    from laneway.policy.model import Address, Network

SMALLEST_SUBNET = {4: 30, 6: 126}
"""The longest prefix that holds a gateway and a workload beside the addresses that no host may have."""

RESERVED: dict[str, Network] = {
    "the unspecified network": IPv4Network("0.0.0.0/8"),
    "loopback": IPv4Network("127.0.0.0/8"),
    "link-local": IPv4Network("169.254.0.0/16"),
    "multicast": IPv4Network("224.0.0.0/4"),
    "reserved": IPv4Network("240.0.0.0/4"),
    "the unspecified address": IPv6Network("::/128"),
    "the loopback address": IPv6Network("::1/128"),
    "IPv4-mapped": IPv6Network("::ffff:0:0/96"),
    "link-local addresses": IPv6Network("fe80::/10"),
    "multicast addresses": IPv6Network("ff00::/8"),
}
"""Prefixes that no tenant can have (RFC 6890, IANA special-purpose address registries)."""

_RESERVED_BOUNDS = {
    version: [
        (name, int(each.network_address), int(each.broadcast_address))
        for name, each in RESERVED.items()
        if each.version == version
    ]
    for version in (4, 6)
}
_SPAN = re.compile(r"([0-9]{1,10})\s*-\s*([0-9]{1,10})", re.ASCII)


def address(text: str) -> Address:
    """Return an address; raises Invalid on anything else, IPv6 zones and IPv4-mapped addresses included."""
    try:
        if ":" not in text:
            return IPv4Address(text)
        if "%" not in text:
            found = IPv6Address(text)
            if found.ipv4_mapped is None:
                return found
    except AddressValueError:
        pass
    raise _not_an_address(text)


def _not_an_address(text: str) -> Invalid:
    if "%" in text:
        return Invalid(f"{quoted(text)} has a zone", f"write {quoted(text.partition('%')[0])}")
    if ":" in text:
        try:
            mapped = IPv6Address(text).ipv4_mapped
        except AddressValueError:
            return Invalid(f"{quoted(text)} is not an IPv6 address", _slash_hint(text))
        return Invalid(f"{quoted(text)} is an IPv4 address mapped to IPv6", f"write {mapped}")
    kind = "an IPv4 address" if re.fullmatch(r"[0-9./]+", text) else "an address"
    return Invalid(f"{quoted(text)} is not {kind}", _slash_hint(text) or _zero_hint(text))


def _slash_hint(text: str) -> str:
    return "this is one address: leave the prefix length out" if "/" in text else ""


def _zero_hint(text: str) -> str:
    return "no part of it may begin with 0" if re.search(r"(?<![0-9])0[0-9]", text) else ""


def unicast(text: str) -> Address:
    """Return an address that one host can have."""
    found = address(text)
    if found.is_multicast or found.is_unspecified or found.is_loopback:
        kind = "multicast" if found.is_multicast else "loopback" if found.is_loopback else "the unspecified address"
        raise Invalid(f"{text} is {kind}, not an address of a host")
    if found.version == 4 and int(found) >= 0xF0000000:  # noqa: PLR2004  240.0.0.0/4 and the broadcast address
        raise Invalid(f"{text} is reserved, not an address of a host")
    return found


def network(text: str) -> Network:
    """Return a prefix, an address standing for itself alone; raises Invalid when host bits are set."""
    plain, slash, length = text.partition("/")
    if slash and not (length.isascii() and length.isdigit()):
        raise _bad_length(text, plain, length)
    if "%" in plain:
        raise Invalid(f"{quoted(text)} has a zone", "a prefix has none")
    try:
        return IPv6Network(text) if ":" in plain else IPv4Network(text)
    except AddressValueError:
        raise _not_a_network(text, plain) from None
    except NetmaskValueError:
        raise _bad_length(text, plain, length) from None
    except ValueError:
        kind = IPv6Network if ":" in plain else IPv4Network
        raise Invalid(f"{quoted(text)} has host bits set", f"write {kind(text, strict=False)}") from None


def _not_a_network(text: str, plain: str) -> Invalid:
    kind = "an IPv6 prefix" if ":" in plain else "an IPv4 prefix" if re.fullmatch(r"[0-9.]+", plain) else "a prefix"
    example = "fd20::/64" if ":" in plain else "10.20.0.0/24"
    return Invalid(f"{quoted(text)} is not {kind}", _zero_hint(plain) or f"a prefix is written as {example}")


def _bad_length(text: str, plain: str, length: str) -> Invalid:
    try:
        netmask = IPv4Network(f"0.0.0.0/{length}").prefixlen if ":" not in plain else None
    except ValueError:
        netmask = None
    if netmask is not None:
        return Invalid(f"{quoted(text)} has a netmask, not a prefix length", f"write {plain}/{netmask}")
    if ":" in plain:
        return Invalid(f"{quoted(text)} is not an IPv6 prefix", "an IPv6 prefix length is 0 to 128")
    return Invalid(f"{quoted(text)} is not an IPv4 prefix", "an IPv4 prefix length is 0 to 32")


def reserved(prefix: Network) -> str:
    """Return what a prefix overlaps that no tenant can have, or nothing."""
    first = int(prefix.network_address)
    last = first | (1 << prefix.max_prefixlen - prefix.prefixlen) - 1
    for name, low, high in _RESERVED_BOUNDS[prefix.version]:
        if first <= high and low <= last:
            return f"{name} ({RESERVED[name]})"
    return ""


def subnet(text: str) -> Network:
    """Return a prefix that a tenant can have on its bridge."""
    found = network(text)
    if found.prefixlen > SMALLEST_SUBNET[found.version]:
        longest = SMALLEST_SUBNET[found.version]
        raise Invalid(
            f"{text} is too small for a gateway and a workload",
            f"an IPv{found.version} subnet has a prefix length of {longest} at most",
        )
    if clash := reserved(found):
        raise Invalid(f"{text} overlaps {clash}", "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 and fd00::/8 are private")
    return found


def bounds(text: str, *, least: int, most: int, example: str) -> tuple[int, int]:
    """Return the two ends of a range `a-b`, both included."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise Invalid(f"{quoted(text)} is not a range", f"a range is written as {example}")
    first, last = int(found[1]), int(found[2])
    if first > last:
        raise Invalid(f"{quoted(text)} ends before it begins", f"write {last}-{first}")
    if first < least or last > most:
        raise Invalid(f"{quoted(text)} is not within {least} to {most}")
    return first, last
