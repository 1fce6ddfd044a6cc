"""What compiling needs to know of the host, and what on it belongs to others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence  # noqa: TC003  read at run time, by state.portable
from typing import Literal, NamedTuple

from laneway.state.gates import GateTable
from laneway.state.links import LinkKey
from laneway.state.marks import FwMark
from laneway.state.prefix import Prefix, is_link_local

Variant = Literal["legacy", "nft"]


class UplinkRoute(NamedTuple):
    """A unicast route of table main by an uplink's interface that is not the default."""

    interface: str
    to: Prefix
    via: bytes  # empty: on the link
    by_main: bool = False  # how it goes there only main can say


class MainWay(NamedTuple):
    """A unicast route of table main, as far as it leads by one interface."""

    interface: str
    to: Prefix
    metric: int
    gateways: tuple[bytes, ...]  # empty for who is on the link; none at all: a next hop object says it
    more: str  # what it has besides, as ip-route(8) writes it


def uplink_routes(ways: Iterable[MainWay]) -> tuple[UplinkRoute, ...]:
    """Return what main knows by its uplinks but for defaults: of ways to one prefix, the one of the lowest metric.

    What depends on more than the destination, or has a gateway of the other family, is for main to say.
    """
    found: dict[tuple[str, Prefix], list[MainWay]] = {}
    for way in ways:
        if way.to.length and not is_link_local(way.to):
            found.setdefault((way.interface, way.to), []).append(way)
    return tuple(sorted(_best(alike) for alike in found.values()))


def _best(alike: Sequence[MainWay]) -> UplinkRoute:
    first = min(alike, key=lambda each: each.metric)
    via = first.gateways[0] if first.gateways else None
    special = any({"tos", "from"} & set(each.more.split()) for each in alike)
    if special or via is None or len(via) not in (0, len(first.to.address)):
        return UplinkRoute(first.interface, first.to, b"", by_main=True)
    return UplinkRoute(first.interface, first.to, via)


class Listener(NamedTuple):
    """A socket at which the host itself takes what comes."""

    protocol: Literal["tcp", "udp"]
    port: int
    address: bytes  # all zeros: every address, of IPv6 those of IPv4 too


class HostFacts(NamedTuple):
    """Facts of the host that are not laneway's to change, but that shape what it programs, or says."""

    variant: Variant
    interfaces: frozenset[str]  # links of the host that are administratively up
    gateways: Mapping[tuple[str, int], bytes] = {}  # by interface and family, of the host's own default routes
    uplink_routes: tuple[UplinkRoute, ...] = ()
    addresses: tuple[tuple[str, Prefix], ...] = ()  # the host's own, by interface, but for those on laneway's links
    sysctls: Mapping[str, str] = {}  # as before laneway: the recorded prior, else the present value
    listeners: frozenset[Listener] = frozenset()
    listening: frozenset[str] = frozenset()  # links of others that hold what they learnt from router advertisements
    turned: frozenset[str] = frozenset()  # sysctls that laneway turned, as their recorded priors say
    present: Mapping[str, str] = {}  # sysctls as they are now, where that is known
    nftables: bool = True  # the kernel can hold native tables of nftables


class Networks(NamedTuple):
    """What of others' a host may forward packets for, each with its family."""

    links: frozenset[tuple[int, str]] = frozenset()  # that are up and have an address: name#index
    rules: frozenset[tuple[int, str]] = frozenset()  # that translate, or accept what is forwarded


class MarkUse(NamedTuple):
    """Packet-mark bits that something else on the host uses."""

    mark: FwMark
    where: str  # the rule, as its own tool prints it
    writes: bool = False
    masked: str = ""  # how it would be written to write no more than it means to, where that can be said


class ForeignFibRule(NamedTuple):
    """An `ip rule` of somebody else's."""

    family: int
    priority: int
    text: str


class ForwardedPort(NamedTuple):
    """Ports of the host that a rule of somebody else's sends on (DNAT, REDIRECT): nobody need listen there."""

    family: int  # 0: of both
    protocol: str  # "tcp" or "udp"
    first: int
    last: int
    address: bytes  # none: every address
    where: str  # the rule, as its own tool prints it
    before_ours: bool = False  # laneway's own DNAT does not see what it sends on


class ForeignRoute(NamedTuple):
    """A route of somebody else's."""

    table: int
    text: str


class ForeignWay(NamedTuple):
    """A unicast route of table main, not the default, by a link of somebody else's."""

    link: str
    to: Prefix
    text: str


class TableName(NamedTuple):
    """A line of rt_tables or of a file in rt_tables.d that is not ours."""

    table: int
    name: str
    file: str


class Inner(NamedTuple):
    """What root inside a workload made of its network namespace, beside the objects that are compared one by one."""

    netns: str
    text: str


class Foreign(NamedTuple):
    """Objects of others that laneway could collide with; it never changes them."""

    links: frozenset[LinkKey] = frozenset()  # of the host, without our group
    netns: frozenset[str] = frozenset()
    addresses: frozenset[tuple[str, Prefix]] = frozenset()  # (link, address/length) on links of others
    fib_rules: tuple[ForeignFibRule, ...] = ()
    routes: tuple[ForeignRoute, ...] = ()  # in tables other than main, local and default
    marks: tuple[MarkUse, ...] = ()
    table_names: tuple[TableName, ...] = ()
    ways: tuple[ForeignWay, ...] = ()
    defaults: frozenset[tuple[int, int]] = frozenset()  # families and tables, but for main, with a way to everywhere
    gates: tuple[GateTable, ...] = ()  # whose chains may refuse what passes
    forwarded: tuple[ForwardedPort, ...] = ()
    unseen: tuple[str, ...] = ()  # what could not be looked at, and why
    inner: tuple[Inner, ...] = ()
