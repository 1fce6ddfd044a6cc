"""A walk over the FIB rules, as the kernel takes it, ends in the lane's table and nowhere else."""

from __future__ import annotations

import pytest

from laneway.compile.host import compile_host
from laneway.compile.ladder import Ladder
from laneway.errors import Conflict
from laneway.lanes.allocate import allocate
from laneway.lanes.field import MarkField
from laneway.lanes.leases import Leases
from laneway.state.routing import MAIN_PRIORITY, FibRule, RuleAction
from tests.worlds import FACTS, crowd, tenant, world

MAX_STEPS = 40
"""Rules a packet may meet with 600 tenants; the worst block has eight gotos, and there are five levels."""


def walk(rules: list[FibRule], mark: int, *, empty: bool = False) -> tuple[str, int]:
    """Return where the kernel would send `mark`, every table `empty` or none, and how many rules it looked at."""
    position = steps = 0
    while position < len(rules):
        rule = rules[position]
        steps += 1
        position += 1
        hit = rule.mark is None or (mark & rule.mark.mask) == rule.mark.value
        if hit == rule.inverted:
            continue
        if rule.action == RuleAction.GOTO:
            # The kernel passes over a goto whose target is gone.
            position = next((i for i, each in enumerate(rules) if each.priority == rule.target), position)
        elif rule.action != RuleAction.NOP and not (empty and rule.action == RuleAction.LOOKUP):
            return f"{rule.action} {rule.target}", steps
    return "main", steps


def ladder(count: int) -> tuple[list[FibRule], dict[str, int]]:
    policy = crowd(count)
    lanes = allocate(policy, Leases())
    state = compile_host(policy, lanes, FACTS)
    before_main = [rule for rule in state.fib_rules if rule.family == 4 and rule.priority < MAIN_PRIORITY]
    rules = sorted(before_main, key=lambda rule: rule.priority)
    tables = {
        f"{each.name}.{uplink}": lanes.mark(each.name, uplink).value
        for each in policy.tenants
        for uplink in each.uplinks
    }
    return rules, tables


def test_every_lane_ends_in_its_own_table() -> None:
    rules, marks = ladder(600)

    for mark in marks.values():
        verdict, steps = walk(rules, mark)
        assert verdict == f"lookup {20000 + (mark >> 16)}"
        assert steps <= MAX_STEPS


def test_a_marked_packet_without_a_lane_never_reaches_main() -> None:
    rules, marks = ladder(5)

    for lane in range(2 << 3, 1 << 16, 37):
        if lane << 16 not in marks.values():
            assert walk(rules, lane << 16)[0] == "unreachable 0"


def test_what_is_not_ours_passes_in_two_rules() -> None:
    rules, _ = ladder(600)

    assert walk(rules, 0x0000FFFF) == ("main", 2)


def test_without_the_way_out_unmarked_packets_still_reach_main() -> None:
    rules, _ = ladder(5)

    survivors = [rule for rule in rules if rule.action != RuleAction.NOP and rule.priority != 10000]

    assert walk(survivors, 0)[0] == "main"


def test_the_hosts_answers_fall_through_to_main_and_the_crossing_lane_does_not() -> None:
    rules, _ = ladder(2)

    assert walk(rules, 0x00090000, empty=True)[0] == "main"
    assert walk(rules, 0x00080000, empty=True)[0] == "unreachable 0"


def test_one_tenant_more_moves_no_rule() -> None:
    before, after = set(ladder(40)[0]), set(ladder(41)[0])

    assert not before - after
    assert len(after - before) <= 12


@pytest.mark.parametrize(
    ("mask", "uplinks"), [(0xFFFF0000, 7), (0xFFFF0000, 3), (0x3F, 3), (0x00FFF000, 15), (0x7F0, 1)]
)
def test_every_lane_has_a_block_of_its_own_kind(mask: int, uplinks: int) -> None:
    built = Ladder(MarkField.of(mask, uplinks), 10000, 32000)

    for lane in range(0, 1 << built.field.width, 7):
        priorities = [priority for priority, _ in built.blocks(lane)]
        assert priorities == sorted(priorities)
        assert 10003 <= priorities[0] <= priorities[-1] + 1 < 10000 + built.needed() - 3


def test_deleting_a_rule_on_mark_0_can_hit_no_other() -> None:
    rules, _ = ladder(600)

    for rule in rules:
        if rule.mark is not None and rule.mark.value == 0:
            alike = [each for each in rules if each.mark is not None and each.mark.mask == rule.mark.mask]
            assert [each for each in alike if each.priority == rule.priority] == [rule]


def test_every_goto_has_a_rule_at_its_target() -> None:
    rules, _ = ladder(600)
    priorities = {rule.priority for rule in rules}

    assert {rule.target for rule in rules if rule.action == RuleAction.GOTO} <= priorities


def test_too_few_priorities_are_refused() -> None:
    policy = world(tenant("acme", 1))
    narrow = policy._replace(host=policy.host._replace(priorities=(10000, 10099)))

    with pytest.raises(Conflict, match="4688 priorities are needed"):
        compile_host(narrow, allocate(narrow, Leases()), FACTS)
