"""`laneway explain` and `laneway check` as an operator meets them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from laneway.errors import Exit
from tests.explain.samples import POLICY

if TYPE_CHECKING:
    from pathlib import Path


def laneway(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "laneway", *arguments]
    environment = {**os.environ, "NO_COLOR": "1"}
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, cwd=cwd, env=environment)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "acme.toml").write_text(POLICY, encoding="utf-8")
    return tmp_path


def explain(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return laneway("explain", "--policy", "acme.toml", *arguments, cwd=folder)


@pytest.mark.parametrize(
    ("arguments", "headline"),
    [
        pytest.param(
            ["--from", "acme/web", "--to", "203.0.113.9", "--tcp", "443"],
            "acme/web → 203.0.113.9 tcp/443: delivered by south, seen as 198.51.100.2 (assumed: no host was asked)",
            id="delivered",
        ),
        pytest.param(
            ["--from", "acme/web", "--to", "globex/app", "-6", "--icmp"],
            "acme/web → fd30::10 icmp: refused",
            id="refused",
        ),
        pytest.param(
            ["--from", "203.0.113.5", "--in", "south", "--to", "host", "--tcp", "8080"],
            "203.0.113.5 in by south → 198.51.100.2 tcp/8080: delivered to acme/web, seen as 203.0.113.5",
            id="from outside",
        ),
        pytest.param(
            ["--from", "203.0.113.5", "--in", "eth1", "--to", "203.0.113.77", "--to-host", "--udp", "53"],
            "203.0.113.5 in by south → 203.0.113.77 udp/53: delivered to host, seen as 203.0.113.5",
            id="to an address said to be the host's",
        ),
        pytest.param(
            ["--from", "host", "--to", "acme/web", "--tcp", "80"],
            "host → 10.20.0.10 tcp/80: delivered to acme/web, seen as 10.20.0.1",
            id="from the host",
        ),
    ],
)
def test_the_first_line_says_it_all_and_the_exit_code_is_0(folder: Path, arguments: list[str], headline: str) -> None:
    done = explain(folder, *arguments)

    assert (done.returncode, done.stdout.splitlines()[0], done.stderr) == (Exit.DONE, headline, "")


def test_json_is_versioned(folder: Path) -> None:
    done = explain(folder, "--from", "acme/web", "--to", "203.0.113.9", "--tcp", "25", "--json", "--why-not")

    answer = json.loads(done.stdout)
    assert (answer["laneway"], answer["verdict"], answer["uplink"], answer["reply"]) == (1, "refused", None, None)
    assert answer["stopped_by"]["object"] == "ip rule 10589"
    assert answer["why_not"][0].startswith("class no-mail (acme.toml:26) refuses it")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--from", "acme/web", "--to", "203.0.113.9"], "which packet?"),
        (["--from", "acme/wep", "--to", "203.0.113.9", "--icmp"], "tenant acme has no workload wep"),
        (["--from", "nobody/web", "--to", "203.0.113.9", "--icmp"], "there is no tenant nobody"),
        (["--from", "203.0.113.5", "--to", "192.0.2.2", "--icmp"], "by which uplink does the packet"),
        (["--from", "203.0.113.5", "--in", "west", "--to", "192.0.2.2", "--icmp"], "there is no uplink west"),
        (["--from", "203.0.113.5", "--in", "north", "--to", "2001:db8::1", "--icmp"], "are not of one family"),
        (["--from", "acme/web", "--to", "everybody", "--icmp"], "everybody is not an address"),
        (["--from", "acme/web", "--to", "", "--icmp"], "nothing is not an address"),
        (["--from", "acme/web", "--to", "203.0.113.9", "--icmp", "--dscp", "gold"], "--dscp: unknown dscp gold"),
        (["--from", "acme/web", "--to", "203.0.113.9", "--icmp", "-4", "-6"], "-4 and -6 at once"),
    ],
)
def test_a_packet_that_cannot_be_is_a_usage_error(folder: Path, arguments: list[str], complaint: str) -> None:
    done = explain(folder, *arguments)

    assert (done.returncode, done.stdout) == (Exit.USAGE, "")
    assert complaint in done.stderr


def test_a_policy_that_is_not_valid_is_told_as_by_check(folder: Path) -> None:
    (folder / "acme.toml").write_text(POLICY.replace("10.20.0.0/24", "10.20.0.0/33"), encoding="utf-8")

    done = explain(folder, "--from", "acme/web", "--to", "203.0.113.9", "--icmp")

    assert done.returncode == Exit.POLICY
    assert done.stderr.startswith("acme.toml:10:")


EXPECT = '\n[[expect]]\nfrom = "acme/web"\nto = "203.0.113.9"\nport = 443\nuplink = "UPLINK"\n'


def test_check_holds_expectations(folder: Path) -> None:
    (folder / "acme.toml").write_text(POLICY + EXPECT.replace("UPLINK", "south"), encoding="utf-8")

    done = laneway("check", "acme.toml", cwd=folder)

    assert done.returncode == Exit.DONE
    assert done.stdout.startswith("acme.toml: valid: 2 uplinks, 2 tenants, 3 workloads")
    assert done.stdout.endswith("; 1 expectation holds\n")


def test_check_shows_where_the_packet_of_a_failed_one_goes(folder: Path) -> None:
    (folder / "acme.toml").write_text(POLICY + EXPECT.replace("UPLINK", "north"), encoding="utf-8")

    done = laneway("check", "acme.toml", cwd=folder)

    told = done.stdout.splitlines()
    assert done.returncode == Exit.EXPECTATION
    assert told[0] == "acme.toml:51: should go by north, but goes by south"
    assert told[1].startswith("acme/web → 203.0.113.9 tcp/443: delivered by south")
    assert told[-1].endswith("; 1 of 1 expectation fails")

    answer = json.loads(laneway("check", "--json", "acme.toml", cwd=folder).stdout)
    assert [each["reason"] for each in answer["failed"]] == ["should go by north, but goes by south"]
