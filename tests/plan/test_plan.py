"""Steps come in an order in which no packet takes a wrong way."""

from __future__ import annotations

from itertools import pairwise

import pytest

from laneway.apply.target import target
from laneway.lanes.field import MarkField
from laneway.plan.diff import Delta, diff
from laneway.plan.flows import moved_flows
from laneway.plan.plan import plan
from laneway.plan.steps import Op, Step, merged
from laneway.plan.words import command, fib_rule_text
from laneway.state.chain_text import PRIOR_CHAIN, PRIOR_TABLE
from laneway.state.chains import ChainKey
from laneway.state.host import HostState
from laneway.state.marks import FwMark
from laneway.state.prefix import IPV4
from laneway.state.routing import FibRule, RuleAction, add_rules
from tests.worlds import FACTS, crowd, tenant, world

INSIDE = ("lw-pub4-_inside", "lw-pub6-_inside")
ASKED_BY_WALLS = ("lw-net", *INSIDE)


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
    first_mark = min(i for i in positions(steps, kind="jumps") if steps[i].key.chain == "LANEWAY-MARK")
    first_entry = min(i for i in positions(steps, kind="entries") if not steps[i].key.set.startswith(ASKED_BY_WALLS))
    assert max(last_rule, last_route) < first_mark < first_entry


def test_the_walls_stand_and_nat_translates_before_a_workload_can_send() -> None:
    steps = plan(desired("acme"), HostState())

    walls = [
        i
        for i in positions(steps, kind="jumps")
        if (steps[i].key.table in ("filter", "nat", "raw") and steps[i].key.chain != "LANEWAY-DNAT")
        or steps[i].key.chain == "LANEWAY-ISOLATE"
    ]
    walls += [i for i in positions(steps, kind="entries") if steps[i].key.set in ("lw-net4", "lw-net6")]
    sends = ("netns", "links", "addresses", "routes", "sysctls")
    assert len(walls) == 10 + 2
    assert max(walls) < min(at for kind in sends for at in positions(steps, kind=kind))


def published(steps: tuple[Step, ...]) -> list[int]:
    chains = [i for i in positions(steps, kind="chains") if steps[i].key.name.startswith("LANEWAY-DNAT")]
    return chains + [i for i in positions(steps, kind="jumps") if steps[i].key.chain == "LANEWAY-DNAT"]


def test_a_published_port_leads_to_its_workload_once_there_is_a_way_there() -> None:
    steps = plan(desired("acme"), HostState())

    ways = [at for kind in ("links", "addresses", "routes") for at in positions(steps, kind=kind)]
    passes, marks = by_inside(steps)
    assert max(ways) < min(published(steps))
    assert max(published(steps)) < min(marks)
    # What a port leads to is known before the walls ask for it: on a host that publishes it already, too.
    walls = [i for i in positions(steps, kind="chains") if steps[i].key.table == "filter"]
    assert max(positions(steps, kind="sets")) < min(passes) <= max(passes) < min(walls)


def by_inside(steps: tuple[Step, ...]) -> tuple[list[int], list[int]]:
    """Return the steps on what published ports lead to, and those on what marks packets to them."""
    entries = [i for i in positions(steps, kind="entries") if steps[i].key.set.startswith("lw-pub")]
    passes = [i for i in entries if steps[i].key.set in INSIDE]
    assert passes
    return passes, [i for i in entries if i not in passes]


def test_a_port_that_is_published_now_is_known_before_it_leads_and_one_that_is_no_more_after() -> None:
    acme = tenant("acme", 1)
    web = acme.workloads[0]
    less = acme._replace(workloads=(web._replace(publish=web.publish[:1]),))
    whole = target(world(acme), HostState(), FACTS).desired
    fewer = target(world(less), whole, FACTS).desired

    passes, marks = by_inside(plan(whole, fewer))
    assert max(passes) < min(published(plan(whole, fewer))) < min(marks)
    passes, marks = by_inside(plan(fewer, whole))
    assert max(published(plan(fewer, whole)) + marks) < min(passes)


