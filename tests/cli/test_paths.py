"""A policy comes by standard input, too, and is named the same way everywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from laneway.cli.paths import in_its_place, policy_paths
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


HOST, _, SHOP = POLICY.partition("[tenants.acme]\n")


def test_a_file_is_judged_in_the_place_it_will_have(tmp_path: Path) -> None:
    directory, shop, staged = tmp_path / "laneway", tmp_path / "laneway/shop.toml", tmp_path / "source.x"
    directory.mkdir()
    (directory / "host.toml").write_text(HOST, encoding="utf-8")
    shop.write_text(f"[tenants.acme]\n{SHOP}", encoding="utf-8")
    staged.write_text(shop.read_text(encoding="utf-8").replace("10.20.0.10", "10.20.0.11"), encoding="utf-8")

    assert laneway("check", str(staged)).returncode == 3  # by itself it has no uplinks
    assert laneway("check", "--with", str(shop), str(staged)).returncode == 0
    assert laneway("check", "--with", str(shop), "-", text=staged.read_text(encoding="utf-8")).returncode == 0
    beside = laneway("check", "--with", str(directory), str(staged))

    assert beside.returncode == 3
    assert "tenant acme is defined twice" in beside.stderr


def test_its_place_is_a_name_in_a_directory(tmp_path: Path) -> None:
    for name in ("host.toml", "shop.toml", ".shop.toml.swp.toml", "notes.txt"):
        (tmp_path / name).touch()
    host, shop, new = tmp_path / "host.toml", tmp_path / "shop.toml", tmp_path / "new.toml"

    assert in_its_place([new], shop) == [host, new]
    assert in_its_place([new], tmp_path) == [host, shop, new]
    assert in_its_place([shop], tmp_path) == [host, shop]
    assert in_its_place([new], tmp_path / "blog.toml") == [host, shop, new]
    for given, place in (([], shop), ([new, shop], shop), ([new], tmp_path / "none/shop.toml")):
        with pytest.raises(UsageError):
            in_its_place(given, place)
