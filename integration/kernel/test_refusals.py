"""Every refusal names the step it belongs to, and says in words what stands in its way."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from integration.kernel.samples import BRIDGE, LANE, NETNS, TABLE, VETH, creation, linux, one_of_everything
from laneway.errors import HostRefused, StepFailed
from laneway.plan.steps import Op, Step
from laneway.state.host import HostState
from laneway.state.links import GROUP, HOST, AddressKey, Link, LinkKey, LinkKind, Netns
from laneway.state.prefix import IPV4, Prefix, prefix
from laneway.state.routing import Route, RouteKey, RouteKind
from laneway.state.sets import IpSet, SetEntry, SetType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from integration.throwaway import Throwaway

BRIDGE_LINK = Link(LinkKind.BRIDGE, GROUP)


def refusal(steps: Sequence[Step]) -> tuple[Step, str, str]:
    """Run steps that must fail, and return the step that did, the reason and the hint."""
    with pytest.raises(StepFailed) as caught:
        linux().run(steps)
    return caught.value.step, caught.value.reason, caught.value.hint


def make() -> None:
    linux().run(creation(one_of_everything()))


def _route(number: int) -> Step:
    to = Prefix(bytes((10, number >> 8, number & 255, 0)), 24)
    return Step(Op.CREATE, "routes", RouteKey(HOST, TABLE, to, 0), new=Route(RouteKind.BLACKHOLE))


def test_one_bad_route_among_two_thousand_is_the_step_that_failed(throwaway: Throwaway) -> None:
    steps = [_route(number) for number in range(2000)]
    bad = Step(
        Op.CREATE,
        "routes",
        RouteKey(HOST, TABLE, prefix("192.0.2.0/24"), 0),
        new=Route(RouteKind.UNICAST, "lo", prefix("127.0.0.1").address),
    )
    steps.insert(1234, bad)

    step, reason, _ = throwaway.call(refusal, steps)

    assert step == bad
    assert reason == "the kernel calls it invalid (Nexthop has invalid gateway)"


def test_of_many_refusals_the_first_is_told(throwaway: Throwaway) -> None:
    steps = [_route(number) for number in range(3000)]
    throwaway.call(lambda: linux().run(steps[700:]))

    step, reason, _ = throwaway.call(refusal, steps)

    assert step == steps[700]
    assert reason == "a route that is not laneway's already leads there with that metric"


@pytest.mark.parametrize(
    ("already", "step", "reason"),
    [
        pytest.param(
            f"ip link add {BRIDGE} type bridge",
            Step(Op.CREATE, "links", LinkKey(HOST, BRIDGE), new=BRIDGE_LINK),
            "a link of that name that is not laneway's is already there",
            id="link",
        ),
        pytest.param(
            f"ip netns add {NETNS}",
            Step(Op.CREATE, "netns", NETNS, new=Netns()),
            f"the network namespace {NETNS} is not laneway's",
            id="netns",
        ),
        pytest.param(
            f"mkdir -p /run/netns; touch /run/netns/{NETNS}",
            Step(Op.CREATE, "netns", NETNS, new=Netns()),
            f"/run/netns/{NETNS} is there already and is not laneway's",
            id="half-made netns of others",
        ),
        pytest.param(
            "true",
            Step(Op.CREATE, "netns", "../evil", new=Netns()),
            "'../evil' is no name for a network namespace",
            id="netns name",
        ),
        pytest.param(
            f"ip route add blackhole 10.0.0.0/24 table {TABLE}",
            _route(0),
            "a route that is not laneway's already leads there with that metric",
            id="route",
        ),
        pytest.param(
            "true",
            Step(
                Op.CREATE,
                "routes",
                RouteKey(HOST, TABLE, prefix("10.0.0.0/24"), 0),
                new=Route(RouteKind.UNICAST, "north0"),
            ),
            "there is no link north0",
            id="route by a missing link",
        ),
        pytest.param(
            "ip link add b0 type bridge",
            Step(
                Op.CREATE, "routes", RouteKey(HOST, TABLE, prefix("10.0.0.0/24"), 0), new=Route(RouteKind.UNICAST, "b0")
            ),
            "the route's link is down",
            id="route by a link that is down",
        ),
        pytest.param(
            "true",
            Step(Op.CREATE, "addresses", AddressKey("nowhere", "eth0", prefix("10.0.0.1/24"))),
            "there is no network namespace nowhere",
            id="address in a missing netns",
        ),
        pytest.param(
            "true",
            Step(Op.CREATE, "links", LinkKey(HOST, VETH), new=Link(LinkKind.VETH, peer=LinkKey("nowhere", "eth0"))),
            "there is no network namespace nowhere",
            id="veth into a missing netns",
        ),
        pytest.param(
            f"ip netns add {NETNS}",
            Step(
                Op.CREATE,
                "links",
                LinkKey(HOST, VETH),
                new=Link(LinkKind.VETH, master=BRIDGE, peer=LinkKey(NETNS, "eth0")),
            ),
            f"there is no bridge {BRIDGE}",
            id="veth without its bridge",
        ),
        pytest.param(
            f"ip netns add {NETNS}",
            Step(Op.CREATE, "links", LinkKey(NETNS, "eth0"), new=Link(LinkKind.PEER, GROUP)),
            "the link is not there",
            id="peer without its pair",
        ),
        pytest.param(
            "ipset create lw-net4 hash:ip",
            Step(Op.CREATE, "sets", "lw-net4", new=IpSet(SetType.NET, IPV4, marks=False)),
            "a set of that name is already there",
            id="set",
        ),
        pytest.param(
            "ipset create lw-net4 hash:net",
            Step(Op.CREATE, "entries", SetEntry("lw-net4", prefix("0.0.0.0/0"))),
            "a set cannot hold a prefix of that length",
            id="entry",
        ),
        pytest.param(
            "ipset create lw-net4 hash:net",
            Step(Op.CREATE, "entries", SetEntry("lw-net4", prefix("10.0.0.0/8")), new=LANE),
            "this set's entries cannot carry a mark",
            id="marked entry of an unmarked set",
        ),
        pytest.param(
            "ipset create lw-net4 hash:net; iptables-legacy -A INPUT -m set --match-set lw-net4 src",
            Step(Op.DELETE, "sets", "lw-net4", old=IpSet(SetType.NET, IPV4, marks=False)),
            "the set is in use by a rule",
            id="set in use",
        ),
        pytest.param(
            "true",
            Step(Op.CREATE, "sysctls", "net/ipv4/conf/nolink/rp_filter", new="2"),
            "there is no sysctl net/ipv4/conf/nolink/rp_filter on this host",
            id="missing sysctl",
        ),
        pytest.param(
            "true",
            Step(Op.CREATE, "sysctls", "net/ipv4/ip_forward", new="yes"),
            "the kernel calls it invalid",
            id="sysctl value",
        ),
        pytest.param(
            "true",
            Step(Op.CREATE, "sysctls", "net/ipv4/ip_forward", new="010"),
            "sysctl net/ipv4/ip_forward is 8 after 010 was written to it",
            id="sysctl that does not keep what is written",
        ),
        pytest.param(
            "mkdir -p /etc/iproute2/rt_tables.d/laneway.conf",
            Step(Op.CREATE, "files", "/etc/iproute2/rt_tables.d/laneway.conf", new="1 x\n"),
            "a directory stands in its place",
            id="file",
        ),
    ],
)
def test_a_refused_step_says_why(throwaway: Throwaway, already: str, step: Step, reason: str) -> None:
    throwaway.sh(already)

    failed, told, _ = throwaway.call(refusal, [step])

    assert failed == step
    assert told.startswith(reason)


def test_without_root_nothing_is_changed_and_the_remedy_is_told(throwaway: Throwaway) -> None:
    def as_nobody() -> tuple[str, str]:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        with pytest.raises(HostRefused) as caught:
            make()
        return str(caught.value), caught.value.hint

    message, hint = throwaway.call(as_nobody)

    assert hint == "run as root"
    assert "does not permit" in message
    assert throwaway.call(lambda: linux().read()) == HostState()
