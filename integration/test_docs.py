"""Every command of the README and of the pages is run, and what they show of it is what it says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from laneway.lab.run import Lab
from laneway.manual.topics import topics
from laneway.policy.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {"README": README, **{each.name: each.text for each in topics() if "```console" in each.text}}

EXIT_CODES = {
    "laneway check policies/wrong.toml": 3,
    "laneway plan policies/quickstart.toml": 4,
    "laneway plan --commands policies/quickstart.toml": 4,
    "laneway plan -o site.plan policies/quickstart.toml": 4,
    "laneway plan --json --against edge1.json policies/quickstart.toml": 4,
}
"""Of the commands that do not end with 0."""

DIRECTORY = f"""
mkdir -p /run/docs; cd /run/docs; ln -sfn {shlex.quote(str(ROOT / "policies"))} policies
printf '#!/bin/sh\\nexec %s -m laneway "$@"\\n' {shlex.quote(sys.executable)} > laneway; chmod +x laneway
PATH="$PWD:$PATH"
"""
"""A directory of the operator's, in which policies are where the pages have them."""


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a page's console blocks, and what is shown below it."""
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for part in re.split(r"(?m)^\$ ", block)[1:]:
            command, _, shown = part.partition("\n")
            yield command, shown.strip()


@pytest.fixture(scope="module")
def host() -> Iterator[Lab]:
    """The host of the quickstart: all pages are about it."""
    with Lab(load([ROOT / "policies/quickstart.toml"])) as lab:
        yield lab


@pytest.mark.parametrize("page", PAGES)
def test_every_command_works_and_says_what_is_shown(host: Lab, page: str) -> None:
    host.run("sh", "-c", f"{DIRECTORY} laneway destroy")
    found = list(commands(PAGES[page]))

    for command, shown in found:
        code = int(host.run("sh", "-c", f"{DIRECTORY} {{ {command}; }} > /run/said 2>&1; echo $?"))
        said = host.run("cat", "/run/said")
        assert code == EXIT_CODES.get(command, 0), f"{command}\n{said}"
        assert shown in said, command

    assert found


def test_the_labs_table_is_the_one_shown() -> None:
    shown = re.search(r"```text\n(.*?)\n```", README, re.DOTALL)
    assert shown

    argv = [sys.executable, "-m", "laneway", "lab", "policies/quickstart.toml"]
    said = subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout

    assert said.splitlines()[:-1] == shown[1].splitlines()[:-1]
    assert said.splitlines()[-1].endswith(": all as expected")
