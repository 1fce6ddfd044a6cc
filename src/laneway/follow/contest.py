"""Who is undone again and again waits longer each time: laneway does not fight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

TIMES: Final = 3
WITHIN: Final = 60.0
"""So often repaired within so many seconds, an object is one that somebody else wants otherwise."""

FIRST_WAIT: Final = 5.0
LONGEST_WAIT: Final = 300.0
"""Seconds before it is repaired once more; they double each time."""

Key = tuple[str, object]  # the kind of an object, and the kernel's identity of it


class Repaired(NamedTuple):
    """One object that was repaired."""

    moments: tuple[float, ...]  # within the last minute, or the last one
    wait: float = 0.0  # seconds it waits for the next repair; 0: it is not contested
    until: float = 0.0


Contest = dict[Key, Repaired]


def held_until(contest: Mapping[Key, Repaired], keys: Iterable[Key], now: float) -> float:
    """Return when these objects may be repaired: at once, where one of them is not contested or has waited."""
    moments = [contest[key].until if key in contest else now for key in keys]
    return max(min(moments, default=now), now)


def repaired(contest: Mapping[Key, Repaired], keys: Collection[Key], now: float) -> Contest:
    """Return the contest after these objects were repaired, and what nobody touched for long forgotten."""
    found = {key: each for key, each in contest.items() if now - each.moments[-1] <= max(WITHIN, 2 * each.wait)}
    for key in keys:
        before = found.get(key, Repaired(()))
        moments = (*(each for each in before.moments if now - each <= WITHIN), now)
        wait = min(before.wait * 2, LONGEST_WAIT) if before.wait else FIRST_WAIT
        contested = before.wait or len(moments) >= TIMES
        found[key] = Repaired(moments, wait, now + wait) if contested else Repaired(moments)
    return found


def contested(contest: Mapping[Key, Repaired]) -> dict[Key, Repaired]:
    """Return the objects that wait."""
    return {key: each for key, each in contest.items() if each.wait}
