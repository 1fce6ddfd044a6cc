"""Whatever happens, a program that asks for JSON gets one object, and knows the kind of error; what waits is seen."""

from __future__ import annotations

import importlib
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration.commands.conftest import NORTH, Laneway

if TYPE_CHECKING:
    from integration.throwaway import Throwaway

WITHOUT_ROOT = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]
KEYS = {"kind", "message", "hint", "commands", "collisions", "by", "generation", "until"}
ACME = """
[tenants.acme]
subnets = ["10.20.0.0/24"]
uplinks = ["north"]
"""


@pytest.fixture
def variant() -> str:
    """One variant of iptables: answers are the same with the other."""
    return "nft"


@pytest.fixture
def without_root(router: Throwaway) -> list[str]:
    """The command as a user runs it who is not root, and may not read where these tests lie."""
    libraries = {Path(str(importlib.import_module(name).__file__)).parents[1] for name in ("laneway", "typer")}
    copied = shlex.join(f"{each}/." for each in libraries)
    router.sh(f"mkdir /run/lib; cp -rL {copied} /run/lib; chmod -R a+rX /run/lib")
    environment = ["env", "PYTHONPATH=/run/lib", "PYTHONDONTWRITEBYTECODE=1"]
    return [*environment, *WITHOUT_ROOT, str(Path(sys.executable).resolve()), "-m", "laneway"]


def error_of(done: subprocess.CompletedProcess[str], code: int) -> dict[str, Any]:
    """Return the error of an answer that is one object and nothing else."""
    assert done.returncode == code, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert (answer["laneway"], answer["ok"], answer["error"].keys()) == (1, False, KEYS)
    assert answer["error"]["message"]
    found: dict[str, Any] = answer["error"]
    return found