def test_a_published_port_that_changes_hands_leads_to_a_new_tenant_once_there_is_a_way_there() -> None:
    acme, globex = tenant("acme", 1), tenant("globex", 2)
    before = target(world(acme), HostState(), FACTS).desired
    moved = (acme._replace(workloads=()), globex._replace(workloads=acme.workloads, subnets=globex.subnets))
    workload = acme.workloads[0]._replace(addresses=globex.workloads[0].addresses)
    moved = (moved[0], moved[1]._replace(workloads=(workload,)))

    steps = plan(target(world(*moved), before, FACTS).desired, before)

    created = [i for i, step in enumerate(steps) if step.op == Op.CREATE and step.kind in ("links", "routes")]
    replaced = [i for i, step in enumerate(steps) if step.kind == "chains" and step.key.name.startswith("LANEWAY-DNAT")]
    assert max(created) < min(replaced)


def test_a_published_port_leads_nowhere_before_the_way_there_goes_and_its_prefix_is_refused_to_the_last() -> None:
    steps = plan(HostState(), desired("acme"))

    jumps = [i for i in positions(steps, kind="jumps") if steps[i].key.chain == "LANEWAY-DNAT"]
    refused = [i for i in positions(steps, kind="entries") if steps[i].key.set.startswith("lw-net")]
    assert max(jumps) < min(positions(steps, kind="routes") + positions(steps, kind="links"))
    assert max(i for i in positions(steps, kind="fib_rules") + positions(steps, kind="chains")) < min(refused)
    assert max(refused) < min(positions(steps, kind="sets"))
    passes, marks = by_inside(steps)
    assert max(marks) < min(jumps) < min(passes)


def test_a_link_comes_up_with_its_sysctls_and_a_port_after_its_bridge() -> None:
    steps = plan(desired("acme"), HostState())

    made = [steps[i] for i in positions(steps, kind="links") if steps[i].op == Op.CREATE]
    raised = [steps[i] for i in positions(steps, kind="links") if steps[i].op == Op.REPLACE]
    assert [step.new.up for step in made] == [step.new.kind == "peer" for step in made]
    assert [step.new for step in raised] == [step.old._replace(up=True) for step in raised]
    assert {step.key for step in raised} == {step.key for step in made if step.new.kind != "peer"}
    kinds = [step.new.kind for step in raised]
    assert kinds == sorted(kinds)
    names = {step.key.name for step in raised}
    theirs = [i for i in positions(steps, kind="sysctls") if names.intersection(steps[i].key.split("/"))]
    assert max(theirs) < min(steps.index(step) for step in raised)
    assert len(theirs) == 8 * kinds.count("bridge") + 2 * kinds.count("veth")


def test_a_link_made_anew_is_down_until_it_has_its_sysctls_again() -> None:
    wanted = desired("acme")
    key = next(key for key, link in wanted.links.items() if link.kind == "bridge")
    present = wanted.replaced(links={**wanted.links, key: wanted.links[key]._replace(group=0)})

    on_bridge = [step for step in plan(wanted, present) if step.kind == "links" and step.key == key]

    whole = wanted.links[key]
    assert [(step.old, step.new) for step in on_bridge] == [
        (whole._replace(group=0), whole._replace(up=False)),
        (whole._replace(up=False), whole),
    ]


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
    assert gone[-2:] == built[1::-1]
    assert [rule for rule in gone if rule.action != RuleAction.LOOKUP] == [
        rule for rule in built[::-1] if rule.action != RuleAction.LOOKUP
    ]
    assert set(gone) == set(built)


def test_a_block_refuses_before_a_goto_leads_to_it_and_leads_on_last_of_all() -> None:
    for family in (4, 6):
        built = [
            step.key
            for step in plan(desired("acme", "globex"), HostState())
            if step.kind == "fib_rules" and step.key.family == family
        ]

        look_ups = [rule for rule in built if rule.action == RuleAction.LOOKUP]
        assert built[-len(look_ups) :] == look_ups
        blocks = {rule.priority for rule in look_ups}
        leaders, others = look_ups[: len(blocks)], look_ups[len(blocks) :]
        assert {rule.priority for rule in leaders} == blocks
        for each in (leaders, others):
            assert each == sorted(each, key=lambda rule: (rule.priority, rule))
        for index, rule in enumerate(built):
            if rule.action == RuleAction.GOTO:
                later = [each for each in built[index:] if rule.target <= each.priority <= rule.target + 1]
                assert {each.action for each in later} <= {RuleAction.LOOKUP}


