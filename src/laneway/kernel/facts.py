"""Facts of the host that are not laneway's to change, but that shape what it programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.kernel import gateways, listeners, nft_table, sysctls
from laneway.kernel.link_messages import DUMP_ADDRESSES, OUR_GROUPS, RTM_GETADDR, addresses, advertised
from laneway.kernel.netns import LOOPBACK
from laneway.kernel.route_messages import RTM_GETROUTE, dump_routes, routes
from laneway.state.facts import HostFacts, MainWay, uplink_routes
from laneway.state.prefix import IPV6
from laneway.state.routing import MAIN_TABLE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from laneway.kernel.link_messages import SeenLink
    from laneway.kernel.netlink import NetlinkSocket
    from laneway.kernel.observe import Sight
    from laneway.kernel.route_messages import SeenRoute
    from laneway.state.facts import Variant
    from laneway.state.prefix import Prefix

_FROM_A_ROUTER = 9  # RTPROT_RA (linux/rtnetlink.h)

_CARDS = frozenset(("", "bond", "team", "vlan"))
"""Kinds of links (IFLA_INFO_KIND) that are network cards, which have none, or made of network cards."""


def read(
    kernel: NetlinkSocket,
    sight: Sight,
    *,
    variant: Variant,
    uplinks: Sequence[str],
    priors: Mapping[str, str],
) -> HostFacts:
    """Return the facts of the host that was seen; of a sysctl that laneway changed, its prior value."""
    theirs = [link for link in sight.links if link.group not in OUR_GROUPS]
    indexes = {link.number: link.name for link in theirs if link.name in uplinks}
    in_order = sorted(indexes.items(), key=lambda item: item[1])
    by_link = {name: gateways.unicast(kernel, index, MAIN_TABLE) for index, name in in_order}
    own = tuple(sorted(own_addresses(kernel, {link.number: link.name for link in theirs})))
    keys = [*sysctls.HOST_KEYS, *(key.format(name) for name in sorted(set(uplinks)) for key in sysctls.UPLINK_KEYS)]
    present = sysctls.read([*keys, *priors])  # of an interface that is gone, there is none to have a prior value
    listening, besides = _before_it_forwards(kernel, theirs, present)
    present |= sysctls.read(besides)
    return HostFacts(
        variant=variant,
        interfaces=frozenset(link.name for link in theirs if link.up),
        gateways=gateways.read(kernel, indexes, sight.rules, own),
        uplink_routes=uplink_routes(_ways(by_link)),
        addresses=own,
        sysctls=present | {key: priors[key] for key in present if key in priors},
        listeners=listeners.read(),
        listening=listening,
        present=present,
        nftables=nft_table.is_there(),
    )


def own_addresses(kernel: NetlinkSocket, names: Mapping[int, str]) -> Iterator[tuple[str, Prefix]]:
    """Yield the addresses on the links with these indexes."""
    for each in addresses(kernel.dump(RTM_GETADDR, DUMP_ADDRESSES)):
        if each.link in names:
            yield names[each.link], each.address


def _before_it_forwards(
    kernel: NetlinkSocket, theirs: Sequence[SeenLink], present: Mapping[str, str]
) -> tuple[frozenset[str], list[str]]:
    """Return the links of others that have learnt from routers, and sysctls of others' links that forwarding changes.

    None of either where the host forwards already: nothing can be said of before then.
    """
    begins = [family for family, key in sysctls.FORWARDS.items() if present.get(key) == "0"]
    keys = [sysctls.FORWARDING[family].format(link.name) for family in begins for link in theirs]
    listening = frozenset(learners(theirs, _have_learnt(kernel))) if IPV6 in begins else frozenset()
    return listening, [*keys, *(sysctls.ACCEPT_RA.format(name) for name in sorted(listening))]


def learners(theirs: Sequence[SeenLink], learnt: Collection[int]) -> Iterator[str]:
    """Yield the links of others by which the host itself has learnt, of the links with these indexes, from a router.

    What a port receives is its bridge's or bond's; in a VRF a link still speaks for itself. Behind a tap sit guests,
    and behind a veth pair, but where the machine is a container itself: then that is its network card. A bridge is the
    host's way out where a network card, or a bond or VLAN of some, is its port (an operator may come by it); all others
    are networks of guests.
    """
    kinds = {link.number: link.kind for link in theirs}
    cards = any(not link.kind and link.name != LOOPBACK for link in theirs)
    guests = {"bridge", "tun", *(["veth"] if cards else [])}
    outward = {link.master for link in theirs if link.kind in _CARDS}
    for link in theirs:
        alone = not link.master or kinds.get(link.master) == "vrf"
        if alone and link.number in learnt and (link.kind not in guests or link.number in outward):
            yield link.name


def _have_learnt(kernel: NetlinkSocket) -> frozenset[int]:
    """Return the indexes of the links with IPv6 routes or addresses that routers have advertised."""
    found = routes(kernel.dump(RTM_GETROUTE, dump_routes(protocol=_FROM_A_ROUTER)))
    by_route = {hop.link for seen in found if seen.protocol == _FROM_A_ROUTER for hop in seen.hops}
    return frozenset(by_route | set(advertised(kernel.dump(RTM_GETADDR, DUMP_ADDRESSES))))


def _ways(by_link: Mapping[str, Sequence[SeenRoute]]) -> Iterator[MainWay]:
    for name, seen in by_link.items():
        for route in seen:
            yield MainWay(name, route.to, route.metric, tuple(hop.via for hop in route.hops), route.more)
