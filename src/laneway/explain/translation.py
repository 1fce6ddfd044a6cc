"""Which of its addresses the host takes for a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.explain.terrain import holds
from laneway.state.prefix import IPV4, is_link_local, prefix

if TYPE_CHECKING:
    from laneway.explain.terrain import Terrain
    from laneway.state.prefix import Prefix
    from laneway.state.underlay import HostAddress

LABELS = (
    (prefix("::1/128"), 0),
    (prefix("::ffff:0:0/96"), 4),
    (prefix("2002::/16"), 2),
    (prefix("2001::/32"), 5),
    (prefix("fc00::/7"), 13),
)
"""The kernel's default address labels (net/ipv6/addrlabel.c, RFC 6724); everything else has 1."""


def masquerade_address(terrain: Terrain, *, link: str, nexthop: bytes, to: bytes) -> bytes | None:
    """Return the address that masquerading out of `link` gives; None: the link has none, the packet is dropped."""
    if len(to) == IPV4:
        return _select4([each.address for each in terrain.underlay.addresses if each.link == link], nexthop)
    return own_address6(terrain.underlay.addresses, link=link, to=to)


def own_address(terrain: Terrain, *, link: str, nexthop: bytes, to: bytes) -> bytes | None:
    """Return the source that the host's own packets take."""
    if terrain.is_local(to):
        return _primary(terrain, to)
    return masquerade_address(terrain, link=link, nexthop=nexthop, to=to)


def _primary(terrain: Terrain, to: bytes) -> bytes:
    """Return the source for a packet to an own address: in IPv4 the first one of its network on its link."""
    for link, own, _ in terrain.underlay.addresses:
        if own.address == to and len(to) == IPV4:
            alike = (each.address for each in terrain.underlay.addresses if each.link == link)
            return next(each.address for each in alike if each.length == own.length and holds(each, to))
    return to


def _select4(addresses: list[Prefix], nexthop: bytes) -> bytes | None:
    """Return the first address on the next hop's network, or else the first (net/ipv4/devinet.c, inet_select_addr)."""
    own = [each for each in addresses if each.family == IPV4]
    near = (each for each in own if holds(each, nexthop))
    found = next(near, None) or next(iter(own), None)
    return found.address if found else None


def own_address6(addresses: tuple[HostAddress, ...], *, link: str, to: bytes) -> bytes | None:
    """Return the source by the rules that tell global addresses apart (RFC 6724, 5: rules 1, 3, 5, 6 and 8)."""
    usable = [each for each in addresses if len(each.address.address) > IPV4 and not is_link_local(each.address)]
    usable = [each for each in usable if each.link != "lo"]

    def rank(each: HostAddress) -> tuple[bool, bool, bool, bool, int]:
        own = each.address.address
        common = min(_common_bits(own, to), each.address.length)
        return own == to, not each.deprecated, each.link == link, _label(own) == _label(to), common

    return max(usable, key=rank).address.address if usable else None


def _label(address: bytes) -> int:
    return next((label for each, label in LABELS if holds(each, address)), 1)


def _common_bits(one: bytes, other: bytes) -> int:
    return len(one) * 8 - (int.from_bytes(one) ^ int.from_bytes(other)).bit_length()
