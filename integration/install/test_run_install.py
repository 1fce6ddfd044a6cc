"""`./run install` and `./run uninstall`, and what an operator's programs make of the files they bring."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from integration.throwaway import Throwaway

if TYPE_CHECKING:
    from collections.abc import Iterator

import pytest

ROOT = Path(__file__).parents[2]
PREFIX = "/run/opt/laneway"  # below what is the host's own, so that nothing of the machine is touched
COMPLETE = """
set -e
. {prefix}/share/bash-completion/completions/laneway
PATH={prefix}/bin:$PATH
COMP_WORDS=(laneway app) COMP_CWORD=1
_laneway_completion laneway
echo "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def installed() -> Iterator[Throwaway]:
    """A host on which laneway is installed."""
    with Throwaway() as host:
        # What was there before stays: a directory with a file of somebody else's.
        host.sh(f"mkdir -p {PREFIX}/share/man; touch {PREFIX}/share/man/theirs")
        # pip needs the machine's network, and sees the host's files.
        files = [each for each in host.prefix if each != "--net"]
        argv = [*files, str(ROOT / "run"), "install", "--prefix", PREFIX]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        assert f"installed: {PREFIX}/bin/laneway (laneway " in done.stdout
        yield host


def test_the_program_needs_nothing_of_the_clone(installed: Throwaway) -> None:
    assert installed.sh(f"cd /; {PREFIX}/bin/laneway version").startswith("laneway ")
    shown = installed.sh(f"cd /; {PREFIX}/bin/laneway check --json {ROOT}/policies/quickstart.toml")
    assert '"valid": true' in shown
    assert str(ROOT) not in installed.sh(f"cat {PREFIX}/bin/laneway")
    assert installed.sh(f"find {PREFIX} -name pip -o -name '*.pth'") == ""  # nothing to build with, no link back


def test_manual_pages_are_well_formed(installed: Throwaway) -> None:
    pages = installed.sh(f"find {PREFIX}/share/man -name '*.[578]' | sort").split()
    assert {Path(each).name for each in pages} >= {"laneway.8", "laneway-apply.8", "laneway.toml.5", "laneway-limits.7"}

    for page in pages:
        done = installed.run(["env", "LC_ALL=C.UTF-8", "MANWIDTH=78", "man", "--warnings", "-l", page])
        assert done.stderr == "", page
        assert "NAME" in done.stdout


def test_a_shell_completes_verbs(installed: Throwaway) -> None:
    done = installed.run(["bash", "-c", COMPLETE.format(prefix=PREFIX)])

    assert done.stdout.split() == ["apply"]


def test_units_are_what_systemd_accepts(installed: Throwaway) -> None:
    units = f"{PREFIX}/lib/systemd/system"

    installed.sh(f"systemd-analyze verify --man=no {units}/laneway-*.service")

    assert f"ExecStart={PREFIX}/bin/laneway apply --in-force" in installed.sh(f"cat {units}/laneway-boot.service")


def test_uninstalling_takes_away_what_was_put_there_and_no_more(installed: Throwaway) -> None:
    installed.sh(f"{PREFIX}/bin/laneway service install")
    assert installed.sh("grep -c opt/laneway/bin /etc/systemd/system/laneway-boot.service") == "2\n"

    installed.sh(f"{shlex.quote(str(ROOT / 'run'))} uninstall --prefix {PREFIX}")

    left = [PREFIX, *(f"{PREFIX}/{each}" for each in ("share", "share/man", "share/man/theirs"))]
    assert installed.sh(f"find {PREFIX}").split() == left
    assert installed.sh("find /etc/systemd -name '*laneway*'") == ""
    again = installed.run([str(ROOT / "run"), "uninstall", "--prefix", PREFIX], check=False)
    assert (again.returncode, "nothing that ./run install put there" in again.stderr) == (1, True)
