"""The hosts of the tests of commands, and a way to them from outside, as ssh is one."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pytest

from integration.commands.conftest import hosting, laneway, quickstart, router, variant
from tests.answers import validated

if TYPE_CHECKING:
    from pathlib import Path

    from integration.throwaway import Throwaway

__all__ = ["hosting", "laneway", "quickstart", "router", "variant"]

_SSH = """#!/bin/sh
# In place of ssh(1): of its arguments the last is the command, and the host is always the same.
for command; do :; done
exec {enter} sh -c "$command"
"""


@dataclass(frozen=True)
class Outside:
    """Another machine, on which nothing is applied, from which the host is reached by ssh as edge1."""

    environment: dict[str, str]
    directory: Path

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run python with these arguments."""
        return subprocess.run(
            [sys.executable, *argv],
            cwd=self.directory,
            env=self.environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def verify(self, *arguments: str | Path, code: int = 0) -> Any:
        """Return the answer of `laneway verify --host`, which must exit with `code`."""
        done = self.run("-m", "laneway", "verify", "--host", "ssh://root@edge1", "--json", *map(str, arguments))
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}{done.stderr}"
        return validated("verify", done.stdout)

    def pytest(self, policy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run pytest against the host."""
        registered = any(each.name == "laneway" for each in entry_points(group="pytest11"))
        plugin = [] if registered else ["-p", "laneway.verify.plugin"]
        options = [f"--laneway-policy={policy}", "--hosts=ssh://root@edge1", "--rootdir", str(self.directory)]
        return self.run("-m", "pytest", *plugin, "-p", "no:cacheprovider", *options, *arguments)


@pytest.fixture
def outside(router: Throwaway, tmp_path: Path) -> Outside:
    """Another machine."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "ssh").write_text(_SSH.format(enter=" ".join(router.prefix)), encoding="utf-8")
    (programs / "ssh").chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    return Outside({**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "CI": ""}, work)
