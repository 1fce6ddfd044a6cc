"""The host's own network, under laneway's: what a packet meets besides laneway's objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.state.prefix import FAMILIES
from laneway.state.routing import RouteKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from laneway.state.prefix import Prefix


class HostAddress(NamedTuple):
    """An address of the host: packets for it end here."""

    link: str
    address: Prefix  # with the length of the network on the link
    deprecated: bool = False  # of IPv6: not for new flows (RFC 4862, 5.5.4)


class MainRoute(NamedTuple):
    """A route of table main, whoever's it is."""

    to: Prefix
    metric: int
    kind: RouteKind
    dev: str = ""
    via: bytes = b""  # empty: the destination is on the link


class Underlay(NamedTuple):
    """What of the host's network decides about packets, laneway's bridges and their main routes included."""

    addresses: tuple[HostAddress, ...] = ()  # of a link in the order in which the kernel has them
    routes: tuple[MainRoute, ...] = ()
    forwards: frozenset[int] = frozenset(FAMILIES)  # families in which the host passes packets on
    reverse_filter: Mapping[str, int] = {}  # rp_filter in effect: 0 off, 1 strict, 2 loose
    filters_bridged: frozenset[int] = frozenset()  # families whose bridged frames iptables sees (bridge-nf-call-…)
    assumed: bool = False  # nobody asked a host
