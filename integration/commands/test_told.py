"""A change whose outcome could not be told is not begun."""

from __future__ import annotations

import subprocess
import sys
from subprocess import PIPE
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from integration.commands.conftest import Laneway

HOLD = "import fcntl, sys; f = open('/run/laneway.lock', 'a'); fcntl.flock(f, 2); print('held', flush=True); input()"


def state(laneway: Laneway) -> str:
    return laneway.host.sh(
        "ip -br link; ip rule; ip -4 route show table all; iptables-save | grep -v '^[#:]' || :; ls /etc/netns || :"
    )


def into(laneway: Laneway, where: str, *words: str | Path) -> tuple[int, str]:
    """Run laneway with its standard output led somewhere; return the code of it and what it said on the other."""
    command = f'"{sys.executable}" -m laneway {" ".join(map(str, words))} {where}'
    done = laneway.host.run(["bash", "-o", "pipefail", "-c", command], check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("variant", ["nft"], indirect=True)
def test_nothing_is_changed_that_could_not_be_told(laneway: Laneway, quickstart: Path) -> None:
    bare = state(laneway)
    for where in (">/dev/full", ">&-", "1</dev/null"):
        assert into(laneway, where, "apply", quickstart)[0] == 2
        assert state(laneway) == bare
    laneway("apply", quickstart, "--confirm-within", "600s")
    applied = state(laneway)
    for verb in ("destroy", "rollback", "confirm"):
        code, said = into(laneway, ">/dev/full", verb)
        assert (verb, code) == (verb, 2)
        assert said == "laneway: cannot write to standard output: No space left on device\n"
        assert state(laneway) == applied

    laneway("confirm")
    waiter = [*laneway.host.prefix, sys.executable, "-m", "laneway", "destroy", "--wait", "60"]
    holder = [*laneway.host.prefix, sys.executable, "-c", HOLD]
    with subprocess.Popen(holder, text=True, stdin=PIPE, stdout=PIPE) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == "held\n"
        with subprocess.Popen(waiter, text=True, stdout=PIPE, stderr=PIPE) as command:
            assert command.stdout is not None
            assert command.stderr is not None
            assert command.stderr.readline().startswith("waiting: ")
            command.stdout.close()
            one.communicate("\n")
            command.stderr.read()
    assert command.returncode == 141
    assert state(laneway) == applied
