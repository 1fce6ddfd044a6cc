"""Every command of the README is run, and what the README shows of it is what it says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from laneway.lab.run import Lab
from laneway.policy.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

EXIT_CODES = {"laneway check policies/wrong.toml": 3, "laneway plan policies/quickstart.toml": 4}
"""Of the commands that do not end with 0."""


def commands() -> Iterator[tuple[str, str]]:
    """Yield each command of the README's console blocks, and what is shown below it."""
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL):
        for part in re.split(r"(?m)^\$ ", block)[1:]:
            command, _, shown = part.partition("\n")
            yield command, shown.strip()


def test_every_command_works_and_says_what_is_shown() -> None:
    found = list(commands())

    with Lab(load([ROOT / "policies/quickstart.toml"])) as lab:
        for command, shown in found:
            argv = shlex.split(command)
            if argv[0] == "laneway":
                argv = [sys.executable, "-m", "laneway", *argv[1:]]
            script = f"cd {shlex.quote(str(ROOT))}; {shlex.join(argv)} > /run/said 2>&1; echo $?"
            code = int(lab.run("sh", "-c", script))
            said = lab.run("cat", "/run/said")
            assert code == EXIT_CODES.get(command, 0), f"{command}\n{said}"
            assert shown in said, command

    assert len(found) >= 10


def test_the_labs_table_is_the_one_shown() -> None:
    shown = re.search(r"```text\n(.*?)\n```", README, re.DOTALL)
    assert shown

    argv = [sys.executable, "-m", "laneway", "lab", "policies/quickstart.toml"]
    said = subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout

    assert said.splitlines()[:-1] == shown[1].splitlines()[:-1]
    assert said.splitlines()[-1].endswith(": all as expected")
