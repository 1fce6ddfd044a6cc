"""The plugin in a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

ROOT = Path(__file__).parents[2]
REGISTERED = any(each.name == "laneway" for each in entry_points(group="pytest11"))
LOAD = [] if REGISTERED else ["-p", "laneway.verify.plugin"]


def pytest_in(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pytest", *LOAD, "-p", "no:cacheprovider", "--rootdir", str(directory), *arguments]
    return subprocess.run(argv, cwd=directory, env=os.environ, capture_output=True, text=True, check=False, timeout=60)


def test_unused_it_loads_nothing_of_laneway() -> None:
    loaded = "(each for each in sorted(sys.modules) if each.startswith('laneway'))"
    code = f"import sys, laneway.verify.plugin; print(*{loaded})"

    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)

    assert done.stdout.split() == ["laneway", "laneway.verify", "laneway.verify.plugin"]


def test_without_the_option_a_run_is_as_without_the_plugin(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("def test_a(): pass\n")

    done = pytest_in(tmp_path)

    assert done.returncode == 0
    assert "1 passed" in done.stdout


def test_there_is_a_test_for_each_tenant_and_side(tmp_path: Path) -> None:
    done = pytest_in(
        tmp_path,
        *(f"--laneway-policy={ROOT}/policies/quickstart.toml", "--hosts=ssh://edge1,ssh://edge2"),
        *("--collect-only", "-q"),
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "laneway[ssh:edge1]::acme: lanes" in done.stdout
    assert "laneway[ssh:edge2]::globex: published ports" in done.stdout
    assert "laneway[ssh:edge2]::host" in done.stdout


def test_a_policy_that_is_wrong_is_told_as_check_tells_it(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text('[tenants.acme]\nsubnets = ["10.0.0.0/33"]\n')

    done = pytest_in(tmp_path, "--laneway-policy=wrong.toml")

    assert done.returncode == 4
    assert "wrong.toml:2:" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_the_fixture_needs_the_option(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("def test_a(laneway): pass\n")

    done = pytest_in(tmp_path, "-rs")

    assert "needs --laneway-policy PATH" in done.stdout
