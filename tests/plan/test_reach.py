"""Into which network namespaces steps reach, and what of a state is left when only those count."""

from __future__ import annotations

import pytest

from laneway.plan.reach import reached, without_unreached
from laneway.plan.steps import Op, Step
from laneway.state.host import HostState
from laneway.state.links import GROUP, HOST, AddressKey, Link, LinkKey, LinkKind, Netns
from laneway.state.prefix import ANY, IPV4, prefix
from laneway.state.routing import MAIN_TABLE, FibRule, Route, RouteKey, RouteKind, RuleAction

VETH = Link(LinkKind.VETH, GROUP, peer=LinkKey("acme-web", "eth0"))
BRIDGE = Link(LinkKind.BRIDGE, GROUP)
GATEWAY = Route(RouteKind.UNICAST, "eth0", bytes(4))


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        pytest.param(Step(Op.CREATE, "netns", "acme-web", None, Netns()), {"acme-web"}, id="a namespace"),
        pytest.param(
            Step(Op.CREATE, "addresses", AddressKey("acme-web", "eth0", prefix("10.0.0.2/24"))),
            {"acme-web"},
            id="inside",
        ),
        pytest.param(
            Step(Op.DELETE, "routes", RouteKey("acme-web", MAIN_TABLE, ANY[IPV4], 0), GATEWAY), {"acme-web"}, id="route"
        ),
        pytest.param(Step(Op.DELETE, "links", LinkKey(HOST, "lwv-1"), VETH), {"acme-web"}, id="its peer goes"),
        pytest.param(Step(Op.CREATE, "links", LinkKey(HOST, "lwv-1"), None, VETH), {"acme-web"}, id="its peer comes"),
        pytest.param(Step(Op.DELETE, "links", LinkKey(HOST, "lwb-acme"), BRIDGE), set(), id="the host alone"),
        pytest.param(Step(Op.CREATE, "fib_rules", FibRule(IPV4, 10000, RuleAction.NOP)), set(), id="a rule"),
    ],
)
def test_a_step_reaches_into(step: Step, expected: set[str]) -> None:
    assert reached([step]) == expected


def test_a_namespace_that_no_step_reaches_does_not_count() -> None:
    def state(*names: str) -> HostState:
        return HostState(
            netns={name: Netns() for name in names},
            links={LinkKey(HOST, "lwb-acme"): BRIDGE, **{LinkKey(name, "eth0"): Link(LinkKind.PEER) for name in names}},
            addresses={AddressKey(name, "eth0", prefix("10.0.0.2/24")): None for name in names},
            routes={RouteKey(name, MAIN_TABLE, ANY[IPV4], 0): GATEWAY for name in (HOST, *names)},
            sysctls={"net/ipv4/ip_forward": "1"},
        )

    assert without_unreached(state("acme-web", "globex-app"), {"acme-web"}) == state("acme-web")
