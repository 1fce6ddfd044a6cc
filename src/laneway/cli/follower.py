"""The loop of `laneway run`: wait for what the kernel tells, look, repair, say so."""

from __future__ import annotations

import os
import select
import signal
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from laneway.apply import following
from laneway.apply.going_back import TROUBLE
from laneway.apply.lock import locked
from laneway.apply.signals import ENDING
from laneway.cli import output
from laneway.cli.repair import Look, Repairer, keys
from laneway.errors import HostRefused, LanewayError, Locked
from laneway.follow.contest import Contest, Key, contested, repaired
from laneway.follow.pace import Pace
from laneway.kernel.events import Watch
from laneway.kernel.inbox import Inbox, tell_manager, watchdog
from laneway.state.events import Event, cause, programs

if TYPE_CHECKING:
    from laneway.plan.steps import Step

LOCK_PAUSE: Final = 0.2
"""Seconds until the next try while another laneway is at work: it wins."""

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 10.0
"""Seconds until the next try after the host could not be repaired; they double each time."""

STARTING = Event("this process began to follow the host")
ASKED = Event("SIGHUP asked for it")
PERIODIC = Event("the periodic look")


def follow(*, every: float) -> None:
    """Follow this host until a signal asks to end; raises Locked when another process does already."""
    try:
        following.DIRECTORY.mkdir(mode=0o755, exist_ok=True)
    except OSError as error:
        raise HostRefused(f"{following.DIRECTORY}: {error.strerror}") from error
    with locked(following.LOCK, wait=1.0), Inbox(ENDING) as inbox, Watch() as watch:
        # What asks to end while the host is being repaired waits until that is done.
        for each in ENDING:
            signal.signal(each, _read_by_the_inbox)
        Follower(inbox, watch, every=every).run()


def _read_by_the_inbox(_number: int, _frame: object) -> None:
    return


class Follower:
    """One process that follows the host."""

    def __init__(self, inbox: Inbox, watch: Watch, *, every: float) -> None:
        """Take what is waited for; the first look is due at once."""
        self._inbox, self._watch, self._every = inbox, watch, every
        self._repairer = Repairer()
        self._events: list[Event] = [STARTING]
        self._pace = Pace(first=0.0)
        self._full = time.monotonic() + every  # when to look although nothing was told
        self._contest: Contest = {}
        self._by: tuple[str, ...] = ()  # who undoes what is contested
        self._failures = 0
        self._heard = watchdog() / 2
        self._told = following.Following(os.getpid(), _moment())

    def run(self) -> None:
        """Follow until a signal asks to end."""
        ready = False
        while self._goes_on():
            now = time.monotonic()
            self._heed(now)
            due = self._pace.due
            if due is not None and now >= due:
                self._look()
                if not ready:
                    ready = True
                    tell_manager("READY=1", f"STATUS={self._state()}")
            tell_manager("WATCHDOG=1")
        tell_manager("STOPPING=1")
        output.note("laneway run ends; the host stays as it is")

    def _goes_on(self) -> bool:
        """Wait until something is due; tell whether nobody asked to end."""
        now = time.monotonic()
        moments = [self._full, *([] if self._pace.due is None else [self._pace.due])]
        longest = max(min(moments) - now, 0.0)
        sources = [*(each.fileno() for each in self._watch.sockets), self._inbox.fileno()]
        select.select(sources, [], [], min(longest, self._heard) if self._heard else longest)
        asked = set(self._inbox.read())
        if signal.SIGHUP in asked:
            self._contest = {}
            self._add(ASKED, now)
        return not asked & {signal.SIGTERM, signal.SIGINT}

    def _heed(self, now: float) -> None:
        for event in self._watch.events():
            self._add(event, now)
        if now >= self._full:
            self._add(PERIODIC, now)
            self._full = now + self._every

    def _add(self, event: Event, now: float) -> None:
        if len(self._events) < 100:  # noqa: PLR2004  more than a person reads, or a cause is told by
            self._events.append(event)
        self._pace = self._pace.told(now)

    def _look(self) -> None:
        events, self._events = self._events, []
        began = time.monotonic()
        try:
            look = self._repairer.look(self._contest, lambda _done, _total: tell_manager("WATCHDOG=1"))
        except Locked:
            self._events = events
            self._pace = self._pace.again(time.monotonic(), LOCK_PAUSE)
            return
        except TROUBLE as error:
            self._refused(error)
            return
        self._failures = 0
        self._watch.heed(look.uplinks)
        self._pace = self._pace.looked(time.monotonic(), seconds=time.monotonic() - began, found=bool(look.steps))
        self._note(look, events)

    def _refused(self, error: BaseException) -> None:
        """Say once why the host could not be repaired, and try again later."""
        pause = min(FIRST_PAUSE * 2**self._failures, LONGEST_PAUSE)
        self._failures = min(self._failures + 1, 10)
        self._pace = Pace().again(time.monotonic(), pause)
        told = str(error)
        if told != self._told.trouble:
            output.failure(error if isinstance(error, LanewayError) else HostRefused(told))
            self._tell(self._told._replace(trouble=told))

    def _note(self, look: Look, events: list[Event]) -> None:
        """Say what was done, and remember what is undone again and again."""
        now = time.monotonic()
        told = self._told._replace(generation=look.generation, trouble="")
        if look.steps:
            from laneway.cli import tell

            after = cause(events)
            what = tell.tally(look.steps)
            output.note(f"repaired in {look.seconds:.2f} s: {what}; {after}")
            tell.workloads(look.workloads)
            repair = following.Repair(_moment(), what, after, round(look.seconds, 3))
            told = told._replace(repairs=(*told.repairs, repair)[-following.KEPT :])
            if not any(each.of_uplink for each in events):
                self._dispute(look.steps, events, now)
        if look.left:
            self._pace = self._pace.again(look.until, 0.0)
        elif look.generation != self._told.generation:
            number = look.generation
            output.note(f"generation {number} is in force" if number else "no policy is in force on this host: waiting")
        self._tell(told._replace(waits=self._waits(now)))

    def _dispute(self, steps: tuple[Step, ...], events: list[Event], now: float) -> None:
        before = contested(self._contest)
        self._contest = repaired(self._contest, keys(steps), now)
        self._by = programs(events) or self._by
        if contested(self._contest).keys() - before.keys() or before:
            line = self._waits(now)
            if line:
                output.note(line)

    def _waits(self, now: float) -> str:
        """Return, for a person, what somebody undoes again and again, who may do so, and until when it waits."""
        held: dict[Key, float] = {key: each.until for key, each in contested(self._contest).items() if each.until > now}
        if not held:
            return ""
        from laneway.cli.tell import counted

        kinds = [kind for kind, _ in held]
        what = counted({kind: kinds.count(kind) for kind in dict.fromkeys(kinds)})
        by = f"by {' or '.join(self._by)}" if self._by else "by a program that is not known: `laneway doctor` may tell"
        return f"undone again and again, {by}: {what}; the next repair of that waits {max(held.values()) - now:.0f} s"

    def _tell(self, told: following.Following) -> None:
        if told == self._told and following.read() == told:
            return
        self._told = told
        try:
            following.write(told)
        except OSError as error:
            output.note(f"note: {error.filename}: {error.strerror}; `laneway status` cannot tell of this process")
        tell_manager(f"STATUS={self._state()}")

    def _state(self) -> str:
        told = self._told
        if told.trouble:
            return f"cannot repair: {told.trouble.splitlines()[0]}"
        return f"generation {told.generation} is in force" if told.generation else "nothing is in force: waiting"


def _moment() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
