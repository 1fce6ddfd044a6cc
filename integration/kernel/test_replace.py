"""A change of what is there leaves everything as wished, and what did not have to go in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from integration.kernel.samples import BRIDGE, LANE, MASK, NETNS, TABLE, VETH, creation, linux, one_of_everything
from laneway.plan.steps import Op, Step
from laneway.state.links import GROUP, HOST, Link, LinkKey, LinkKind, Netns
from laneway.state.marks import FwMark
from laneway.state.prefix import ANY, IPV4, IPV6, prefix
from laneway.state.routing import TERMINATOR_METRIC, Route, RouteKey, RouteKind
from laneway.state.sets import IpSet, SetEntry, SetType

if TYPE_CHECKING:
    from integration.throwaway import Throwaway
    from laneway.state.host import HostState

OTHER = "lwb-other"
INNER = LinkKey(NETNS, "eth0")


def changed(kind: str, key: Any, new: Any) -> tuple[HostState, HostState]:
    """Make the sample, replace one object of it, and return what is there and what should be."""
    host = linux()
    wished = one_of_everything()
    wished.links[LinkKey(HOST, OTHER)] = Link(LinkKind.BRIDGE, GROUP, mac=bytes.fromhex("020102030406"), up=False)
    host.run(creation(wished))
    old = getattr(host.read(), kind)[key]
    host.run([Step(Op.REPLACE, kind, key, old, new)])
    getattr(wished, kind)[key] = new
    observed = host.read()
    for name in observed.sysctls.keys() - wished.sysctls.keys():  # those of the other bridge
        del observed.sysctls[name]
    return observed, wished


def _bridge() -> Link:
    return one_of_everything().links[LinkKey(HOST, BRIDGE)]


def _veth() -> Link:
    return one_of_everything().links[LinkKey(HOST, VETH)]


@pytest.mark.parametrize(
    ("kind", "key", "new"),
    [
        pytest.param("netns", NETNS, Netns("another alias", up=False), id="netns"),
        pytest.param("links", LinkKey(HOST, BRIDGE), _bridge()._replace(alias="x", mac=b"\2\1\1\1\1\1"), id="bridge"),
        pytest.param("links", LinkKey(HOST, VETH), _veth()._replace(master=OTHER, alias=""), id="veth to other bridge"),
        pytest.param("links", LinkKey(HOST, VETH), _veth()._replace(master="", hairpin=False), id="veth to no bridge"),
        pytest.param("links", LinkKey(HOST, VETH), _veth()._replace(hairpin=False), id="veth without hairpin"),
        pytest.param("sysctls", f"net/ipv4/conf/{BRIDGE}/rp_filter", "1", id="sysctl"),
        pytest.param("sysctls", f"net/ipv6/conf/{BRIDGE}/accept_ra", "2", id="sysctl v6"),
        pytest.param(
            "routes",
            RouteKey(HOST, TABLE, ANY[IPV4], TERMINATOR_METRIC),
            Route(RouteKind.UNICAST, BRIDGE, prefix("10.20.0.9").address),
            id="route",
        ),
        pytest.param(
            "routes",
            RouteKey(HOST, TABLE, ANY[IPV6], TERMINATOR_METRIC),
            Route(RouteKind.UNICAST, BRIDGE, prefix("fd20::9").address),
            id="route v6",
        ),
        pytest.param(
            "routes", RouteKey(HOST, TABLE, prefix("10.20.0.0/24"), 0), Route(RouteKind.PROHIBIT), id="route to refusal"
        ),
        pytest.param("files", "/etc/iproute2/rt_tables.d/laneway.conf", "20018\tother\n", id="file"),
        pytest.param("sets", "lw-net4", IpSet(SetType.NET, IPV4, marks=True), id="set gains marks"),
        pytest.param("sets", "lw-pub4-north", IpSet(SetType.NET_PORT, IPV4, marks=False), id="set loses marks"),
        pytest.param(
            "entries",
            SetEntry("lw-src4", prefix("10.20.0.0/24"), iface=BRIDGE),
            FwMark(0x990000, MASK),
            id="mark of an entry",
        ),
    ],
)
def test_replaced_objects_are_as_wished_and_all_others_as_before(
    throwaway: Throwaway, kind: str, key: Any, new: Any
) -> None:
    observed, wished = throwaway.call(changed, kind, key, new)

    if kind == "sets":  # entries gain or lose what their set can hold
        mark = FwMark(0, 0) if new.marks else None
        wished = wished.replaced(
            entries={entry: mark if entry.set == key else old for entry, old in wished.entries.items()}
        )
    assert observed == wished


def test_a_live_set_gains_marks_under_the_rule_that_uses_it(throwaway: Throwaway) -> None:
    throwaway.sh("ipset create lw-net4 hash:net; ipset add lw-net4 10.20.0.0/24")
    throwaway.sh("iptables-legacy -A INPUT -m set --match-set lw-net4 src")
    old, new = IpSet(SetType.NET, IPV4, marks=False), IpSet(SetType.NET, IPV4, marks=True)

    throwaway.call(lambda: linux().run([Step(Op.REPLACE, "sets", "lw-net4", old, new)]))

    saved = throwaway.sh("ipset save")
    assert "skbinfo" in saved
    assert "add lw-net4 10.20.0.0/24" in saved
    assert "lw-aside" not in saved


def test_a_set_of_another_type_is_made_anew(throwaway: Throwaway) -> None:
    throwaway.sh("ipset create lw-net4 hash:ip; ipset add lw-net4 10.20.0.1")

    def change() -> HostState:
        host = linux()
        old = host.read().sets["lw-net4"]
        host.run([Step(Op.REPLACE, "sets", "lw-net4", old, IpSet(SetType.NET, IPV4, marks=True))])
        return host.read()

    observed = throwaway.call(change)

    assert (observed.sets, observed.entries) == ({"lw-net4": IpSet(SetType.NET, IPV4, marks=True)}, {})


def test_a_link_of_the_wrong_kind_in_our_group_is_made_anew(throwaway: Throwaway) -> None:
    throwaway.sh(f"ip link add {BRIDGE} group 27767 type veth peer name x0")

    def change() -> tuple[Link, Link]:
        host = linux()
        key = LinkKey(HOST, BRIDGE)
        old = host.read().links[key]
        host.run([Step(Op.REPLACE, "links", key, old, _bridge())])
        return old, host.read().links[key]

    old, new = throwaway.call(change)

    assert (old.kind, old.peer) == (LinkKind.VETH, None)
    assert new == _bridge()


def test_a_veth_whose_far_end_was_taken_away_is_made_anew(throwaway: Throwaway) -> None:
    throwaway.call(lambda: linux().run(creation(one_of_everything())))
    throwaway.sh(f"ip netns add other; ip -n {NETNS} link set eth0 netns other")

    def change() -> tuple[Link, HostState]:
        host = linux()
        key = LinkKey(HOST, VETH)
        old = host.read().links[key]
        new = one_of_everything().links[INNER]
        host.run([Step(Op.REPLACE, "links", key, old, _veth()), Step(Op.CREATE, "links", INNER, new=new)])
        return old, host.read()

    old, observed = throwaway.call(change)

    assert old.peer is None
    assert observed.links == one_of_everything().links
    assert throwaway.sh("ip -n other -br link show type veth") == ""


def test_a_mark_of_an_unmarked_entry_reads_as_the_mark_that_changes_nothing(throwaway: Throwaway) -> None:
    throwaway.sh("ipset create lw-src4 hash:net,iface skbinfo; ipset add lw-src4 10.0.0.0/8,b0")

    observed = throwaway.call(lambda: linux().read())

    assert observed.entries == {SetEntry("lw-src4", prefix("10.0.0.0/8"), iface="b0"): FwMark(0, 0)}
    assert LANE not in observed.entries.values()
