"""Whether a rule's conditions hold for a packet, each as its kernel module decides it (net/netfilter/xt_*.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.explain.packet import ICMP
from laneway.explain.terrain import holds
from laneway.state.chains import (
    Bridged,
    Confirmed,
    ConnMark,
    CtDirection,
    CtState,
    Dscp,
    FromGroup,
    FromLocal,
    FromPrefix,
    IcmpType,
    InInterface,
    InSet,
    Mark,
    OutInterface,
    Protocol,
    Resets,
    ToGroup,
    ToLocal,
    ToPorts,
    ToPrefix,
)
from laneway.state.sets import SetType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from laneway.explain.packet import Skb
    from laneway.explain.terrain import Found, Terrain
    from laneway.state.chains import Match
    from laneway.state.marks import FwMark

PARTS = {
    SetType.NET: ("net",),
    SetType.NET_IFACE: ("net", "iface"),
    SetType.NET_PORT: ("net", "port"),
    SetType.IP_PORT_NET: ("net", "port", "net2"),
}
"""What a type's elements are made of; a rule names a direction for each."""


def all_hold(matches: Sequence[Match], skb: Skb, terrain: Terrain) -> bool:
    """Return whether every condition holds."""
    return all(_holds(match, skb, terrain) for match in matches)


def _holds(match: Match, skb: Skb, terrain: Terrain) -> bool:  # noqa: C901, PLR0911, PLR0912  one case a kind
    match match:
        case InInterface(name):
            return skb.arrives.startswith(name[:-1]) if name.endswith("+") else skb.arrives == name
        case OutInterface(name):
            return skb.leaves == name
        case FromGroup(group):
            return bool(skb.arrives) and terrain.group(skb.arrives) == group
        case ToGroup(group):
            return bool(skb.leaves) and terrain.group(skb.leaves) == group
        case FromPrefix(prefix):
            return holds(prefix, skb.source)
        case ToPrefix(prefix, negated):
            return holds(prefix, skb.to) != negated
        case Protocol(number):
            return number in (0, skb.protocol)
        case ToPorts(first, last):
            return first <= skb.port <= last
        case Resets():
            return False  # it is no packet that begins anything, or answers
        case IcmpType(number):
            return skb.icmp_type == number
        case Dscp(value):
            return skb.dscp == value
        case Mark(mark, negated):
            return _marked(skb.mark, mark) != negated
        case ConnMark(mark, negated):
            return skb.flow is not None and _marked(skb.flow.mark, mark) != negated
        case CtState(states, negated):
            return (not skb.states.isdisjoint(states)) != negated
        case CtDirection(direction):
            return skb.reply == (direction == "REPLY")
        case Confirmed(negated):
            return skb.flow is not None and skb.is_first == negated
        case InSet(_, _, negated):
            return (entry_of(match.set, match.directions, skb, terrain) is not None) != negated
        case FromLocal():
            return terrain.is_local(skb.source) or terrain.is_anycast(skb.source)
        case ToLocal(on_arrival_link, negated):
            return terrain.is_local(skb.to, skb.arrives if on_arrival_link else "") != negated
        case Bridged(negated):
            return skb.bridged != negated


def _marked(value: int, mark: FwMark) -> bool:
    return value & mark.mask == mark.value


def entry_of(name: str, directions: str, skb: Skb, terrain: Terrain) -> Found | None:
    """Return the entry of a set that a packet is in, seen in the directions of a rule."""
    header = terrain.state.sets.get(name)
    if header is None or header.family != skb.family:
        return None
    address = second = b""
    iface, protocol, port = "", 0, 0
    for part, direction in zip(PARTS[header.type], directions.split(","), strict=True):
        outward = direction == "dst"
        if part == "net":
            address = skb.to if outward else skb.source
        elif part == "net2":
            second = skb.to if outward else skb.source
        elif part == "iface":
            iface = skb.leaves if outward else skb.arrives
        else:
            protocol, port = skb.protocol, _port(skb, outward=outward)
    return terrain.entry(name, address, (iface, protocol, port), second)


def _port(skb: Skb, *, outward: bool) -> int:
    """Return what ipset takes for a port: of ICMP the type and the code, which is 0 here."""
    if skb.protocol == ICMP[skb.family]:
        return skb.icmp_type << 8
    return skb.port if outward else skb.source_port
