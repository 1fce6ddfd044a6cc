"""Others who change the host at the same time lose nothing, and laneways do not meet."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from integration.faults.driver import done, laneway, prepared, started

if TYPE_CHECKING:
    from integration.throwaway import Throwaway

APPENDS = 300
APPLIES = 50


@pytest.fixture(params=["nft", "legacy"])
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_what_others_write_during_fifty_applies_is_all_there(throwaway: Throwaway, variant: str) -> None:
    prepared(throwaway, variant)
    writer = f"""
        for n in $(seq {APPENDS}); do
            iptables-{variant} -w 30 -t mangle -A FORWARD -p udp --dport $((1000 + n)) -j ACCEPT || echo lost $n
        done; echo appended
    """
    rules = "while :; do ip rule add pref 700 fwmark 0x7 lookup main; ip rule del pref 700; echo turn; sleep 0.01; done"
    with (
        subprocess.Popen([*throwaway.prefix, "sh", "-c", writer], stdout=subprocess.PIPE, text=True) as appending,
        subprocess.Popen([*throwaway.prefix, "sh", "-c", rules], stdout=subprocess.PIPE, text=True) as turning,
    ):
        for number in range(APPLIES):
            done(throwaway, "apply", "--prune", f"/run/{'ab'[number % 2]}.toml")
        said, _ = appending.communicate(timeout=300)
        turning.kill()

    assert said == "appended\n"
    saved = throwaway.sh(f"iptables-{variant}-save -t mangle")
    assert [f"--dport {1000 + number} " in saved for number in range(1, APPENDS + 1)] == [True] * APPENDS
    assert laneway(throwaway, "plan", "--prune", "/run/b.toml").code == 0
    throwaway.run(["ip", "rule", "del", "pref", "700"], check=False)
    assert throwaway.sh("ip rule show pref 500") == "500:\tfrom all fwmark 0x1 lookup main\n"


def _slow() -> None:
    from laneway.kernel import sysctls

    honest = sysctls.run
    sysctls.run = lambda *arguments: (time.sleep(3), honest(*arguments))[1]  # type: ignore[func-returns-value]


def test_who_comes_second_reads_who_is_at_work(throwaway: Throwaway) -> None:
    prepared(throwaway, "nft")
    with started(throwaway, "apply", "/run/a.toml", prepare=_slow) as first:
        _await_lock(throwaway)
        began = time.monotonic()

        second = laneway(throwaway, "apply", "/run/b.toml")

        assert second.code == 9
        assert f"another laneway is at work: process {first.pid} of root (laneway apply /run/a.toml)" in second.err
        assert time.monotonic() - began < 2
        third = laneway(throwaway, "apply", "--wait", "60", "--prune", "/run/b.toml")
        assert third.code == 0
        assert third.err.startswith("waiting: another laneway is at work: process ")
        assert first.wait().code == 0
    assert laneway(throwaway, "plan", "--prune", "/run/b.toml").code == 0


def _await_lock(throwaway: Throwaway) -> None:
    _await(throwaway, "cat /run/laneway.lock 2>/dev/null || true")


def _await_links(throwaway: Throwaway) -> None:
    """Wait until the change has begun: links come before the sysctls that make it slow."""
    _await(throwaway, "ip -o link show group 27767")


def _await(throwaway: Throwaway, command: str) -> None:
    """Wait until a command on the host prints something."""
    deadline = time.monotonic() + 60
    while not throwaway.sh(command):
        assert time.monotonic() < deadline, command
        time.sleep(0.05)


def test_two_at_once_both_end_well(throwaway: Throwaway) -> None:
    prepared(throwaway, "nft")
    waiting = ("apply", "--wait", "60", "/run/a.toml")
    with started(throwaway, *waiting) as first, started(throwaway, *waiting) as second:
        assert (first.wait().code, second.wait().code) == (0, 0)

    assert laneway(throwaway, "plan", "/run/a.toml").code == 0


def test_the_lock_goes_with_its_process(throwaway: Throwaway) -> None:
    prepared(throwaway, "nft")
    with started(throwaway, "apply", "/run/a.toml", prepare=_slow) as first:
        _await_links(throwaway)
        first.kill()
        first.wait()

    ended = laneway(throwaway, "apply", "/run/a.toml")

    assert ended.code == 0
    assert ended.err.startswith(f"an earlier change (process {first.pid}) was interrupted after step ")


def test_a_change_that_nobody_can_read_of_is_not_begun(throwaway: Throwaway) -> None:
    prepared(throwaway, "nft")

    def prepare() -> None:
        reading, writing = os.pipe()
        os.dup2(writing, 1)
        os.close(reading)
        os.close(writing)

    assert laneway(throwaway, "apply", "/run/a.toml", prepare=prepare).code == 141
    assert laneway(throwaway, "plan", "/run/a.toml").code == 4
