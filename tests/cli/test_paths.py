"""A policy comes by standard input, too, and is named the same way everywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from laneway.cli.paths import policy_paths
from laneway.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

POLICY = """
[uplinks.north]
interface = "eth0"
gateways = ["192.0.2.1"]
[tenants.acme]
subnets = ["10.20.0.0/24"]
uplinks = ["north"]
[tenants.acme.workloads.web]
addresses = ["10.20.0.10"]
"""
PACKET = ("--from", "acme/web", "--to", "203.0.113.9", "--tcp", "80")


def laneway(*arguments: str, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "laneway", *arguments],
        input=text,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_policy_comes_by_standard_input() -> None:
    assert laneway("check", "-", text=POLICY).returncode == 0
    told = json.loads(laneway("explain", "-", *PACKET, "--json", text=POLICY).stdout)
    assert told["uplink"] == "north"

    wrong = laneway("check", "-", text=POLICY.replace("192.0.2.1", "192.0.2.300"))

    assert wrong.returncode == 3
    assert "<stdin>:4:13: uplink north: 192.0.2.300 is not an IPv4 address" in wrong.stderr
    assert 'gateways = ["192.0.2.300"]' in wrong.stderr


def test_explain_takes_a_path_and_policy_means_the_same(tmp_path: Path) -> None:
    policy = tmp_path / "acme.toml"
    policy.write_text(POLICY, encoding="utf-8")

    by_path, by_option, by_environment = (
        laneway("explain", str(policy), *PACKET),
        laneway("explain", "--policy", str(policy), *PACKET),
        laneway("explain", *PACKET, LANEWAY_POLICY=str(policy)),
    )

    assert by_path.returncode == 0
    assert by_path.stdout == by_option.stdout == by_environment.stdout


def test_standard_input_is_read_once() -> None:
    with pytest.raises(UsageError, match="twice"):
        policy_paths(["-", "-"])
    with pytest.raises(UsageError, match="empty"):
        policy_paths([""])
