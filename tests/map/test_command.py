from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from laneway.errors import Exit

ROOT = Path(__file__).parents[2]


def laneway_map(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "laneway", "map", *arguments]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, check=False, timeout=60, encoding="utf-8")


def test_drawing_in_the_readme_is_what_the_command_draws() -> None:
    done = laneway_map("policies/quickstart.toml")

    assert (done.returncode, done.stderr) == (Exit.DONE, "")
    assert done.stdout == (ROOT / ".readme/map.svg").read_text(encoding="utf-8"), "draw .readme/map.svg anew"


@pytest.mark.parametrize(
    ("name", "begins"), [("a.svg", "<svg "), ("a.HTML", "<!DOCTYPE html>"), ("a.mmd", "flowchart LR\n"), ("a", "<svg ")]
)
def test_name_of_the_file_says_what_is_drawn(name: str, begins: str, tmp_path: Path) -> None:
    done = laneway_map("policies/quickstart.toml", "-o", str(tmp_path / name))

    assert (done.returncode, done.stdout) == (Exit.DONE, "")
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(begins)


def test_an_ending_that_is_not_known_is_refused_and_nothing_written(tmp_path: Path) -> None:
    file = tmp_path / "a.bogus"

    done = laneway_map("policies/quickstart.toml", "-o", str(file))

    assert (done.returncode, done.stdout) == (Exit.USAGE, "")
    assert done.stderr == (
        f"laneway: {file}: no drawing has the ending .bogus\n"
        "  hint: known are .svg, .html, .htm, .mmd; --format says what to draw, whatever the name\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_any_ending_will_do_where_the_format_is_said(tmp_path: Path) -> None:
    done = laneway_map("policies/quickstart.toml", "-o", str(tmp_path / "a.txt"), "--format", "mermaid")

    assert (done.returncode, done.stdout) == (Exit.DONE, "")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8").startswith("flowchart LR\n")


def test_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    done = laneway_map("policies/quickstart.toml", "-o", str(tmp_path / "none" / "a.svg"))

    assert done.returncode == Exit.USAGE
    assert "No such file or directory" in done.stderr


@pytest.mark.parametrize(
    ("packet", "problem"),
    [
        ("--from acme/web --to 203.0.113.10", "which packet?"),
        ("--from acme/nobody --to 203.0.113.10 --icmp", "tenant acme has no workload nobody"),
        ("--from acme/web", "Missing option '--to'"),
        ("--from 'acme/web", "No closing quotation"),
        ("--from acme/web --to 203.0.113.10 --icmp -4 -6", "-4 and -6 at once"),
        ("--from acme/web --to 203.0.113.10 --icmp --json", "--json is not about the packet"),
    ],
)
def test_what_is_wrong_with_the_packet_is_told(packet: str, problem: str) -> None:
    done = laneway_map("policies/quickstart.toml", "--explain", packet)

    assert (done.returncode, done.stdout) == (Exit.USAGE, "")
    assert problem in done.stderr
