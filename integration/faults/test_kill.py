"""After `kill -9` at any instant the next apply converges, and the next destroy leaves the host as it was."""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from integration.faults.driver import done, laneway, prepared, snapshot, started

if TYPE_CHECKING:
    from integration.throwaway import Throwaway

COUNTED = 22  # kill points of each test that are counted out, beside
TIMED = 13  # those that are timed: with two variants, three changes and both kinds 210 in all

EVENTS = frozenset(
    {
        *("open", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate"),
        *("socket.__new__", "socket.bind", "socket.sendmsg", "socket.sendto", "subprocess.Popen"),
    }
)
"""Audit events (sys.addaudithook) of which the next is where a process is killed: all that may touch the host."""

CHANGES = {
    "create": ((), ("apply", "/run/a.toml")),
    "change": (("apply", "/run/a.toml"), ("apply", "--prune", "/run/b.toml")),
    "destroy": (("apply", "/run/b.toml"), ("destroy",)),
}


def _count(path: str) -> None:
    """Write, at the end of this process, how many events there were."""
    seen = itertools.count()
    last = [0]

    def hook(event: str, _: object) -> None:
        if event in EVENTS:
            last[0] = next(seen)
            os.pwrite(file, str(last[0]).encode(), 0)

    file = os.open(path, os.O_CREAT | os.O_WRONLY)
    sys.addaudithook(hook)


def _die_at(number: int) -> None:
    """Have this process, and its tools, killed at an event."""
    seen = itertools.count()

    def hook(event: str, _: object) -> None:
        if event in EVENTS and next(seen) == number:
            os.killpg(0, signal.SIGKILL)

    sys.addaudithook(hook)


def _recover(host: Throwaway, *, applied: bool, forgotten: bool) -> None:
    if forgotten:
        host.sh("rm -rf /var/lib/laneway")
    if applied:
        done(host, "apply", "--prune", "/run/b.toml")
        assert laneway(host, "plan", "--prune", "/run/b.toml").code == 0
    done(host, "destroy")


def _settled(host: Throwaway) -> str:
    """Return what the host is once the kernel has done with its new links."""
    seen = ""
    while seen != (now := snapshot(host)):
        seen = now
        time.sleep(1)
    return now


@pytest.mark.parametrize("variant", ["nft", "legacy"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_kill_at_any_instant_is_mended_by_apply_and_by_destroy(
    throwaway: Throwaway, variant: str, change: str
) -> None:
    first, command = CHANGES[change]
    prepared(throwaway, variant)
    before = _settled(throwaway)
    if first:
        done(throwaway, *first)
    began = time.monotonic()
    assert laneway(throwaway, *command, prepare=partial(_count, "/run/events")).code == 0
    seconds = time.monotonic() - began
    events = int(throwaway.sh("cat /run/events"))
    done(throwaway, "destroy")
    assert snapshot(throwaway) == before
    chance = random.Random(f"{variant} {change}")  # noqa: S311  the same instants each time
    points: list[int | float] = [events * number // COUNTED for number in range(COUNTED)]
    points += [seconds * (number + chance.random()) / TIMED for number in range(TIMED)]

    for number, point in enumerate(points):
        if first:
            done(throwaway, *first)
        if isinstance(point, int):
            assert laneway(throwaway, *command, prepare=partial(_die_at, point)).code == -signal.SIGKILL
        else:
            with started(throwaway, *command) as running:
                time.sleep(point)
                running.kill()
        _recover(throwaway, applied=number % 2 == 0, forgotten=number % 4 < 2)
        assert snapshot(throwaway) == before, f"killed at {point} of {events} events or {seconds:.2f} s"