def test_what_is_removed_stops_sending_first() -> None:
    steps = plan(HostState(), desired("acme"))

    kinds = [step.kind for step in steps]

    assert kinds[0] == "entries"
    for first, second in pairwise(("routes", "links", "fib_rules", "chains")):
        assert kinds.index(first) < kinds.index(second)


def test_the_kernel_has_few_ipv6_tables_and_routes_to_walk() -> None:
    built, gone = plan(desired("acme"), HostState()), plan(HostState(), desired("acme"))

    rules = positions(built, kind="fib_rules")
    look_ups = [at for at in rules if built[at].key.action == RuleAction.LOOKUP]
    assert max(set(rules) - set(look_ups)) < min(positions(built, kind="links"))
    assert max(positions(built, kind="links")) < min(look_ups)
    for adds_routes in ("addresses", "routes"):
        assert max(look_ups) < min(positions(built, kind=adds_routes))
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
    changed = [step for step in merged(steps) if step.op != Op.CREATE]
    assert {step.kind for step in changed} <= {"chains", "files"}


def test_a_rule_that_is_there_again_goes_and_leaves_one() -> None:
    wanted = desired("acme")
    rule = next(each for each in wanted.fib_rules if each.action == RuleAction.LOOKUP)
    present = wanted.replaced(fib_rules=dict(wanted.fib_rules))
    add_rules(present.fib_rules, [rule, rule])

    steps = plan(wanted, present)

    assert [(step.op, step.kind) for step in steps] == [(Op.DELETE, "fib_rules")] * 2
    assert {command(step) for step in steps} == {f"ip -{rule.family} rule del {fib_rule_text(rule)}"}


def test_a_link_that_was_left_down_gets_its_sysctls_before_it_comes_up() -> None:
    wanted = desired("acme")
    key = next(key for key, link in wanted.links.items() if link.kind == "bridge")
    present = wanted.replaced(
        links={**wanted.links, key: wanted.links[key]._replace(up=False)},
        sysctls={name: value for name, value in wanted.sysctls.items() if not name.endswith(f"{key.name}/accept_ra")},
    )

    assert [(step.kind, step.op) for step in plan(wanted, present)] == [
        ("sysctls", Op.CREATE),
        ("links", Op.REPLACE),
    ]


def test_a_rule_of_our_protocol_without_a_mark_can_be_planned_away_beside_one_with_it() -> None:
    stray = FibRule(4, 4999, RuleAction.LOOKUP, None, 1234)
    present = {stray: None, stray._replace(mark=FwMark(1, 1)): None, stray._replace(action=RuleAction.NOP): None}

    steps = plan(HostState(), HostState(fib_rules=present))

    assert {step.key for step in steps} == present.keys()
    assert moved_flows(steps, HostState(fib_rules=present), MarkField.of(0xFFFF0000, 7)) == (FwMark(1, 1),)


def test_a_tenant_that_goes_is_shut_in_before_anything_else_is_done() -> None:
    steps = plan(desired("acme"), desired("acme", "globex"))

    homes = [i for i in positions(steps, kind="entries", op=Op.DELETE) if steps[i].key.set.startswith("lw-src")]
    assert homes == [0, 1]


def test_an_empty_chain_of_priors_is_deleted_unless_priors_are_written_into_it() -> None:
    flushed = HostState(chains={ChainKey(IPV4, PRIOR_TABLE, PRIOR_CHAIN): ()})

    def done(wanted: HostState) -> list[tuple[Op, str]]:
        return [(step.op, step.kind) for step in plan(wanted, flushed)]

    assert done(HostState(priors={"net/ipv4/ip_forward": "0"})) == [(Op.CREATE, "priors")]
    assert done(HostState()) == [(Op.DELETE, "chains")]


def test_the_mark_of_a_directory_is_no_leftover_where_a_file_is_to_be() -> None:
    marks = ("/etc/iproute2/.laneway", "/etc/iproute2/rt_protos.d/.laneway", "/etc/netns/gone/.laneway")
    file = "/etc/iproute2/rt_protos.d/laneway.conf"

    steps = plan(HostState(files={file: "147\tlaneway\n"}), HostState(files=dict.fromkeys(marks, "")))

    assert [(step.op, step.key) for step in steps] == [(Op.CREATE, file), (Op.DELETE, "/etc/netns/gone/.laneway")]
