"""Steps as data: whose each is, before and after, and how many there are of whom."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from laneway.apply.target import Target, target
from laneway.cli.steps_json import steps_json, summary_json, summary_lines, tenants_by
from laneway.lanes.leases import PATH
from laneway.plan.plan import plan
from laneway.plan.steps import Op, Step, merged
from laneway.state.chains import ChainKey, ChainRule, Verdict, XtTable
from laneway.state.host import HostState
from tests.worlds import FACTS, crowd, tenant, world

if TYPE_CHECKING:
    from laneway.cli.steps_json import TenantOf

ONE, TWO = world(tenant("acme", 1)), world(tenant("acme", 1), tenant("globex", 2))


def aimed(policy: object = TWO, observed: HostState | None = None) -> Target:
    return target(policy, observed or HostState(), FACTS)  # type: ignore[arg-type]


def owners(observed: HostState, aim: Target) -> TenantOf:
    return tenants_by(aim.lanes, observed.files.get(PATH, ""), [aim.policy, TWO])


def test_a_tenant_that_goes_is_named_by_all_that_is_its_own() -> None:
    before = aimed().desired
    after = aimed(ONE, before)
    steps = plan(after.desired, before)

    told = steps_json(steps, owners(before, after))

    gone = [each for each in told if each["tenant"] == "globex"]
    assert {each["kind"] for each in gone} >= {"entries", "links", "netns", "routes", "fib_rules"}
    assert all((each["op"], each["should_be"]) == ("delete", None) for each in gone if each["kind"] != "chains")
    assert not [each for each in told if "globex" in str(each["object"]) and each["tenant"] != "globex"]
    assert not [each for each in told if each["tenant"] == "acme" and each["op"] == "delete"]


def test_a_step_has_both_values() -> None:
    aim = aimed(ONE)
    there = aim.desired
    key = next(key for key, value in there.sysctls.items() if "lwb-acme" in key and value == "2")
    drifted = there.replaced(sysctls={**there.sysctls, key: "0"})

    (step,) = steps_json(plan(there, drifted), owners(drifted, aim))

    assert step == {
        "op": "replace",
        "kind": "sysctls",
        "tenant": "acme",
        "object": f"sysctl {key}",
        "is": "0",
        "should_be": "2",
        "summary": f"sysctl -w {key}=2",
        "command": f"sysctl -w {key}=2",
    }


def test_a_summary_counts_each_object_once() -> None:
    aim = aimed()
    steps = plan(aim.desired, HostState())
    tenant_of = owners(HostState(), aim)

    told = summary_json(steps, tenant_of)

    tenants = told["tenants"]
    assert isinstance(tenants, dict)
    assert list(tenants) == ["acme", "globex"]
    assert tenants["acme"] == tenants["globex"]
    counts = [told["host"], *tenants.values()]
    assert sum(each["create"] for each in counts) == len(merged(steps)) < len(steps)
    lines = list(summary_lines(steps, tenant_of))
    assert lines[1:] == [f"tenant {name}: {each['create']} to create" for name, each in tenants.items()]


def test_a_summary_is_as_long_as_there_are_tenants() -> None:
    policy = crowd(300)
    aim = target(policy, HostState(), FACTS)

    told = summary_json(plan(aim.desired, HostState()), tenants_by(aim.lanes, "", [policy]))

    assert len(json.dumps(told)) < 30_000


@pytest.mark.parametrize(
    ("chain", "comment"), [("LANEWAY-FORWARD", "x"), ("LANEWAY-FORWARD", ""), ("LANEWAY-CLASS-OF.x", "")]
)
def test_what_others_wrote_into_our_chains_is_nobody_s(chain: str, comment: str) -> None:
    rules = (ChainRule((), Verdict.DROP, comment),)
    step = Step(Op.DELETE, "chains", ChainKey(4, XtTable.FILTER, chain), rules)

    assert owners(HostState(), aimed())(step) is None
