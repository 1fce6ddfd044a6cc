"""What root inside a workload does there keeps nothing of the host from being changed, or changed back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from laneway.apply.target import target
from laneway.apply.transaction import Outcome, RollbackIncomplete, transact
from laneway.errors import HostRefused, StepFailed
from laneway.plan.plan import plan
from laneway.plan.steps import Op, Step
from laneway.plan.workloads import Workloads, lacking, named, unchanged
from laneway.state.host import HostState
from laneway.state.links import HOST, AddressKey, Link, LinkKey, LinkKind
from laneway.state.prefix import prefix
from tests.fakes.kernel import FakeKernel
from tests.worlds import tenant, world

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from laneway.policy.model import PolicySet

BEFORE = world(tenant("acme", 1), tenant("globex", 2))
AFTER = world(tenant("acme", 1), tenant("globex", 3))
INNER = LinkKey("acme-web", "eth0")
PORT = next(
    key for key, link in target(BEFORE, HostState(), FakeKernel().facts([])).desired.links.items() if link.peer == INNER
)


def inside(step: Step) -> bool:
    return getattr(step.key, "netns", "") == "acme-web"


def inside_or_an_entry(step: Step) -> bool:
    return inside(step) or (step.kind, step.op) == ("entries", Op.CREATE)


class Hostile(FakeKernel):
    """A host on which nothing can be made inside acme's workload, whose root takes its addresses away."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses: Callable[[Step], bool] = lambda _: False

    def turn(self) -> None:
        """Begin to be hostile."""
        for key in [key for key in self.state.addresses if key.netns == "acme-web"]:
            del self.state.addresses[key]
        self.refuses = inside

    def _refusal(self, step: Step) -> str:
        return "hostile" if self.refuses(step) else super()._refusal(step)


def apply(kernel: FakeKernel, policy: PolicySet, best_effort: Collection[str] | None = None) -> Outcome:
    observed = kernel.read()
    aim = target(policy, observed, kernel.facts(["eth0", "eth1"]))
    return transact(kernel, desired=aim.desired, observed=observed, field=aim.lanes.field, best_effort=best_effort)


@pytest.fixture
def hostile() -> Hostile:
    kernel = Hostile()
    apply(kernel, BEFORE)
    kernel.turn()
    return kernel


def test_another_tenant_is_changed_and_the_workload_is_named(hostile: Hostile) -> None:
    outcome = apply(hostile, AFTER)

    assert outcome.workloads == {"acme-web": "ip -n acme-web addr replace 10.0.1.10/24 dev eth0: hostile"}
    assert AddressKey("globex-web", "eth0", prefix("10.0.3.10/24")) in hostile.state.addresses
    assert {step.key.netns for step in outcome.steps if step.kind == "addresses"} == {HOST, "globex-web"}


def test_the_host_s_side_of_a_change_that_fails_goes_back(hostile: Hostile) -> None:
    before = hostile.read()
    hostile.refuses = inside_or_an_entry

    with pytest.raises(HostRefused, match=r"hostile\nRolled back: the previous state is restored\."):
        apply(hostile, AFTER)

    assert hostile.read() == before


def test_going_back_does_not_depend_on_what_is_inside(hostile: Hostile) -> None:
    hostile.refuses = lambda _: False
    apply(hostile, BEFORE)  # whole again: a way back would have to put the addresses back
    honest = hostile.attempt

    def attempt(steps: list[Step]) -> tuple[StepFailed, ...]:
        hostile.turn()
        hostile.refuses = inside_or_an_entry
        return honest(steps)

    hostile.attempt = attempt  # type: ignore[method-assign, assignment]
    hostile.refuses = inside_or_an_entry

    with pytest.raises(HostRefused, match="Rolled back: the previous state is restored") as refusal:
        apply(hostile, AFTER)

    assert not isinstance(refusal.value, RollbackIncomplete)


def test_a_destroyed_tenant_is_gone_whatever_its_root_did(hostile: Hostile) -> None:
    outcome = apply(hostile, world())

    assert outcome.workloads == {}
    assert hostile.read() == HostState()


def test_what_the_change_makes_anew_is_made_whole_or_not_at_all() -> None:
    kernel = Hostile()
    kernel.refuses = inside

    with pytest.raises(HostRefused, match="hostile"):
        apply(kernel, BEFORE)

    assert kernel.read() == HostState()


def test_what_is_taken_back_needs_no_workload_to_be_there(hostile: Hostile) -> None:
    apply(hostile, world(tenant("globex", 2)))

    outcome = apply(hostile, BEFORE, best_effort=["acme-web", "globex-web"])

    assert list(outcome.workloads) == ["acme-web"]


def test_a_port_that_is_gone_is_the_workload_s_trouble_and_one_that_is_there_is_the_host_s(hostile: Hostile) -> None:
    desired = target(BEFORE, HostState(), hostile.facts([])).desired
    workloads = Workloads(["acme-web"], desired)
    without = desired.replaced(links={key: each for key, each in desired.links.items() if key != PORT})
    loose = desired.replaced(links={**desired.links, PORT: desired.links[PORT]._replace(master="")})
    elsewhere = desired.replaced(links={**desired.links, PORT: desired.links[PORT]._replace(peer=None)})

    assert workloads.left(plan(desired, without), without)[0] == []
    assert {step.key for step in workloads.left(plan(desired, loose), loose)[0]} == {PORT}
    assert workloads.left(plan(desired, elsewhere), elsewhere)[0] == []


def test_once_a_workload_s_link_cannot_be_made_nothing_else_is_done_in_there(hostile: Hostile) -> None:
    apply(hostile, BEFORE)
    for key in (PORT, INNER):
        hostile.state.links.pop(key, None)
    hostile.refuses = lambda step: step.key == PORT
    done: list[Step] = []
    honest = hostile.attempt

    def attempt(steps: list[Step]) -> tuple[StepFailed, ...]:
        done.extend(steps)
        return honest(steps)

    hostile.attempt = attempt  # type: ignore[method-assign, assignment]

    outcome = apply(hostile, BEFORE)

    assert {step.key for step in done if step.kind == "links"} == {PORT, INNER}
    assert [step for step in done if step.kind in ("addresses", "routes")] == []
    assert outcome.workloads["acme-web"].endswith("hostile")


def test_only_workloads_of_which_both_policies_ask_the_same_lack_something() -> None:
    assert unchanged(BEFORE, AFTER) == {"acme-web"}


def test_what_is_told_of_workloads_is_told_by_their_names() -> None:
    step = Step(Op.CREATE, "links", INNER, None, Link(LinkKind.PEER, 27767))
    reasons = [*lacking([step]).items(), ("acme-web", "it is odd"), ("gone-web", "it is gone")]

    assert named(reasons, BEFORE) == {
        "acme/web": "it lacks what this would give it: ip -n acme-web link set eth0 up; it is odd",
        "gone-web": "it is gone",
    }
