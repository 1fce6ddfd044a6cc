"""What a route has besides where it leads, as ip-route(8) writes it, and back (linux/rtnetlink.h).

Laneway gives its routes none of it. One of our protocol that somebody gave a source address, an MTU or another type of
service is still not the route that we wrote, and to be deleted, or put back, it has to be named in full.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from laneway.kernel.netlink import attribute, attributes, nested, u32
from laneway.kernel.reasons import refusing_nonsense
from laneway.state import routing
from laneway.state.prefix import Prefix, address_text, prefix
from laneway.state.routing import PLACE, PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_RTA_SRC = 2
_RTA_PREFSRC = 7
_RTA_METRICS = 8

# Destination, device, gateway, metric, further ways, what a cache tells, table, gateway of the other family, preference
# among routers, and a nexthop object, whose device and gateway are told beside it.
_USUAL = frozenset((1, 4, 5, 6, 9, 12, 15, 18, 20, 30))

_METRICS = {2: "mtu", 3: "window", 8: "advmss", 9: "reordering", 10: "hoplimit", 11: "initcwnd", 14: "initrwnd"}
_METRIC_NUMBERS = {word: kind for kind, word in _METRICS.items()}
_NUMBER = Struct("=I")
_UNNAMED = "attribute"  # and its number: one that is not known here, as hexadecimal digits


class Header(NamedTuple):
    """What of it stands in a route's header."""

    from_: int = 0  # the length of a prefix
    tos: int = 0
    protocol: int = PROTOCOL


def written(header: Header, found: Mapping[int, bytes]) -> str:
    """Return what a route of these attributes has besides where it leads; nothing of one that laneway wrote."""
    if not any(header[:2]) and found.keys() <= _USUAL:  # nearly every route
        return ""
    return " ".join(_words(header, found))


def _words(header: Header, found: Mapping[int, bytes]) -> Iterator[str]:
    if header.tos:
        yield f"tos {header.tos:#04x}"
    for kind in sorted(found.keys() - _USUAL):
        value = found[kind]
        metrics = attributes(value) if kind == _RTA_METRICS else {}
        if kind == _RTA_SRC:
            yield f"from {Prefix(value, header.from_)}"
        elif kind == _RTA_PREFSRC:
            yield f"src {address_text(value)}"
        elif metrics and metrics.keys() <= _METRICS.keys():
            yield from (f"{_METRICS[each]} {_NUMBER.unpack(metrics[each])[0]}" for each in sorted(metrics))
        else:
            yield f"{_UNNAMED}{kind} {value.hex()}"


def read(words: str) -> tuple[Header, bytes]:
    """Return the header and the attributes that say `words`; raises HostRefused for what no route says."""
    with refusing_nonsense("route", words):
        return _read(words)


def _read(words: str) -> tuple[Header, bytes]:
    header = Header()
    parts: list[bytes] = []
    metrics: list[bytes] = []
    each = iter(words.split())
    for word, value in zip(each, each, strict=True):
        match word:
            case "tos":
                header = header._replace(tos=int(value, 0))
            case routing.FOREIGN:
                header = header._replace(protocol=int(value))
            case "from":
                net = prefix(value)
                header = header._replace(from_=net.length)
                parts.append(attribute(_RTA_SRC, net.address))
            case "src":
                parts.append(attribute(_RTA_PREFSRC, prefix(value).address))
            case _ if word in _METRIC_NUMBERS:
                metrics.append(u32(_METRIC_NUMBERS[word], int(value)))
            case _ if word != PLACE:
                parts.append(attribute(int(word.removeprefix(_UNNAMED)), bytes.fromhex(value)))
    if metrics:
        parts.append(nested(_RTA_METRICS, *metrics))
    return header, b"".join(parts)
