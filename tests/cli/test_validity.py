"""What commands that were asked for JSON say of a policy that is not valid."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from laneway.errors import Exit

if TYPE_CHECKING:
    from pathlib import Path

INVALID = '[uplinks.north]\ninterface = "eth0"\ngateways = ["192.0.2.300"]\n'
PACKET = ["--from", "acme/web", "--to", "203.0.113.9", "--tcp", "443"]


def laneway(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_COLOR": "1", "LANEWAY_STATE_DIR": str(cwd / "state")}
    argv = [sys.executable, "-m", "laneway", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, cwd=cwd, env=environment)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wrong.toml").write_text(INVALID, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["plan", "wrong.toml", "--json"], id="plan, plain"),
        pytest.param(["plan", "--json", "--", "wrong.toml"], id="plan"),
        pytest.param(["apply", "wrong.toml", "--dry-run", "--json"], id="apply --dry-run"),
        pytest.param(["verify", "wrong.toml", "--json"], id="verify"),
        pytest.param(["verify", "wrong.toml", "--host", "local://", "--json"], id="verify --host"),
        pytest.param(["compile", "wrong.toml", "--json"], id="compile"),
        pytest.param(["compile", "wrong.toml", "--format", "json"], id="compile --format json"),
        pytest.param(["explain", "--policy", "wrong.toml", *PACKET, "--json"], id="explain"),
        pytest.param(["lab", "wrong.toml", "--json"], id="lab"),
        pytest.param(["doctor", "wrong.toml", "--json"], id="doctor"),
    ],
)
def test_an_invalid_policy_is_answered_as_check_answers_it(folder: Path, arguments: list[str]) -> None:
    done = laneway(*arguments, cwd=folder)

    assert (done.returncode, done.stderr) == (Exit.POLICY, "")
    assert json.loads(done.stdout) == {
        "laneway": 1,
        "ok": False,
        "error": {
            "kind": "policy",
            "message": "wrong.toml:3:13: uplink north: 192.0.2.300 is not an IPv4 address",
            "hint": "",
            "commands": [],
            "collisions": [],
            "by": None,
            "generation": None,
            "until": None,
        },
        "valid": False,
        "problems": [
            {
                "file": "wrong.toml",
                "line": 3,
                "column": 13,
                "message": "uplink north: 192.0.2.300 is not an IPv4 address",
                "hint": "",
            }
        ],
        "warnings": [],
    }
    assert done.stdout == laneway("check", "wrong.toml", "--json", cwd=folder).stdout


def test_without_json_it_is_told_in_words(folder: Path) -> None:
    done = laneway("compile", "wrong.toml", cwd=folder)

    assert (done.returncode, done.stdout) == (Exit.POLICY, "")
    assert done.stderr.startswith("wrong.toml:3:13: uplink north: 192.0.2.300 is not an IPv4 address\n")
