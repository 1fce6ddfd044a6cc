"""A change that is not confirmed in time is taken back, whatever becomes of the process that made it."""

from __future__ import annotations

import os
import pty
import re
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import laneway as laneway_package
from integration.faults.driver import done, laneway, prepared, snapshot, started

if TYPE_CHECKING:
    from integration.throwaway import Throwaway

SOON = "6s"  # long enough for a busy machine to look at the change before it is taken back
CHANGE = ("apply", "--prune", "--confirm-within", SOON, "/run/b.toml")


@pytest.fixture(params=["nft", "legacy"])
def applied(throwaway: Throwaway, request: pytest.FixtureRequest) -> Throwaway:
    """A host that holds a policy."""
    prepared(throwaway, request.param)
    done(throwaway, "apply", "/run/a.toml")
    return throwaway


@pytest.fixture
def nft(throwaway: Throwaway) -> Throwaway:
    """The same where the variant of iptables is no matter."""
    prepared(throwaway, "nft")
    done(throwaway, "apply", "/run/a.toml")
    return throwaway


def taken_back(host: Throwaway) -> None:
    """Wait until nothing waits for a confirmation any more."""
    deadline = time.monotonic() + 60
    while host.sh("ls -A /var/lib/laneway/pending 2>/dev/null || true"):
        assert time.monotonic() < deadline, host.sh(
            "cat /var/lib/laneway/confirm.log /var/lib/laneway/pending/about.toml"
        )
        time.sleep(0.2)


def test_an_unconfirmed_change_is_taken_back(applied: Throwaway) -> None:
    before = snapshot(applied)
    assert re.search(
        r"`laneway confirm 2` keeps it, or it is reverted at \d\d:\d\d:\d\d", laneway(applied, *CHANGE).err
    )
    assert snapshot(applied) != before

    taken_back(applied)

    assert snapshot(applied) == before
    assert laneway(applied, "plan", "/run/a.toml").code == 0
    late = laneway(applied, "confirm")
    assert (late.code, "too late: generation 2 was reverted" in late.err) == (5, True)
    assert "not confirmed: reverted" in done(applied, "history").splitlines()[-1]


def test_a_confirmed_change_stays(applied: Throwaway) -> None:
    done(applied, *CHANGE)
    assert done(applied, "confirm") == "confirmed: generation 2 stays\n"
    time.sleep(2)  # until the kernel has its own routes by a new link
    changed = snapshot(applied)

    time.sleep(7)
    assert snapshot(applied) == changed
    assert laneway(applied, "confirm").code == 2


def test_the_first_change_of_all_is_taken_back_to_nothing(throwaway: Throwaway) -> None:
    prepared(throwaway, "nft")
    before = snapshot(throwaway)

    done(throwaway, "apply", "--confirm-within", SOON, "/run/a.toml")

    taken_back(throwaway)
    assert snapshot(throwaway) == before


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM])
@pytest.mark.parametrize("seconds", [0.1, 0.4, 0.8, 1.2])
def test_a_process_that_is_ended_changes_nothing_for_good(nft: Throwaway, number: int, seconds: float) -> None:
    before = snapshot(nft)
    with started(nft, *CHANGE) as running:
        time.sleep(seconds)
        running.kill(number)
        running.wait()

    taken_back(nft)

    assert snapshot(nft) == before


def test_a_kill_between_the_note_and_the_timer_changes_nothing_for_good(nft: Throwaway) -> None:
    before = snapshot(nft)

    def prepare() -> None:
        from laneway.apply import pending

        begin = pending.begin

        def begin_and_die(*arguments: Any, **options: Any) -> None:
            begin(*arguments, **options)
            os.kill(os.getpid(), signal.SIGKILL)

        pytest.MonkeyPatch().setattr(pending, "begin", begin_and_die)

    assert laneway(nft, *CHANGE, prepare=prepare).code == -signal.SIGKILL
    assert nft.sh("ls -A /var/lib/laneway/pending").split() == ["about.toml", "snapshot"]

    taken_back(nft)

    assert snapshot(nft) == before


def test_the_timer_does_not_stand_in_the_way_of_who_confirms(nft: Throwaway) -> None:
    def prepare() -> None:
        from laneway.apply import pending

        begin = pending.begin

        def begin_late(*arguments: Any, **options: Any) -> Any:
            time.sleep(2)  # the timer runs by now, and finds no note
            return begin(*arguments, **options)

        pytest.MonkeyPatch().setattr(pending, "begin", begin_late)

    command = ("apply", "--prune", "--confirm-within", "5m", "/run/b.toml")
    assert laneway(nft, *command, prepare=prepare).code == 0

    # Nobody but who confirms asks for the lock from now on, though the timer has waited for the note.
    nft.sh("! grep -q 'waiting: another laneway' /var/lib/laneway/confirm.log")
    assert done(nft, "confirm") == "confirmed: generation 2 stays\n"


def test_the_end_of_the_terminal_does_not_end_the_timer(nft: Throwaway) -> None:
    before = snapshot(nft)
    # A session with a terminal that goes away: the kernel sends SIGHUP to all of it.
    nft.call(partial(_in_a_terminal, ("apply", "--prune", "--confirm-within", SOON, "/run/b.toml")))
    assert snapshot(nft) != before

    taken_back(nft)

    assert snapshot(nft) == before


