"""Among many tenants the first, a middle one and the last have what they are promised."""

from __future__ import annotations

import os

import pytest

from integration.bench.crowd import Member, crowd
from laneway.apply.target import target
from laneway.cli.wire import linux_host
from laneway.lab.probes import plan_probes
from laneway.lab.run import Lab
from laneway.plan.plan import plan
from laneway.policy.load import load_text
from laneway.policy.model import PolicySet
from laneway.state.host import HostState

TENANTS = int(os.environ.get("LANEWAY_TENANTS", "150"))
"""In a long run: 4000."""


def _apply(policy: PolicySet) -> None:
    kernel = linux_host(policy.host.iptables)
    desired = target(policy, HostState(), kernel.facts([each.interface for each in policy.uplinks])).desired
    kernel.run(plan(desired, HostState()))


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_the_first_a_middle_and_the_last_tenant_keep_their_lanes(variant: str) -> None:
    policy = load_text(crowd(TENANTS, variant=variant, busy=True))
    asked = {Member(number).name for number in (0, TENANTS // 2, TENANTS - 1)}
    with Lab(policy) as lab:
        lab.apply(policy, lambda: _apply(policy))
        report = lab.trial(each for each in plan_probes(lab.world) if each.group in asked)

    assert {each.probe.group for each in report.results} == asked
    assert len(report.results) > 30 * len(asked)
    assert report.failed == ()
