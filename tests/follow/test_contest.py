"""What is undone again and again waits longer each time."""

from __future__ import annotations

from laneway.follow.contest import Contest, contested, held_until, repaired

ROUTE = ("routes", 1)
RULE = ("fib_rules", 2)


def undone(moments: list[float], contest: Contest | None = None) -> Contest:
    contest = contest or {}
    for moment in moments:
        contest = repaired(contest, [ROUTE], moment)
    return contest


def test_twice_within_a_minute_is_repaired_at_once() -> None:
    assert held_until(undone([10.0, 20.0]), [ROUTE], 21.0) == 21.0


def test_three_times_within_a_minute_waits_and_each_time_longer() -> None:
    contest = undone([10.0, 20.0, 30.0])
    assert held_until(contest, [ROUTE], 31.0) == 35.0
    assert held_until(undone([35.0], contest), [ROUTE], 36.0) == 45.0
    assert held_until(undone([35.0, 45.0], contest), [ROUTE], 46.0) == 65.0


def test_it_never_waits_longer_than_five_minutes() -> None:
    moment, contest = 0.0, undone([0.0, 1.0])
    for _ in range(12):
        moment = held_until(contest, [ROUTE], moment)
        contest = undone([moment], contest)
    assert held_until(contest, [ROUTE], moment) - moment == 300.0


def test_three_times_in_more_than_a_minute_is_no_contest() -> None:
    assert contested(undone([0.0, 40.0, 80.0, 120.0])) == {}


def test_what_else_is_missing_does_not_wait_with_it() -> None:
    assert held_until(undone([10.0, 20.0, 30.0]), [ROUTE, RULE], 31.0) == 31.0


def test_what_nobody_undoes_any_more_is_forgotten() -> None:
    contest = repaired(undone([10.0, 20.0, 30.0]), [RULE], 91.0)
    assert set(contest) == {RULE}
    assert held_until(contest, [ROUTE], 92.0) == 92.0
