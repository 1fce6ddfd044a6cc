"""Whatever the policy: applying it leaves nothing to do, and taking it away leaves nothing."""

from __future__ import annotations

import re

from hypothesis import given, settings

from laneway.apply.target import target
from laneway.apply.transaction import Outcome, transact
from laneway.errors import Conflict
from laneway.plan.conflicts.collision import refuse
from laneway.plan.conflicts.handovers import handovers
from laneway.policy.model import PolicySet
from laneway.state.chain_text import canonical, parse_rule, rule_text
from laneway.state.chains import ChainRule
from laneway.state.host import HostState
from tests.fakes.kernel import FakeKernel
from tests.strategies import policies

SLOW = settings(max_examples=60)


def host(*several: PolicySet) -> FakeKernel:
    return FakeKernel(uplink.interface for policy in several for uplink in policy.uplinks)


def apply(kernel: FakeKernel, policy: PolicySet) -> Outcome:
    observed = kernel.read()
    aim = target(policy, observed, kernel.facts([uplink.interface for uplink in policy.uplinks]))
    refuse(tuple(handovers(observed, aim.desired, aim.lanes)))
    return transact(kernel, desired=aim.desired, observed=observed, field=aim.lanes.field)


@SLOW
@given(policies())
def test_after_apply_there_is_nothing_to_do(policy: PolicySet) -> None:
    kernel = host(policy)
    apply(kernel, policy)

    assert not apply(kernel, policy).changed


@SLOW
@given(policies(), policies())
def test_one_policy_after_another_is_as_if_it_had_been_alone(first: PolicySet, second: PolicySet) -> None:
    kernel = host(first, second)
    apply(kernel, first)
    before = kernel.read()
    refusals = _refusals(kernel, second)
    if refusals:
        # A number, a prefix or an interface that was somebody's is another's, or the marks are divided anew.
        kept = r"tenant \S+: id \d+ has been tenant \S+'s since it was applied"
        somebody = r"(tenant \S+|the host)'s"
        handed_over = rf"lane number \d+ is {somebody} on this host, and would be {somebody}"
        read_anew = r"host.marks is 0x\w{8} on this host, and would be 0x\w{8}$"
        passed_on = rf"\S+ is {somebody} on this host, and (\S+, which overlaps it, )?would be {somebody}"
        turned = r"while tenant \S+ changes what goes by which uplink"
        renamed = rf"uplink \S+ is \S+ on this host, and would be \S+, {turned}"
        assert all(re.fullmatch(f"{kept}|{handed_over}|{read_anew}|{passed_on}|{renamed}", each) for each in refusals)
        assert kernel.read() == before
        return

    assert not apply(kernel, second).changed
    if not second.tenants:
        assert kernel.read() == HostState()


def _refusals(kernel: FakeKernel, policy: PolicySet) -> list[str]:
    try:
        apply(kernel, policy)
    except Conflict as error:
        return [each["what"] for each in error.collisions] or [str(error)]
    return []


@SLOW
@given(policies())
def test_every_rule_survives_the_way_through_text(policy: PolicySet) -> None:
    kernel = host(policy)
    state = target(policy, HostState(), kernel.facts([uplink.interface for uplink in policy.uplinks])).desired

    for key, chain in state.chains.items():
        for rule in chain:
            assert isinstance(rule, ChainRule)
            assert canonical(rule) == rule
            assert parse_rule(rule_text(rule, family=key.family), family=key.family) == rule
