"""When to look: changes come in bursts, and one look sees them all."""

from __future__ import annotations

from typing import Final, NamedTuple

QUIET: Final = 0.05
"""Seconds without another change after which a burst is over: a DHCP client's, `ip link set down; up`."""

LONGEST: Final = 0.2
"""Seconds after which a burst is looked at although it goes on."""

IDLE_SHARE: Final = 4
"""After looks that found nothing to do, how many times as long as the last one took no other is begun."""

IN_VAIN: Final = 3
"""So many of them in a row: a routing daemon that changes the default route all the time costs a fifth of a core."""


class Pace(NamedTuple):
    """What was told since the last look, by the monotonic clock."""

    first: float | None = None  # the first change; none: nothing is due
    last: float = 0.0
    not_before: float = 0.0
    in_vain: int = 0  # looks in a row that found nothing to do

    @property
    def due(self) -> float | None:
        """Return when to look, None while nothing asks for it."""
        if self.first is None:
            return None
        return max(min(self.last + QUIET, self.first + LONGEST), self.not_before)

    def told(self, now: float) -> Pace:
        """Return the pace after a change was told of."""
        return self._replace(first=now if self.first is None else self.first, last=now)

    def looked(self, now: float, *, seconds: float, found: bool) -> Pace:
        """Return the pace after a look that took so long."""
        in_vain = 0 if found else self.in_vain + 1
        pause = seconds * IDLE_SHARE if in_vain > IN_VAIN else 0.0
        return Pace(not_before=now + pause, in_vain=in_vain)

    def again(self, now: float, pause: float) -> Pace:
        """Return the pace after a look that came to nothing: whatever is told, the next one is after a pause."""
        return self._replace(first=now, last=now, not_before=now + pause)
