"""exec: the command's own exit code, or that of a shell for one that cannot be run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from integration.commands.conftest import Laneway


@pytest.mark.parametrize(
    ("command", "code"),
    [
        pytest.param(["sh", "-c", "exit 42"], 42, id="its own"),
        pytest.param(["/nonexistent"], 127, id="not there"),
        pytest.param(["nonexistent", "-x"], 127, id="not in PATH"),
        pytest.param(["/etc/passwd"], 126, id="not executable"),
        pytest.param(["/etc"], 126, id="a directory"),
    ],
)
def test_exec_ends_as_the_command_does(laneway: Laneway, quickstart: Path, command: list[str], code: int) -> None:
    laneway("apply", quickstart)

    done = laneway("exec", "acme/web", "--", *command, code=code)

    assert code == 42 or command[0] in done.stderr


def test_exec_in_a_workload_that_is_not_here_says_so(laneway: Laneway) -> None:
    told = laneway("exec", "acme/web", "--", "true", code=5).stderr

    assert told.startswith("laneway: there is no network namespace acme-web on this host\n")
