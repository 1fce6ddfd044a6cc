"""Ports, protocols, published ports and DSCP names, from the text that operators write."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from laneway.policy.fields import Invalid, quoted, suggestion, type_name
from laneway.policy.model import Ports, Service
from laneway.policy.values import unicast

if TYPE_CHECKING:
    from laneway.policy.model import Address

MAX_PORT = 65535
LONGEST_RANGE = 1024
"""Ports of one range that is published, allowed, or reached on the host: each is an entry of a set."""

MAX_DSCP = 63
MAX_PROTOCOL = 255

PROTOCOLS = {"tcp": 6, "udp": 17, "dccp": 33, "gre": 47, "esp": 50, "ah": 51, "sctp": 132, "udplite": 136}
"""Protocols by name (IANA protocol numbers); `icmp` is each family's own."""

WITH_PORTS = frozenset({"tcp", "udp", "sctp", "dccp", "udplite"})

DSCP = {
    **{f"cs{number}": number << 3 for number in range(8)},  # RFC 2474
    **{f"af{kind}{drop}": kind << 3 | drop << 1 for kind in range(1, 5) for drop in range(1, 4)},  # RFC 2597
    "ef": 46,  # RFC 3246
    "voice-admit": 44,  # RFC 5865
    "le": 1,  # RFC 8622
    "be": 0,
    "df": 0,
}
"""Differentiated services code points by name."""

EVERYWHERE = ("0.0.0.0", "[::]")  # noqa: S104  nothing is bound: it is refused

_PORTS = re.compile(r"([0-9]{1,6})(?:-([0-9]{1,6}))?", re.ASCII)
_PUBLISH = re.compile(r"(?:(\[[^\]]*\]|[^:\[\]]*):)?([0-9-]*):([0-9-]*)(?:/(.*))?", re.ASCII | re.DOTALL)
_PUBLISH_HINT = "it is written as 8080:80/tcp, 192.0.2.2:5353:53/udp or [2001:db8::2]:9000-9010:9000-9010/tcp"


class Publication(NamedTuple):
    """A published port as written, without its place."""

    host: Address | None
    host_ports: Ports
    ports: Ports
    protocol: Literal["tcp", "udp"]


def ports(value: object) -> Ports:
    """Return a port or a range of ports: `443`, `"443"`, `"8000-8080"`."""
    if type(value) is int:
        return _checked(value, value, value)
    if type(value) is not str:
        raise Invalid(f"a port must be an integer or a string, not {type_name(value)}")
    found = _PORTS.fullmatch(value)
    if found is None:
        raise Invalid(f"{quoted(value)} is not a port", 'ports are written as 443 or "8000-8080"')
    return _checked(int(found[1]), int(found[2] or found[1]), value)


def _checked(first: int, last: int, text: object) -> Ports:
    if first > last:
        raise Invalid(f"{quoted(text)} ends before it begins", f"write {last}-{first}")
    if first < 1 or last > MAX_PORT:
        raise Invalid(f"{quoted(text)} is not within the ports 1 to {MAX_PORT}")
    return Ports(first, last)


def publish(text: str) -> Publication:
    """Return a published port, written as container users write it: `[ADDRESS:]PORTS:PORTS[/PROTOCOL]`."""
    found = _PUBLISH.fullmatch(text)
    if found is None or not found[2] or not found[3]:
        raise Invalid(f"{quoted(text)} does not publish a port", _publish_hint(text))
    host, outside, inside = found[1], ports(found[2]), ports(found[3])
    if outside.size != inside.size:
        message = f"{quoted(text)} publishes {_count(outside)} as {_count(inside)}"
        raise Invalid(message, "both ranges must have the same length")
    if outside.size > LONGEST_RANGE:
        raise Invalid(f"{quoted(text)} publishes {outside.size} ports", f"one range has {LONGEST_RANGE} ports at most")
    return Publication(None if host is None else _host(host, text), outside, inside, _protocol(found[4], text))


