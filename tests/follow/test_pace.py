"""When to look at the host."""

from __future__ import annotations

from laneway.follow.pace import Pace


def test_nothing_is_due_while_nothing_was_told() -> None:
    assert Pace().due is None


def test_a_single_change_is_looked_at_when_it_stayed_quiet() -> None:
    assert Pace().told(10.0).due == 10.05


def test_a_burst_is_one_look_and_one_without_end_does_not_put_it_off() -> None:
    pace = Pace().told(10.0)
    for moment in range(1, 9):
        pace = pace.told(10.0 + moment * 0.04)
    assert pace.due == 10.2


def test_after_a_look_nothing_is_due_and_the_next_change_is_looked_at_as_soon() -> None:
    pace = Pace().told(10.0).looked(10.1, seconds=0.1, found=True)
    assert pace.due is None
    assert pace.told(11.0).due == 11.05


def test_looks_in_vain_one_after_another_take_a_fifth_of_a_core_at_most() -> None:
    pace = Pace()
    for _ in range(4):
        pace = pace.told(10.0).looked(10.0, seconds=0.5, found=False)
    assert pace.told(10.0).due == 12.0
    assert pace.told(10.0).looked(12.0, seconds=0.5, found=True).told(12.0).due == 12.05


def test_after_a_failure_no_change_brings_the_next_try_forward() -> None:
    assert Pace().again(10.0, 4.0).told(10.1).due == 14.0
