"""What laneway prints as commands is what a person can type: a plan, and what is left when going back fails as well."""

from __future__ import annotations

import difflib
import itertools
import re
from typing import TYPE_CHECKING

import pytest

from integration.faults.driver import done, laneway, prepared, snapshot
from integration.faults.test_drift import DAMAGE, WIDER, damage
from integration.snapshot import LINKS
from laneway.apply import going_back
from laneway.errors import HostRefused, StepFailed
from laneway.kernel.host import LinuxHost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from integration.throwaway import Throwaway
    from laneway.plan.steps import Step
    from laneway.state.host import HostState

ASKED = "hint: type the commands below, or fix the cause and apply again\n"
PLAN_A = ("plan", "/run/a.toml")
PLAN_B = ("plan", "--prune", "/run/b.toml")


@pytest.fixture(params=["nft", "legacy"])
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def typed(host: Throwaway, commands: str) -> str:
    """Type commands into a shell, and return what they complained of."""
    return host.run(["sh"], input=commands, check=False).stderr


def pending(host: Throwaway, *plan: str) -> str:
    """Return what a plan prints that has something to do."""
    ended = laneway(host, *plan, "--commands")
    assert ended.code == 4, ended
    return ended.out


def marks_addresses(host: Throwaway) -> bool:
    """Return whether this host's ip(8) can give addresses laneway's mark: since 6.3."""
    return "proto ADDRPROTO" in host.run(["ip", "addr", "help"], check=False).stderr


def left(host: Throwaway, *plan: str) -> list[str]:
    """Return what is left to do, but for marks of addresses that this host's ip(8) cannot give."""
    ended = laneway(host, *plan, "--commands")
    assert ended.code in (0, 4), ended
    marked = marks_addresses(host)
    return [line for line in ended.out.splitlines() if marked or " addr replace " not in line]


def everything(host: Throwaway) -> list[str]:
    """Return the host and what is in its workloads, line by line, less what is random in what is made anew."""
    inside = host.run(["sh"], input=WORKLOADS).stdout
    return sorted(re.sub(CHANCE, "", line) for line in f"{snapshot(host)}{inside}".splitlines())


# MACs of both ends of a pair, the number of the far one, the address that eth0 makes of its MAC, and seeds of sets.
CHANCE = r"(?<=link/ether )\S+(?=.* veth )|(?<=eth0)@if\d+|(?<=eth0    inet6 )fe80::\S+|(?<= initval )0x\w+"

WORKLOADS = rf"""
for name in $(ip netns list | sed 's/ .*//' | sort); do
    ip netns exec $name sh -c "{LINKS.replace('"', chr(92) + '"')}; ip -o addr; ip route; ip -6 route"
    ip netns exec $name grep -r . /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf 2>/dev/null
done | grep -v stable_secret
true
"""


def test_a_host_that_was_typed_is_as_one_that_was_applied(throwaway: Throwaway, variant: str) -> None:
    prepared(throwaway, variant)
    done(throwaway, "apply", "/run/a.toml")
    applied = everything(throwaway)
    done(throwaway, "destroy")

    assert typed(throwaway, pending(throwaway, *PLAN_A)) == ""

    assert list(difflib.unified_diff(applied, everything(throwaway), "applied", "typed", n=0, lineterm="")) == []


def test_a_plan_typed_makes_what_apply_makes(throwaway: Throwaway, variant: str) -> None:
    prepared(throwaway, variant)
    before = snapshot(throwaway)

    for plan in (PLAN_A, PLAN_B):
        assert typed(throwaway, pending(throwaway, *plan)) == ""
        assert left(throwaway, *plan) == []
        # Until this is said, nobody knows of the first policy.
        done(throwaway, "apply", *plan[1:])
        assert laneway(throwaway, *plan).code == 0
    done(throwaway, "destroy")
    assert snapshot(throwaway) == before


@pytest.mark.parametrize(
    "scripts",
    [
        pytest.param([each.script for each in DAMAGE.values()], id="small damage"),
        pytest.param([script for script, _ in WIDER.values()], id="wide damage"),
    ],
)
def test_the_commands_that_mend_damage_mend_it(throwaway: Throwaway, variant: str, scripts: list[str]) -> None:
    prepared(throwaway, variant)
    done(throwaway, "apply", "/run/a.toml")
    for script in scripts:
        # Some find no longer what those before them have taken away.
        damage(throwaway, variant, f"set +e; {script}; true")

    assert typed(throwaway, pending(throwaway, *PLAN_A)) == ""

    assert left(throwaway, *PLAN_A) == []


def _dead_from(lot: int, *, blind: bool) -> Callable[[], None]:
    """Return what has the host, once so many lots of steps are done, change nothing more; blind, nor tell how it is."""

    def prepare() -> None:
        honest, seeing, count = LinuxHost.run, LinuxHost.read, itertools.count(1)
        dead = []

        def run(self: LinuxHost, steps: Sequence[Step]) -> None:
            if next(count) > lot:
                dead.append(True)
                raise StepFailed(steps[0], "broken on purpose")
            honest(self, steps)

        def read(self: LinuxHost) -> HostState:
            if blind and dead:
                raise HostRefused("blinded on purpose")
            return seeing(self)

        pytest.MonkeyPatch().setattr(LinuxHost, "run", run)
        pytest.MonkeyPatch().setattr(LinuxHost, "read", read)
        pytest.MonkeyPatch().setattr(going_back, "_PAUSE", 0.01)

    return prepare


@pytest.mark.parametrize(
    ("first", "command", "lots"),
    [
        pytest.param((), ("apply", "/run/a.toml"), (1, 3, 7, 10), id="create"),
        pytest.param(("apply", "/run/a.toml"), ("apply", "--prune", "/run/b.toml"), (2, 8, 10, 12), id="change"),
        pytest.param(("apply", "/run/b.toml"), ("destroy",), (1, 2, 4, 6, 8), id="destroy"),
    ],
)
def test_what_is_left_when_going_back_fails_can_be_typed(
    throwaway: Throwaway, variant: str, first: tuple[str, ...], command: tuple[str, ...], lots: tuple[int, ...]
) -> None:
    prepared(throwaway, variant)
    if first:
        done(throwaway, *first)
    before = _lasting(snapshot(throwaway))
    policy = ("plan", "--prune", first[-1]) if first else ()
    for lot in lots:
        ended = laneway(throwaway, *command, prepare=_dead_from(lot, blind=lot == lots[2]))

        assert (ended.code, ended.err.count(ASKED)) == (6, 1), ended
        complaints = typed(throwaway, ended.err.partition(ASKED)[2])
        assert _lasting(snapshot(throwaway)) == before, f"{lot}: {complaints}"
        if policy:
            assert left(throwaway, *policy) == []
            done(throwaway, "apply", *policy[1:])


def _lasting(text: str) -> list[str]:
    """Return the lines of a snapshot less what is another one when made anew: MACs of veth pairs, seeds of sets."""
    return sorted(re.sub(" initval .*", "", line) for line in text.splitlines() if "lwv" not in line)
