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


def collected(directory: Path, *arguments: str) -> list[str]:
    done = pytest_in(directory, "--collect-only", "-q", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return [each for each in done.stdout.splitlines() if "::" in each]


def test_a_host_has_a_policy_of_its_own(tmp_path: Path) -> None:
    common = '[uplinks.north]\ninterface = "eth0"\ngateways = ["192.0.2.1"]\n'
    (tmp_path / "common.toml").write_text(common)
    for host, tenant in (("edge1", "acme"), ("edge2", "globex")):
        text = f'[tenants.{tenant}]\nsubnets = ["10.20.0.0/24"]\nuplinks = ["north"]\n'
        (tmp_path / f"{host}.toml").write_text(text)
    common_and = ["--laneway-policy=common.toml", "--hosts=ssh://root@edge1,ssh://edge2"]

    by_pattern = collected(tmp_path, *common_and, "--laneway-policy={host}.toml")
    by_name = collected(tmp_path, *common_and, "--laneway-policy=edge1=edge1.toml", "--laneway-policy=edge2=edge2.toml")

    assert by_pattern == by_name
    assert "laneway[ssh:edge1]::acme: lanes" in by_pattern
    assert "laneway[ssh:edge2]::globex: lanes" in by_pattern
    assert not [each for each in by_pattern if "edge1" in each and "globex" in each]
    mistyped = pytest_in(tmp_path, *common_and, "--laneway-policy=edge3=edge1.toml")
    assert mistyped.returncode == 4
    assert "--laneway-policy is for edge3, and --hosts are edge1, edge2" in mistyped.stdout + mistyped.stderr
    none = pytest_in(tmp_path, "--hosts=ssh://edge1,ssh://edge2", "--laneway-policy=edge1=common.toml")
    assert none.returncode == 4
    assert "no policy of host edge2: add edge2=PATH" in none.stdout + none.stderr


def test_a_node_id_can_be_given_back(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("def test_a(): pass\n")
    options = [f"--laneway-policy={ROOT}/policies/quickstart.toml", "--hosts=ssh://edge1,ssh://edge2"]
    every = collected(tmp_path, *options)
    one = "laneway[ssh:edge1]::acme: published ports"
    assert one in every

    assert collected(tmp_path, *options, one) == [one]
    assert collected(tmp_path, *options, one, "test_a.py") == ["test_a.py::test_a", one]
    whole = collected(tmp_path, *options, "laneway[ssh:edge2]")
    assert whole == [each for each in every if each.startswith("laneway[ssh:edge2]::")]
    wrong = pytest_in(tmp_path, *options, "laneway[ssh:edge3]::host")
    assert wrong.returncode == 4
    assert "not found: laneway[ssh:edge3]::host" in wrong.stdout + wrong.stderr


def test_the_tests_of_a_host_are_a_group_of_xdist(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "def pytest_collection_finish(session):\n"
        "    print(*{each.get_closest_marker('xdist_group').args for each in session.items})\n"
    )

    done = pytest_in(
        tmp_path,
        *(f"--laneway-policy={ROOT}/policies/quickstart.toml", "--hosts=ssh://edge1"),
        *("--collect-only", "-q", "-s", "--strict-markers"),
    )

    assert "('laneway[ssh:edge1]',)" in done.stdout