def test_each_kind_of_error_is_one_object_with_a_code_of_its_own(
    router: Throwaway, without_root: list[str], tmp_path: Path
) -> None:
    as_root = [sys.executable, "-m", "laneway"]

    def failed(code: int, *arguments: str | Path, command: list[str] = as_root) -> dict[str, Any]:
        return error_of(router.run([*command, *map(str, arguments), "--json"], check=False), code)

    good, wrong = tmp_path / "good.toml", tmp_path / "wrong.toml"
    good.write_text(NORTH + ACME, encoding="utf-8")
    wrong.write_text("[uplinks.north]\ninterface = 7\n", encoding="utf-8")
    other = router.sh("d=$(mktemp -d -p /run); chmod 755 $d; echo $d").strip()
    router.sh(f"cp {good} {other}/others.toml; chmod 666 {other}/others.toml; chmod 644 {good}")

    kinds = {
        "usage": failed(2, "plan", "--no-such-option"),
        "usage of a value": failed(2, "apply", good, "--confirm-within", "soon"),
        "policy": failed(3, "plan", wrong),
        "privileges": failed(10, "plan", f"{other}/others.toml", command=without_root),
        "untrusted": failed(2, "plan", f"{other}/others.toml"),
        "nothing-pending": failed(2, "confirm"),
        "unreachable": failed(11, "verify", good, "--host", "ssh://root@127.0.0.1:9"),
    }
    assert {name: each["kind"] for name, each in kinds.items()} == {name: name.partition(" ")[0] for name in kinds}

    router.sh("ip rule add pref 12000 lookup 99; ip link add lwb-acme type bridge; touch /run/laneway.lock")
    conflict = failed(7, "apply", good)
    assert (conflict["kind"], len(conflict["collisions"]) > 0) == ("conflict", True)
    assert all(each.keys() == {"kind", "what", "hint"} for each in conflict["collisions"])
    router.sh("ip link del lwb-acme; ip rule del pref 12000")

    holding = [*router.prefix, "flock", "/run/laneway.lock", "sh", "-c", "echo held; exec cat"]
    with subprocess.Popen(holding, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        locked = failed(9, "apply", good)
        holder.communicate("")
    assert (locked["kind"], "process" in locked["by"]) == ("locked", True)

    full = failed(5, "apply", good, command=["env", "LANEWAY_STATE_DIR=/proc/laneway", *as_root])
    assert full["kind"] == "refused"


def test_a_change_that_waits_is_seen_by_every_command_and_confirmed_by_its_number(
    router: Throwaway, laneway: Laneway, tmp_path: Path
) -> None:
    policy, more = tmp_path / "policy.toml", tmp_path / "more.toml"
    policy.write_text(NORTH + ACME, encoding="utf-8")
    more.write_text(NORTH + ACME.replace('"10.20.0.0/24"', '"10.20.0.0/24", "10.21.0.0/24"'), encoding="utf-8")
    assert laneway.json("apply", policy)["pending"] is None
    assert laneway.json("plan", policy)["pending"] is None

    told = laneway.json("apply", more, "--confirm-within", "10m")["pending"]

    assert (told["generation"], told["before"], told["by"], 0 < told["seconds"] <= 600) == (2, 1, "root", True)
    assert told["until"].endswith("Z")
    for arguments in (("plan", more), ("verify", more), ("status",), ("history",)):
        seen = laneway.json(*arguments)["pending"]
        assert {**seen, "seconds": 0} == {**told, "seconds": 0}, arguments
        said = laneway(*arguments)
        assert "generation 2, applied by root, waits for a confirmation" in said.stdout + said.stderr, arguments
        assert "`laneway confirm 2` keeps it" in said.stdout + said.stderr, arguments
    refused = error_of(laneway("apply", policy, "--json", code=9), 9)
    assert (refused["kind"], refused["generation"], refused["by"]) == ("pending", 2, "root")
    assert refused["until"] == told["until"]
    for words in (("confirm", "1"), ("rollback", "--pending", "1")):
        another = error_of(laneway(*words, "--json", code=7), 7)
        assert (another["kind"], another["generation"]) == ("conflict", 2)
    assert laneway.json("status")["pending"] is not None
    assert laneway.json("rollback", "--pending", "2")["generation"] == 1
    late = error_of(laneway("confirm", "2", "--json", code=5), 5)
    assert (late["kind"], late["generation"]) == ("too-late", 2)

    laneway("apply", more, "--confirm-within", "10m")
    assert laneway.json("confirm", "3")["confirmed"] is True
    assert laneway.json("history")["pending"] is None
    nothing = error_of(laneway("rollback", "--pending", "3", "--json", code=2), 2)
    assert nothing["kind"] == "nothing-pending"


def test_who_is_not_root_is_told_so_and_nothing_that_is_not_true(
    router: Throwaway, laneway: Laneway, without_root: list[str], quickstart: Path
) -> None:
    laneway("apply", quickstart)
    packet = ("--from", "acme/web", "--to", "198.51.100.9", "--tcp", "443")

    for arguments in (("status",), ("history",), ("explain", "--live", *packet)):
        argv = [*without_root, *arguments]
        done = router.run(argv, check=False)
        assert done.returncode == 10, done.stdout + done.stderr
        assert "root" in done.stderr
        assert "no policy" not in done.stderr
        assert "nothing was applied" not in done.stderr
        assert error_of(router.run([*argv, "--json"], check=False), 10)["kind"] == "privileges"
    seen = router.run([*without_root, "doctor", "--json"], check=False)
    assert "the policy in force: only root may know" in " ".join(json.loads(seen.stdout)["unseen"])


def test_the_way_back_leads_past_repairs(router: Throwaway, laneway: Laneway, tmp_path: Path) -> None:
    policy, more = tmp_path / "policy.toml", tmp_path / "more.toml"
    policy.write_text(NORTH + ACME, encoding="utf-8")
    more.write_text(NORTH + ACME.replace('"10.20.0.0/24"', '"10.20.0.0/24", "10.21.0.0/24"'), encoding="utf-8")
    laneway("apply", policy)
    laneway("apply", more)
    for _ in range(2):
        router.sh("ip addr del 10.21.0.1/24 dev lwb-acme")
        assert "generation 2" in laneway("apply", more).stdout

    assert [each["generation"] for each in laneway.json("history")["generations"]] == [1, 2]
    assert laneway.json("history")["generations"][1]["repairs"]["times"] == 2
    assert "repaired 2 times, last 20" in laneway("history").stdout
    laneway("rollback")

    assert "10.21.0.1" not in router.sh("ip addr show dev lwb-acme")
    assert laneway.json("history")["generations"][2]["restores"] == 1
