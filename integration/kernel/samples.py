"""A small state with one of everything, and steps made of states."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from laneway.kernel.foreign_rules import ForeignRules
from laneway.kernel.host import LinuxHost
from laneway.kernel.ports import ChainsRead
from laneway.plan.steps import Op, Step
from laneway.state.host import HostState
from laneway.state.links import GROUP, HOST, AddressKey, Link, LinkKey, LinkKind, Netns
from laneway.state.marks import FwMark
from laneway.state.prefix import ANY, IPV4, IPV6, prefix
from laneway.state.routing import (
    IPV6_METRIC,
    MAIN_TABLE,
    TERMINATOR_METRIC,
    FibRule,
    Route,
    RouteKey,
    RouteKind,
    RuleAction,
)
from laneway.state.sets import IpSet, SetEntry, SetType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from laneway.state.chains import Chain, ChainKey
    from laneway.state.facts import Variant

BRIDGE = "lwb-acme"
VETH = "lwv-acme-web"
NETNS = "acme-web"
MASK = 0xFFFF0000
LANE = FwMark(0x110000, MASK)
TABLE = 20017


class NoChains:
    """A host without a rule of iptables."""

    variant: Variant = "legacy"

    def read(self) -> ChainsRead:
        """Return nothing."""
        return ChainsRead({}, {}, {})

    def run(self, steps: Sequence[Step]) -> None:
        """Refuse: no test here has such a step."""
        raise AssertionError(steps)

    def second_look(self, chains: Mapping[ChainKey, Chain]) -> AbstractContextManager[Callable[[], tuple[str, ...]]]:
        """See nothing."""
        del chains
        return nullcontext(tuple)

    def others(self) -> ForeignRules:
        """Return nothing."""
        return ForeignRules()


def linux() -> LinuxHost:
    """Return the host that the process is on."""
    return LinuxHost(chains=NoChains())


def one_of_everything() -> HostState:
    """Return a tenant with a workload, a lane, and what leads to it; no uplink is needed."""
    inner = LinkKey(NETNS, "eth0")
    return HostState(
        netns={NETNS: Netns("laneway tenant=acme workload=web")},
        links={
            LinkKey(HOST, BRIDGE): Link(
                LinkKind.BRIDGE, GROUP, mac=bytes.fromhex("020102030405"), alias="laneway tenant=acme"
            ),
            LinkKey(HOST, VETH): Link(
                LinkKind.VETH, GROUP, master=BRIDGE, peer=inner, hairpin=True, alias="laneway tenant=acme workload=web"
            ),
            inner: Link(LinkKind.PEER, GROUP, mac=bytes.fromhex("020102030406")),
        },
        addresses={
            AddressKey(HOST, BRIDGE, prefix("10.20.0.1/24")): None,
            AddressKey(HOST, BRIDGE, prefix("fd20::1/64")): None,
            AddressKey(NETNS, "eth0", prefix("10.20.0.10/24")): None,
            AddressKey(NETNS, "eth0", prefix("fd20::10/64")): None,
        },
        sysctls={
            f"net/ipv4/conf/{BRIDGE}/rp_filter": "2",
            f"net/ipv4/conf/{BRIDGE}/arp_ignore": "2",
            f"net/ipv4/conf/{BRIDGE}/arp_announce": "2",
            f"net/ipv4/conf/{BRIDGE}/accept_source_route": "0",
            f"net/ipv6/conf/{BRIDGE}/seg6_enabled": "0",
            f"net/ipv6/conf/{BRIDGE}/accept_ra": "0",
            f"net/ipv6/conf/{BRIDGE}/addr_gen_mode": "1",
            f"net/ipv6/conf/{BRIDGE}/disable_ipv6": "0",
            f"net/ipv6/conf/{VETH}/disable_ipv6": "1",
            f"net/ipv4/conf/{VETH}/arp_ignore": "8",
        },
        routes=_routes(),
        files={
            "/etc/iproute2/rt_protos.d/laneway.conf": "147\tlaneway\n",
            "/etc/iproute2/rt_tables.d/laneway.conf": f"{TABLE}\tlw.acme.north\n",
            f"/etc/netns/{NETNS}/resolv.conf": "# laneway tenant=acme\nnameserver 10.20.0.53\n",
        },
        sets={
            "lw-allow4": IpSet(SetType.IP_PORT_NET, IPV4, marks=True),
            "lw-allow6": IpSet(SetType.IP_PORT_NET, IPV6, marks=True),
            "lw-src4": IpSet(SetType.NET_IFACE, IPV4, marks=True),
            "lw-src6": IpSet(SetType.NET_IFACE, IPV6, marks=True),
            "lw-net4": IpSet(SetType.NET, IPV4, marks=False),
            "lw-pub4-north": IpSet(SetType.NET_PORT, IPV4, marks=True),
            "lw-host6": IpSet(SetType.NET_PORT, IPV6, marks=False),
        },
        entries={
            SetEntry("lw-allow4", prefix("10.20.0.10"), protocol=6, port=5432, net2=prefix("10.30.0.0/24")): LANE,
            SetEntry("lw-allow6", prefix("fd20::10"), protocol=6, port=5432, net2=prefix("fd30::/64")): LANE,
            SetEntry("lw-src4", prefix("10.20.0.0/24"), iface=BRIDGE): LANE,
            SetEntry("lw-src6", prefix("fd20::/64"), iface=BRIDGE): LANE,
            SetEntry("lw-net4", prefix("10.20.0.0/24")): None,
            SetEntry("lw-pub4-north", prefix("0.0.0.0/1"), protocol=6, port=8080): LANE,
            SetEntry("lw-pub4-north", prefix("128.0.0.0/1"), protocol=17, port=5300): FwMark(0x120000, MASK),
            SetEntry("lw-host6", prefix("fd20::/64"), protocol=58, port=128 << 8): None,
        },
        fib_rules={
            rule: None
            for family in (IPV4, IPV6)
            for rule in (
                FibRule(family, 10000, RuleAction.GOTO, FwMark(0, MASK), 19999),
                FibRule(family, 10100, RuleAction.LOOKUP, LANE, TABLE),
                FibRule(family, 10101, RuleAction.UNREACHABLE),
                FibRule(family, 10102, RuleAction.PROHIBIT, FwMark(0x130000, MASK)),
                FibRule(family, 19999, RuleAction.NOP),
            )
        },
    )


def _routes() -> dict[RouteKey, Route]:
    return {
        RouteKey(HOST, TABLE, ANY[IPV4], TERMINATOR_METRIC): Route(RouteKind.UNREACHABLE),
        RouteKey(HOST, TABLE, ANY[IPV6], TERMINATOR_METRIC): Route(RouteKind.UNREACHABLE),
        RouteKey(HOST, TABLE, prefix("10.20.0.0/24"), 0): Route(RouteKind.UNICAST, BRIDGE),
        RouteKey(HOST, TABLE, prefix("fd20::/64"), IPV6_METRIC): Route(RouteKind.UNICAST, BRIDGE),
        RouteKey(HOST, TABLE, prefix("172.16.0.0/12"), 0): Route(
            RouteKind.UNICAST, BRIDGE, prefix("10.20.0.254").address
        ),
        RouteKey(HOST, TABLE, prefix("192.168.0.0/16"), 0): Route(RouteKind.BLACKHOLE),
        RouteKey(HOST, TABLE, prefix("fd00::/16"), IPV6_METRIC): Route(RouteKind.PROHIBIT),
        RouteKey(NETNS, MAIN_TABLE, ANY[IPV4], 0): Route(RouteKind.UNICAST, "eth0", prefix("10.20.0.1").address),
        RouteKey(NETNS, MAIN_TABLE, ANY[IPV6], IPV6_METRIC): Route(
            RouteKind.UNICAST, "eth0", prefix("fd20::1").address
        ),
    }


def creation(state: HostState) -> list[Step]:
    """Return the steps that make all of `state`."""
    return [
        Step(Op.CREATE, kind, key, new=value)
        for kind, mapping in state.kinds().items()
        for key, value in in_order(kind, mapping)
    ]


def deletion(state: HostState) -> list[Step]:
    """Return the steps that delete all of `state`; a veth's far end goes with it."""
    return [
        Step(Op.DELETE, kind, key, old=value)
        for kind, mapping in reversed(state.kinds().items())
        for key, value in reversed(in_order(kind, mapping))
        if not (kind == "links" and value.kind is LinkKind.PEER)
    ]


def in_order(kind: str, mapping: dict[Any, Any]) -> list[tuple[Any, Any]]:
    """Return a mapping's items in an order in which they can be made."""
    if kind == "fib_rules":  # the target of a goto first
        return sorted(mapping.items(), key=lambda item: (item[0].family, -item[0].priority))
    return sorted(mapping.items(), key=lambda item: repr(item[0]) if kind == "entries" else item[0])