def _publish_hint(text: str) -> str:
    plain, slash, protocol = text.partition("/")
    if _PORTS.fullmatch(plain):
        return f"write {plain}:{plain}{slash}{protocol} to publish it as the same port of the host"
    if text.count(":") > 2 and "[" not in text:  # noqa: PLR2004  an IPv6 address without brackets
        return "an IPv6 address stands in brackets: [2001:db8::2]:8080:80/tcp"
    return _PUBLISH_HINT


def _count(some: Ports) -> str:
    return "1 port" if some.size == 1 else f"{some.size} ports"


def _host(text: str, whole: str) -> Address:
    if not text.strip("[]"):
        raise Invalid(f"{quoted(whole)} has an empty host address", "leave the address and its colon out")
    if text.startswith("[") and ":" not in text:
        raise Invalid(f"{quoted(whole)}: only IPv6 addresses stand in brackets")
    if text in EVERYWHERE:
        hint = "leave the address out to publish the port on every address of the host, in both families"
        raise Invalid(f"{quoted(whole)}: {text} is no address of the host", hint)
    return unicast(text.strip("[]"))


def _protocol(text: str | None, whole: str) -> Literal["tcp", "udp"]:
    if text in ("tcp", None):
        return "tcp"
    if text == "udp":
        return "udp"
    raise Invalid(f"{quoted(whole)}: {quoted(text or '')} is neither tcp nor udp")


def service(text: str) -> Service:
    """Return a service: `"53/udp"`, `"8000-8010/tcp"` or `"icmp"`."""
    if text == "icmp":
        return Service("icmp", None)
    some, slash, protocol = text.partition("/")
    if protocol in ("tcp", "udp"):
        asked = ports(some)
        if asked.size > LONGEST_RANGE:
            raise Invalid(f"{quoted(text)} names {asked.size} ports", f"one range has {LONGEST_RANGE} ports at most")
        return Service("tcp" if protocol == "tcp" else "udp", asked)
    hint = f"write {some}/tcp or {some}/udp" if _PORTS.fullmatch(some) else 'write "53/udp", "8000-8010/tcp" or "icmp"'
    if slash and _PORTS.fullmatch(some):
        raise Invalid(f"{quoted(text)}: {quoted(protocol)} is neither tcp nor udp", hint)
    raise Invalid(f"{quoted(text)} is not a service", hint)


def protocol_name(value: object) -> str:
    """Return a protocol's name, or the number of one without a name here as text."""
    if type(value) is int or (type(value) is str and value.isascii() and value.isdigit() and len(value) <= 3):  # noqa: PLR2004
        number = int(value)
        if not 0 < number <= MAX_PROTOCOL:
            raise Invalid(f"protocol {quoted(number)} is not within 1 to {MAX_PROTOCOL}")
        return next((name for name, known in PROTOCOLS.items() if known == number), str(number))
    if type(value) is not str:
        raise Invalid(f"protocol must be a string or an integer, not {type_name(value)}")
    if value == "icmp" or value in PROTOCOLS:
        return value
    if value in ("icmpv6", "icmp6", "ipv6-icmp"):
        raise Invalid(f"{value} is called icmp here", "icmp means ICMPv6 in IPv6; write 58 for ICMPv6 alone")
    if value in ("all", "any", "ip", "ipv6", ""):
        raise Invalid(f"{quoted(value)} is not a protocol", "leave protocol out to match all of them")
    raise Invalid(f"unknown protocol {quoted(value)}", suggestion(value, ["icmp", *PROTOCOLS]))


def dscp(value: object) -> int:
    """Return a code point given by name or number (RFC 2474)."""
    if type(value) is str and value.isascii() and value.isdigit() and len(value) <= 2:  # noqa: PLR2004
        value = int(value)
    if type(value) is int:
        if 0 <= value <= MAX_DSCP:
            return value
        raise Invalid(f"dscp {quoted(value)} is not within 0 to {MAX_DSCP}")
    if type(value) is not str:
        raise Invalid(f"dscp must be a string or an integer, not {type_name(value)}")
    if value.lower() in DSCP:
        return DSCP[value.lower()]
    raise Invalid(f"unknown dscp {quoted(value)}", "names are cs0 to cs7, af11 to af43, ef, be and le; or 0 to 63")
