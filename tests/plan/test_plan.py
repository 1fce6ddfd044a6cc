"""Steps come in an order in which no packet takes a wrong way."""

from __future__ import annotations

from itertools import pairwise

import pytest

from laneway.apply.target import target
from laneway.plan.diff import Delta, diff
from laneway.plan.plan import plan
from laneway.plan.steps import Op, Step
from laneway.state.host import HostState
from laneway.state.routing import RuleAction
from tests.worlds import FACTS, crowd, tenant, world


def desired(*names: str) -> HostState:
    return target(world(*(tenant(name, index) for index, name in enumerate(names))), HostState(), FACTS).desired


def positions(steps: tuple[Step, ...], **wanted: object) -> list[int]:
    return [
        index for index, step in enumerate(steps) if all(getattr(step, name) == value for name, value in wanted.items())
    ]


@pytest.mark.parametrize(
    ("wanted", "present", "expected"),
    [
        pytest.param({"a": 1}, {}, Delta({"a": 1}, {}, {}), id="missing"),
        pytest.param({}, {"a": 1}, Delta({}, {}, {"a": 1}), id="orphan"),
        pytest.param({"a": 2}, {"a": 1}, Delta({}, {"a": (1, 2)}, {}), id="drifted"),
        pytest.param({"a": 1}, {"a": 1}, Delta({}, {}, {}), id="alike"),
    ],
)
def test_diff(wanted: dict[str, int], present: dict[str, int], expected: Delta[str, int]) -> None:
    assert diff(wanted, present) == expected


def test_alike_states_need_nothing() -> None:
    assert plan(desired("acme"), desired("acme")) == ()


def test_a_lane_can_carry_before_a_packet_is_marked_for_it() -> None:
    steps = plan(desired("acme"), HostState())

    last_route = max(positions(steps, kind="routes"))
    last_rule = max(positions(steps, kind="fib_rules"))
    last_wall = max(i for i in positions(steps, kind="jumps") if steps[i].key.table == "filter")
    first_mark = min(i for i in positions(steps, kind="jumps") if steps[i].key.table == "mangle")
    first_entry = min(positions(steps, kind="entries"))
    assert max(last_rule, last_route) < last_wall < first_mark < first_entry


def test_a_lane_refuses_before_it_leads_anywhere() -> None:
    routes = [step for step in plan(desired("acme"), HostState()) if step.kind == "routes" and step.key.netns == ""]

    kinds = [step.new.kind for step in routes]

    assert "unreachable" not in kinds[kinds.index("unicast") :]


def test_others_packets_pass_the_ladder_before_it_is_built_and_until_it_is_gone() -> None:
    built = [
        step.key for step in plan(desired("acme"), HostState()) if step.kind == "fib_rules" and step.key.family == 4
    ]
    gone = [
        step.key for step in plan(HostState(), desired("acme")) if step.kind == "fib_rules" and step.key.family == 4
    ]

    assert [(rule.priority, rule.action) for rule in built[:2]] == [(19999, RuleAction.NOP), (10000, RuleAction.GOTO)]
    assert gone == built[::-1]


def test_a_block_refuses_before_a_goto_leads_to_it_and_leads_on_last_of_all() -> None:
    for family in (4, 6):
        built = [
            step.key
            for step in plan(desired("acme", "globex"), HostState())
            if step.kind == "fib_rules" and step.key.family == family
        ]

        look_ups = [rule for rule in built if rule.action == RuleAction.LOOKUP]
        assert built[-len(look_ups) :] == sorted(look_ups, key=lambda rule: (rule.priority, rule))
        for index, rule in enumerate(built):
            if rule.action == RuleAction.GOTO:
                later = [each for each in built[index:] if rule.target <= each.priority <= rule.target + 1]
                assert {each.action for each in later} <= {RuleAction.LOOKUP}


def test_what_is_removed_stops_sending_first() -> None:
    steps = plan(HostState(), desired("acme"))

    kinds = [step.kind for step in steps]

    assert kinds[0] == "entries"
    for first, second in pairwise(("routes", "links", "fib_rules", "jumps", "chains")):
        assert kinds.index(first) < kinds.index(second)


def test_the_kernel_has_few_ipv6_tables_and_routes_to_walk() -> None:
    built, gone = plan(desired("acme"), HostState()), plan(HostState(), desired("acme"))

    rules = positions(built, kind="fib_rules")
    look_ups = [at for at in rules if built[at].key.action == RuleAction.LOOKUP]
    for walks_tables in ("links", "addresses"):
        assert max(set(rules) - set(look_ups)) < min(positions(built, kind=walks_tables))
        assert max(positions(built, kind=walks_tables)) < min(look_ups)
    assert max(look_ups) < min(positions(built, kind="routes"))
    for takes_routes in ("routes", "links"):
        assert max(positions(gone, kind=takes_routes)) < min(positions(gone, kind="fib_rules"))


def test_what_the_kernel_removes_itself_is_not_asked_for() -> None:
    steps = plan(HostState(), desired("acme"))

    assert not [step for step in steps if step.kind == "addresses"]
    assert {step.key.netns for step in steps if step.kind in ("routes", "links")} == {""}


def test_the_hosts_own_switches_are_put_back() -> None:
    steps = plan(HostState(), desired("acme"))

    assert [step for step in steps if step.kind == "sysctls"] == [
        Step(Op.REPLACE, "sysctls", "net/ipv6/conf/all/forwarding", "1", "0"),
        Step(Op.REPLACE, "sysctls", "net/ipv4/ip_forward", "1", "0"),
    ]


def test_another_tenant_touches_only_its_own_and_the_shared_chains() -> None:
    before = target(crowd(20), HostState(), FACTS).desired
    after = target(crowd(21), before, FACTS).desired

    steps = plan(after, before)

    replaced = {step.key.name for step in steps if step.op == Op.REPLACE and step.kind == "chains"}
    assert len(replaced) <= 5
    assert not [step for step in steps if step.op != Op.CREATE and step.kind not in ("chains", "files")]
