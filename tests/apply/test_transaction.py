"""All of a plan or none of it, on a host in memory that refuses what the kernel would."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from laneway.apply.signals import ENDING
from laneway.apply.target import target
from laneway.apply.transaction import Outcome, RollbackIncomplete, transact
from laneway.errors import Conflict, HostRefused, StepFailed
from laneway.lanes.leases import PATH
from laneway.plan.conflicts.collision import refuse
from laneway.plan.conflicts.handovers import handovers
from laneway.plan.plan import plan
from laneway.plan.steps import Op
from laneway.policy.model import PolicySet
from laneway.state.host import HostState
from tests.fakes.kernel import FakeKernel
from tests.worlds import crowd, tenant, world

if TYPE_CHECKING:
    from collections.abc import Sequence

    from laneway.plan.steps import Step

ROOT = Path(__file__).parents[2]


def apply(kernel: FakeKernel, policy: PolicySet) -> Outcome:
    observed = kernel.read()
    aim = target(policy, observed, kernel.facts(["eth0", "eth1"]))
    refuse(tuple(handovers(observed, aim.desired, aim.lanes)))
    return transact(kernel, desired=aim.desired, observed=observed, field=aim.lanes.field)


def steps_of(policy: PolicySet) -> int:
    return len(apply(FakeKernel(), policy).steps)


def test_a_second_apply_has_nothing_to_do() -> None:
    kernel = FakeKernel()
    apply(kernel, crowd(3))

    assert not apply(kernel, crowd(3)).changed


def test_taking_the_last_tenant_away_leaves_nothing() -> None:
    kernel = FakeKernel()
    apply(kernel, crowd(3))

    apply(kernel, world())

    assert kernel.read() == HostState()
    assert kernel.sysctls == FakeKernel().sysctls


def test_a_tenant_that_came_and_went_leaves_no_trace_but_its_lease() -> None:
    kernel = FakeKernel()
    apply(kernel, crowd(3))
    before = kernel.read()
    apply(kernel, crowd(4))

    apply(kernel, crowd(3))

    after = kernel.read()
    before.files = after.files = {}
    assert after == before


@pytest.mark.parametrize("fail_at", range(steps_of(crowd(2))))
def test_a_failure_at_any_step_leaves_the_host_as_it_was(fail_at: int) -> None:
    kernel = FakeKernel(fail_at=fail_at)

    with pytest.raises(HostRefused, match=r"injected\nRolled back: the previous state is restored\."):
        apply(kernel, crowd(2))

    assert kernel.read() == HostState()
    assert kernel.sysctls == FakeKernel().sysctls


def changes() -> tuple[Step, ...]:
    kernel = FakeKernel()
    apply(kernel, world(tenant("acme", 1), tenant("globex", 2)))
    return apply(kernel, world(tenant("acme", 3), tenant("initech", 4))).steps


def inside_acme(step: Step) -> bool:
    return getattr(step.key, "netns", "") == "acme-web"


@pytest.mark.parametrize("fail_at", [at for at, step in enumerate(changes()) if not inside_acme(step)])
def test_a_failure_in_a_change_goes_back_to_the_old_policy(fail_at: int) -> None:
    kernel = FakeKernel()
    apply(kernel, world(tenant("acme", 1), tenant("globex", 2)))
    before = kernel.read()
    kernel.fail_at = changes()[fail_at]  # not its place: a lot's steps inside workloads are done after the others

    with pytest.raises(HostRefused):
        apply(kernel, world(tenant("acme", 3), tenant("initech", 4)))

    assert kernel.read() == before


@pytest.mark.parametrize("fail_at", [at for at, step in enumerate(changes()) if inside_acme(step)])
def test_a_failure_inside_a_workload_that_was_there_is_told_of_it_and_the_rest_is_done(fail_at: int) -> None:
    kernel = FakeKernel()
    apply(kernel, world(tenant("acme", 1), tenant("globex", 2)))
    kernel.fail_at = changes()[fail_at]

    outcome = apply(kernel, world(tenant("acme", 3), tenant("initech", 4)))

    assert list(outcome.workloads) == ["acme-web"]
    assert outcome.workloads["acme-web"].endswith(": injected")
    desired = target(
        world(tenant("acme", 3), tenant("initech", 4)), kernel.read(), kernel.facts(["eth0", "eth1"])
    ).desired
    assert [inside_acme(step) for step in plan(desired, kernel.read())] == [True]
    assert not [step for step in outcome.steps if step == changes()[fail_at]]


def destruction() -> int:
    kernel = FakeKernel()
    apply(kernel, crowd(2))
    return len(apply(kernel, world()).steps)


@pytest.mark.parametrize("fail_at", range(destruction()))
def test_a_failure_in_a_destroy_leaves_everything_there(fail_at: int) -> None:
    kernel = FakeKernel()
    apply(kernel, crowd(2))
    before, sysctls = kernel.read(), dict(kernel.sysctls)
    kernel.fail_at = kernel.done + fail_at

    with pytest.raises(HostRefused, match=r"Rolled back: the previous state is restored\."):
        apply(kernel, world())

    assert (kernel.read(), kernel.sysctls) == (before, sysctls)


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_is_heeded_between_two_lots_and_then_goes_back(number: int) -> None:
    # A process of its own, as laneway is: in one with other threads, as those of pytest-xdist's workers, a signal to
    # the process is given to a thread that has not blocked it.
    command = [sys.executable, "-m", "tests.apply.interrupted", str(number)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)

    name = signal.Signals(number).name
    assert re.fullmatch(
        rf"interrupted by {name} before step \d+ of \d+: (ip|nft).*\nRolled back: the previous state is restored\.\n",
        told.stdout,
    )


def test_a_bug_goes_back_too_and_stays_a_bug() -> None:
    kernel = FakeKernel()
    honest = kernel.run
    times = iter(range(100))

    def broken(steps: Sequence[Step]) -> None:
        if next(times) == 5:
            raise ZeroDivisionError
        honest(steps)

    kernel.run = broken  # type: ignore[method-assign]

    with pytest.raises(ZeroDivisionError):
        apply(kernel, crowd(1))

    assert kernel.read() == HostState()


def test_a_host_that_does_not_keep_what_it_is_given_is_refused() -> None:
    kernel = FakeKernel()
    honest = kernel.run

    def lying(steps: object) -> None:
        honest([step for step in steps if step.kind != "jumps" or step.op != Op.CREATE])  # type: ignore[attr-defined]

    kernel.run = lying  # type: ignore[method-assign]

    with pytest.raises(HostRefused, match=r"verification failed: 24 objects differ from what was written"):
        apply(kernel, crowd(1))

    assert kernel.read() == HostState()


def test_when_going_back_fails_too_what_remains_is_named() -> None:
    kernel = FakeKernel(fail_at=30)
    honest = kernel.run

    def broken_after_failure(steps: object) -> None:
        if kernel.fail_at is None:
            raise StepFailed(steps[0], "still broken")  # type: ignore[index]
        honest(steps)  # type: ignore[arg-type]

    kernel.run = broken_after_failure  # type: ignore[method-assign]

    with pytest.raises(RollbackIncomplete) as failure:
        apply(kernel, crowd(2))

    assert failure.value.exit_code == 6
    assert len(failure.value.remaining) > 10


def test_what_a_second_reader_sees_otherwise_is_refused() -> None:
    kernel = FakeKernel()
    kernel.contradictions = ("chain LANEWAY-MARK of iptables-legacy mangle is not there",)

    with pytest.raises(HostRefused, match="python-iptables sees other rules than were written: chain LANEWAY-MARK"):
        apply(kernel, crowd(1))

    assert kernel.read() == HostState()


@pytest.mark.parametrize("trouble", [HostRefused("no thread"), OSError(11, "no process"), MemoryError()])
def test_what_cannot_be_done_twice_is_left_as_commands_whatever_kept_it_from_being_done(trouble: Exception) -> None:
    kernel = FakeKernel()
    honest, calls = kernel.run, []

    def run(steps: Sequence[Step]) -> None:
        calls.append(steps)
        if len(calls) > 3:
            raise trouble
        honest(steps)

    kernel.run = run  # type: ignore[method-assign]

    with pytest.raises(RollbackIncomplete) as incomplete:
        apply(kernel, crowd(2))

    assert incomplete.value.commands
    assert len(incomplete.value.remaining) == len(incomplete.value.commands)


def test_flows_are_forgotten_before_the_way_to_a_workload_goes_as_well_as_after_all() -> None:
    kernel = FakeKernel()
    apply(kernel, crowd(2))
    done: list[str] = []
    run = kernel.run

    def runs(steps: Sequence[Step]) -> None:
        done.extend(f"{step.op} {step.kind}" for step in steps)
        run(steps)

    kernel.run = runs  # type: ignore[method-assign]
    kernel.forget = lambda *_: done.append("forget")  # type: ignore[method-assign]

    apply(kernel, crowd(1))

    first, last = (index for index, each in enumerate(done) if each == "forget")
    assert "delete entries" in done[:first]
    assert not {"delete routes", "delete links"} & set(done[:first])
    assert last == len(done) - 1


def test_a_number_does_not_change_hands_while_it_is_in_use() -> None:
    kernel = FakeKernel()
    acme, globex = tenant("acme", 1), tenant("globex", 2)
    apply(kernel, world(acme._replace(id=2), globex._replace(id=3)))
    before = kernel.read()

    with pytest.raises(Conflict) as refusal:
        apply(kernel, world(acme._replace(id=3), globex._replace(id=2)))

    assert [each["what"] for each in refusal.value.collisions] == [
        "lane number 17 is tenant acme's on this host, and would be tenant globex's",
        "lane number 18 is tenant acme's on this host, and would be tenant globex's",
        "lane number 25 is tenant globex's on this host, and would be tenant acme's",
        "lane number 26 is tenant globex's on this host, and would be tenant acme's",
    ]
    assert kernel.read() == before
    apply(kernel, world(acme._replace(id=4), globex._replace(id=3)))
    apply(kernel, world(acme._replace(id=4), globex._replace(id=2)))


def test_nor_by_another_division_of_the_marks() -> None:
    kernel = FakeKernel()
    policy = world(tenant("acme", 1)._replace(id=2), tenant("globex", 2)._replace(id=4))
    apply(kernel, policy)

    with pytest.raises(Conflict, match="lane number 17 is tenant acme's on this host, and would be the host's"):
        apply(kernel, policy._replace(host=policy.host._replace(max_uplinks=15)))


def test_marks_in_use_are_not_read_as_others_with_another_field() -> None:
    kernel = FakeKernel()
    policy = world(tenant("acme", 1), tenant("globex", 2))
    apply(kernel, policy)
    before = kernel.read()

    with pytest.raises(Conflict) as refusal:
        apply(kernel, policy._replace(host=policy.host._replace(marks=0x0FFFF000)))

    assert str(refusal.value) == "host.marks is 0xffff0000 on this host, and would be 0x0ffff000"
    assert kernel.read() == before


@pytest.mark.parametrize("marks", [0x0FFFF000, 0x0000FFFF], ids=["bits in common", "none in common"])
def test_marks_that_flows_bear_do_not_change(marks: int) -> None:
    kernel = FakeKernel()
    policy = world(tenant("acme", 1), tenant("globex", 2))
    apply(kernel, policy)

    with pytest.raises(Conflict) as refusal:
        apply(kernel, policy._replace(host=policy.host._replace(marks=marks)))

    assert refusal.value.hint == "established flows keep the marks they have: `laneway destroy` first"
    apply(kernel, world())
    apply(kernel, policy._replace(host=policy.host._replace(marks=marks)))


def test_flows_are_forgotten_again_when_a_way_went_before_the_entries() -> None:
    kernel = FakeKernel()
    apply(kernel, crowd(2))
    key = next(key for key, route in kernel.state.routes.items() if not key.netns and not route.via)
    kernel.state.routes[key._replace(more="mtu 1400")] = kernel.state.routes.pop(key)
    done: list[str] = []
    run = kernel.run

    def runs(steps: Sequence[Step]) -> None:
        done.extend(f"{step.op} {step.kind}" for step in steps)
        run(steps)

    kernel.run = runs  # type: ignore[method-assign]
    kernel.forget = lambda *_: done.append("forget")  # type: ignore[method-assign]

    apply(kernel, crowd(1))

    before = [one for one, other in pairwise(["", *done]) if other == "delete routes" != one]
    assert before == ["forget", "forget"]
    assert "delete entries" in done[: len(done) - 1 - done[::-1].index("delete routes")]


@pytest.mark.parametrize("left", ["", "rubbish\n"])
def test_a_lease_file_that_was_overwritten_costs_nobody_its_number(left: str) -> None:
    kernel = FakeKernel()
    policy = world(tenant("zeta", 1)._replace(id=2), tenant("acme", 2))
    apply(kernel, policy)
    kernel.state.files[PATH] = left

    steps = apply(kernel, policy._replace(tenants=tuple(each._replace(id=None) for each in policy.tenants))).steps

    assert [step.key for step in steps] == [PATH]
