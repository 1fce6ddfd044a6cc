"""A policy file may be called anything: every command names it, and none lets its name act."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.state.test_visible import acts

if TYPE_CHECKING:
    from pathlib import Path

NAME = "\x1b[31m\u202e\x9b2J\x7f\nlaneway: fine.toml"
SEEN = r"\x1b[31m\u202e\x9b2J\x7f\x0alaneway: fine.toml"
VALID = '[uplinks.north]\ninterface = "eth0"\ngateways = ["192.0.2.1"]\n[tenants.acme]\nsubnets = ["10.20.0.0/24"]\n'
VALID += 'uplinks = ["north"]\n[tenants.acme.workloads.web]\naddresses = ["10.20.0.10"]\n'
VALID += '[[expect]]\nfrom = "acme/web"\nto = "203.0.113.9"\nport = 80\nuplink = "north"\n'
ASKED = ("--from", "acme/web", "--to", "203.0.113.9", "--tcp", "80")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "laneway", *arguments],
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
        env={**os.environ, **environment},
    )


@pytest.fixture
def hostile(tmp_path: Path) -> str:
    path = tmp_path / NAME
    path.write_text(VALID, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    "words",
    [
        *("check PATH", "check --json PATH", "check --format sarif PATH", "compile PATH", "doctor PATH"),
        *("map PATH", "map --format html PATH", "map --format mermaid PATH", "explain --policy PATH", "verify --host"),
    ],
)
@pytest.mark.parametrize("state", ["valid", "invalid"])
def test_no_command_lets_a_name_act(hostile: str, words: str, state: str) -> None:
    if state == "invalid":
        with open(hostile, "a", encoding="utf-8") as file:  # noqa: PTH123
            file.write('[tenants."\\u001b[31m\\u202e"]\nsubnets = ["\\u009b"]\n# \x1b\u202e\n')
    argv = [hostile if each == "PATH" else each for each in words.split()]
    more = ASKED if argv[0] == "explain" else ("\x1b[31m://x", hostile) if argv[0] == "verify" else ()

    done = run(*argv, *more)

    assert acts(done.stdout) == acts(done.stderr) == []
    assert "bug" not in done.stderr
    assert done.stdout + done.stderr != ""


def test_it_is_named_in_one_line(hostile: str) -> None:
    done = run("check", hostile)

    assert done.stdout.startswith(f"{os.path.dirname(hostile)}/{SEEN}: valid: ")  # noqa: PTH120
    assert done.stdout.count("\n") == 1


def test_a_program_gets_the_name_as_it_is(hostile: str) -> None:
    with open(hostile, "a", encoding="utf-8") as file:  # noqa: PTH123
        file.write("nonsense = 1\n")

    assert json.loads(run("check", "--json", hostile).stdout)["problems"][0]["file"] == hostile


@pytest.mark.parametrize("words", ["--\x1b[31m", "check --\x9b", "\x1b[2J", "apply --wait \x1b[31m", "rollback \u202e"])
def test_what_is_mistyped_is_repeated_without_effect(words: str) -> None:
    done = run(*words.split(" "))

    assert (done.returncode, acts(done.stderr)) == (2, [])
