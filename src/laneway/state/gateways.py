"""What a host's own default routes say the gateways of its links are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.state.prefix import IPV4, Prefix, inside, is_link_local, network_of, prefix
from laneway.state.routing import MAIN_TABLE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence


class DefaultRoute(NamedTuple):
    """A default route, as far as it leads by one link."""

    table: int
    family: int
    link: str
    metric: int
    via: bytes  # of either family (RFC 8950); empty: the link is enough


class LookUp(NamedTuple):
    """An ip rule of somebody else's that leads to a table of its own."""

    family: int
    priority: int
    table: int
    asks: str  # of a packet, as ip-rule(8) writes it; "": nothing

    def concerns(self, link: str, addresses: Iterable[tuple[str, Prefix]]) -> bool:
        """Return whether what leaves by a link, from an address on it, is looked up there (LARTC 4.2)."""
        words = self.asks.split()
        for word, value in zip(words[::2], words[1::2], strict=False):
            match word:
                case "from":
                    network = prefix(value)
                    own = (Prefix(each.address, len(each.address) * 8) for name, each in addresses if name == link)
                    if not any(inside(each, network) for each in own):
                        return False
                case "oif" if value == link:
                    continue
                case "iif" if value == "lo":
                    continue
                case _:
                    return False
        return not len(words) % 2


def gateways(
    defaults: Iterable[DefaultRoute], look_ups: Sequence[LookUp], addresses: Sequence[tuple[str, Prefix]]
) -> dict[tuple[str, int], bytes]:
    """Return the gateway of each link and family: main's of the lowest metric, else of the first table asked.

    A host with several uplinks may have no default in main at all, and a table for what has each uplink's address.
    """
    found: dict[tuple[str, int], tuple[int, int, bytes]] = {}
    for each in defaults:
        rank = 0 if each.table == MAIN_TABLE else _rank(each, look_ups, addresses)
        if rank is not None:
            key, value = (each.link, each.family), (rank, each.metric, each.via)
            found[key] = min(found.get(key, value), value, key=lambda known: known[:2])
    return {key: via for key, (_, _, via) in sorted(found.items())}


def _rank(default: DefaultRoute, look_ups: Sequence[LookUp], addresses: Sequence[tuple[str, Prefix]]) -> int | None:
    asked = [
        each.priority + 1
        for each in look_ups
        if (each.table, each.family) == (default.table, default.family) and each.concerns(default.link, addresses)
    ]
    return min(asked, default=None)


def refused_gateway(
    interface: str, gateway: bytes, addresses: Collection[tuple[str, Prefix]], routes: Iterable[tuple[str, Prefix]]
) -> str:
    """Return the link for which the kernel refuses a route by the interface to a gateway; none: an empty name.

    A gateway is not an address of the host's own (fib_check_nh, ip6_validate_gw), and in IPv6 not in what main reaches
    by another link (ip6_route_check_nh_onlink). Asked for such a route, it would refuse all that is asked for with it.
    """
    alone = Prefix(gateway, len(gateway) * 8)
    if is_link_local(alone):
        return ""
    networks = {(link, network_of(each)) for link, each in addresses} | {(link, to) for link, to in routes if to.length}
    holding = [(each.length, link) for link, each in networks if inside(alone, each)]
    own = [link for link, each in addresses if each.address == gateway]
    longest = sorted(link for length, link in holding if length == max(holding)[0])
    if own or alone.family == IPV4 or not longest or interface in longest:
        return own[0] if own else ""
    return longest[0]


def sharing_a_network(addresses: Iterable[tuple[str, Prefix]], links: Collection[str]) -> frozenset[str]:
    """Return which of these links have an IPv4 address in the network of another of them."""
    networks = {(link, network_of(each)) for link, each in addresses if link in links and each.family == IPV4}
    return frozenset(
        link
        for link, one in networks
        if any(link != other and (inside(one, two) or inside(two, one)) for other, two in networks)
    )