def _in_a_terminal(arguments: tuple[str, ...]) -> None:
    child, terminal = pty.fork()
    if not child:
        package = str(Path(laneway_package.__file__).parents[1])
        os.execve(sys.executable, [sys.executable, "-m", "laneway", *arguments], {"PYTHONPATH": package})  # noqa: S606
    text = b""
    try:
        while b"reverted at" not in text:
            text += os.read(terminal, 4096)
    except OSError as error:
        raise AssertionError(text.decode()) from error
    os.close(terminal)
    os.waitpid(child, 0)


def test_only_one_change_waits(nft: Throwaway) -> None:
    done(nft, "apply", "--prune", "--confirm-within", "5m", "/run/b.toml")
    changed = snapshot(nft)

    for command in (("apply", "/run/a.toml"), ("destroy",), ("rollback", "1")):
        second = laneway(nft, *command)
        assert (second.code, "generation 2, applied by root, waits for a confirmation" in second.err) == (9, True)

    assert snapshot(nft) == changed


def test_rollback_takes_back_at_once_what_waits(nft: Throwaway) -> None:
    before = snapshot(nft)
    done(nft, "apply", "--prune", "--confirm-within", "5m", "/run/b.toml")

    assert done(nft, "rollback").startswith("reverted, generation 1: ")

    assert snapshot(nft) == before
    assert laneway(nft, "confirm").code == 5


def test_a_confirmation_after_the_time_is_refused_though_nobody_took_it_back(nft: Throwaway) -> None:
    _wait_without_a_timer(nft, seconds=1)
    time.sleep(1.2)

    late = laneway(nft, "confirm")

    assert (late.code, "too late: the time for generation 2 ended" in late.err) == (5, True)
    second = laneway(nft, "apply", "/run/a.toml")
    assert (second.code, "`laneway rollback --pending`" in second.err) == (9, True)


def _wait_without_a_timer(host: Throwaway, *, seconds: float) -> None:
    def prepare() -> None:
        from laneway.kernel import detached

        detached.run_laneway_later = lambda *_, **__: None

    command = ("apply", "--prune", "--confirm-within", f"{seconds}s", "/run/b.toml")
    assert laneway(host, *command, prepare=prepare).code == 0


def test_a_boot_unit_finishes_what_a_crash_left(nft: Throwaway) -> None:
    before = snapshot(nft)
    _wait_without_a_timer(nft, seconds=300)
    # As after a crash: another boot, in which the kernel knows of nothing, and the files are still there.
    nft.sh("sed -i 's/^boot = .*/boot = \"another\"/' /var/lib/laneway/pending/about.toml")
    assert laneway(nft, "confirm").code == 5

    ended = laneway(nft, "rollback", "--pending")

    assert (ended.code, ended.err) == (0, "not confirmed in time: reverted, generation 1 is in force again\n")
    assert _without_leases(snapshot(nft)) == _without_leases(before)
    assert laneway(nft, "rollback", "--pending").err == "nothing waits for a confirmation\n"


def _without_leases(text: str) -> str:
    """Leave out the number that the next tenant will get: the policy made anew remembers that it is taken."""
    return re.sub(r"next-owner \d+", "", text)


def test_a_timer_that_cannot_be_started_refuses_the_change(nft: Throwaway) -> None:
    before = snapshot(nft)
    nft.sh("mkdir /var/lib/laneway/confirm.log")

    ended = laneway(nft, *CHANGE)

    assert ended.code == 5
    assert "the process that would take the change back cannot be started" in ended.err
    assert snapshot(nft) == before
    assert nft.sh("ls -A /var/lib/laneway") == "before\nconfirm.log\ngenerations\n"


def test_a_held_lock_delays_taking_back_and_does_not_prevent_it(nft: Throwaway) -> None:
    before = snapshot(nft)
    done(nft, "apply", "--prune", "--confirm-within", "2s", "/run/b.toml")

    nft.sh("flock /run/laneway.lock sleep 5")

    taken_back(nft)
    assert snapshot(nft) == before


def test_systemd_is_asked_where_it_runs(nft: Throwaway) -> None:
    nft.sh("""
        printf '#!/bin/sh\\nprintf "%%s\\\\n" "$@" > /run/asked\\n' > /run/systemd-run; chmod 755 /run/systemd-run
        mkdir /run/bin-upper /run/bin-work
        mount -t overlay overlay -o lowerdir=/usr/bin,upperdir=/run/bin-upper,workdir=/run/bin-work /usr/bin
        cp --remove-destination /run/systemd-run /usr/bin/systemd-run
    """)

    def prepare() -> None:
        from laneway.kernel import detached

        detached._systemd_can = lambda: True

    assert laneway(nft, *CHANGE, prepare=prepare).code == 0

    asked = nft.sh("cat /run/asked").splitlines()
    assert "--on-active=6s" in asked
    assert asked[-5:-3] == ["--", asked[-4]] or asked[-4:] == ["-m", "laneway", "rollback", "--pending"]
