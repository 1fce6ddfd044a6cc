"""What every kernel keeps, the fake and the real one: a check gets one with eth0, eth1 and nothing of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from laneway.apply.target import target
from laneway.errors import StepFailed
from laneway.plan.plan import plan
from laneway.plan.reach import reached, without_unreached
from laneway.plan.steps import Op, Step
from laneway.state.chains import ChainKey, ChainRule, InSet, Jump, Verdict, XtTable
from laneway.state.host import HostState
from laneway.state.links import GROUP, HOST, AddressKey, Link, LinkKey, LinkKind, Netns
from laneway.state.prefix import IPV4, prefix
from laneway.state.routing import Route, RouteKey, RouteKind
from laneway.state.sets import IpSet, SetEntry, SetType
from tests.worlds import crowd, tenant, world

if TYPE_CHECKING:
    from collections.abc import Callable

    from laneway.apply.ports import Kernel
    from laneway.policy.model import PolicySet

BRIDGE = Step(Op.CREATE, "links", LinkKey(HOST, "lwb-x"), None, Link(LinkKind.BRIDGE, GROUP, alias="laneway tenant=x"))
SET = Step(Op.CREATE, "sets", "lw-x", None, IpSet(SetType.NET, IPV4, marks=False))


def create(kind: str, key: Any, value: Any) -> Step:
    """Return a step that creates."""
    return Step(Op.CREATE, kind, key, None, value)


def delete(step: Step) -> Step:
    """Return the step that undoes one."""
    return Step(Op.DELETE, step.kind, step.key, step.new)


def bring(kernel: Kernel, policy: PolicySet) -> HostState:
    """Make the kernel hold `policy`, and return what was asked for."""
    observed = kernel.read()
    desired = target(policy, observed, kernel.facts(["eth0", "eth1"])).desired
    kernel.run(plan(desired, observed))
    return desired


def refused(kernel: Kernel, step: Step) -> None:
    """Demand that the kernel refuses `step`, names it, and changes nothing."""
    before = kernel.read()
    with pytest.raises(StepFailed) as refusal:
        kernel.run([step])
    assert refusal.value.step == step
    assert refusal.value.reason
    assert plan(before, kernel.read()) == ()


def it_holds_what_it_was_given(kernel: Kernel) -> None:
    desired = bring(kernel, crowd(3))
    assert plan(desired, kernel.read()) == ()


def it_forgets_what_it_is_told_to(kernel: Kernel) -> None:
    bring(kernel, crowd(3))
    kernel.run(plan(HostState(), kernel.read()))
    assert kernel.read() == HostState()


def it_changes_one_policy_into_another(kernel: Kernel) -> None:
    bring(kernel, world(tenant("acme", 1), tenant("globex", 2)))
    desired = bring(kernel, world(tenant("acme", 3), tenant("initech", 4)))
    assert plan(desired, kernel.read()) == ()


def it_reads_back_what_steps_reached(kernel: Kernel) -> None:
    bring(kernel, crowd(2))
    observed = kernel.read()
    desired = target(crowd(3), observed, kernel.facts(["eth0", "eth1"])).desired
    steps = plan(desired, observed)
    kernel.run(steps)
    inside = reached(steps)
    back = kernel.read_back(inside, desired.chains)
    assert (len(inside), sorted(back.state.netns)) == (1, sorted(inside))
    assert (plan(without_unreached(desired, inside), back.state), back.contradictions) == ((), ())


def it_remembers_what_a_sysctl_was(kernel: Kernel) -> None:
    before = kernel.facts(["eth0", "eth1"]).sysctls["net/ipv4/ip_forward"]
    bring(kernel, crowd(1))
    assert kernel.read().sysctls["net/ipv4/ip_forward"] == "1"
    assert kernel.facts(["eth0", "eth1"]).sysctls["net/ipv4/ip_forward"] == before


def it_refuses_what_is_there(kernel: Kernel) -> None:
    kernel.run([BRIDGE])
    refused(kernel, BRIDGE)


def it_refuses_an_address_without_its_link(kernel: Kernel) -> None:
    refused(kernel, create("addresses", AddressKey(HOST, "lwb-none", prefix("10.0.0.1/24")), None))


def it_refuses_a_route_without_its_link(kernel: Kernel) -> None:
    key = RouteKey(HOST, 20100, prefix("10.0.0.0/24"), 0)
    refused(kernel, create("routes", key, Route(RouteKind.UNICAST, "lwb-none")))


def it_refuses_an_entry_without_its_set(kernel: Kernel) -> None:
    refused(kernel, create("entries", SetEntry("lw-none", prefix("10.0.0.0/24")), None))


def it_refuses_a_veth_without_its_bridge(kernel: Kernel) -> None:
    kernel.run([create("netns", "x-y", Netns("laneway tenant=x workload=y"))])
    link = Link(LinkKind.VETH, GROUP, master="lwb-none", peer=LinkKey("x-y", "eth0"), alias="laneway")
    refused(kernel, create("links", LinkKey(HOST, "lwvx"), link))


def it_refuses_a_chain_that_jumps_nowhere(kernel: Kernel) -> None:
    rules = (ChainRule((), Jump("LANEWAY-NONE"), "lw:-:x"),)
    refused(kernel, create("chains", ChainKey(IPV4, XtTable.FILTER, "LANEWAY-X"), rules))


def it_refuses_a_rule_without_its_set(kernel: Kernel) -> None:
    rules = (ChainRule((InSet("lw-none", "src"),), Verdict.DROP, "lw:-:x"),)
    refused(kernel, create("chains", ChainKey(IPV4, XtTable.FILTER, "LANEWAY-X"), rules))


def it_refuses_to_destroy_a_set_in_use(kernel: Kernel) -> None:
    rules = (ChainRule((InSet("lw-x", "src"),), Verdict.DROP, "lw:-:x"),)
    kernel.run([SET, create("chains", ChainKey(IPV4, XtTable.FILTER, "LANEWAY-X"), rules)])
    refused(kernel, delete(SET))


def it_takes_away_what_goes_with_a_link(kernel: Kernel) -> None:
    address = create("addresses", AddressKey(HOST, "lwb-x", prefix("10.0.0.1/24")), None)
    key = RouteKey(HOST, 20100, prefix("10.0.0.0/24"), 0)
    kernel.run([BRIDGE, address, create("routes", key, Route(RouteKind.UNICAST, "lwb-x"))])
    kernel.run([delete(BRIDGE)])
    assert kernel.read() == HostState()


CHECKS: tuple[Callable[[Kernel], None], ...] = (
    it_holds_what_it_was_given,
    it_forgets_what_it_is_told_to,
    it_changes_one_policy_into_another,
    it_reads_back_what_steps_reached,
    it_remembers_what_a_sysctl_was,
    it_refuses_what_is_there,
    it_refuses_an_address_without_its_link,
    it_refuses_a_route_without_its_link,
    it_refuses_an_entry_without_its_set,
    it_refuses_a_veth_without_its_bridge,
    it_refuses_a_chain_that_jumps_nowhere,
    it_refuses_a_rule_without_its_set,
    it_refuses_to_destroy_a_set_in_use,
    it_takes_away_what_goes_with_a_link,
)
