"""The examples are policies, and the wrong one is wrong in the ways that the README begins to show."""

from __future__ import annotations

from pathlib import Path

import pytest

from laneway.policy.load import PolicyError, load

EXAMPLES = Path(__file__).parents[2] / "policies"


def test_the_quickstart() -> None:
    policy = load([EXAMPLES / "quickstart.toml"])

    assert [uplink.interface for uplink in policy.uplinks] == ["eth0", "eth1"]
    assert [(tenant.name, tenant.uplinks) for tenant in policy.tenants] == [
        ("acme", ("north", "south")),
        ("globex", ("south", "north")),
    ]
    assert len(policy.expects) == 3


def test_the_hosting_directory() -> None:
    policy = load([EXAMPLES / "hosting"])

    assert [tenant.name for tenant in policy.tenants] == ["blog", "games", "shop", "watch"]


def test_one_tenants_file_goes_with_what_is_applied() -> None:
    whole = load([EXAMPLES / "hosting"])

    assert load([EXAMPLES / "hosting" / "games.toml"], base=lambda _: whole).tenants == whole.tenants


def test_one_tenants_file_alone_lacks_its_uplinks() -> None:
    with pytest.raises(PolicyError) as error:
        load([EXAMPLES / "hosting" / "watch.toml"])

    assert "tenant watch: unknown uplink fibre" in {problem.message for problem in error.value.problems}


def test_the_dual_stack_example() -> None:
    policy = load([EXAMPLES / "dual-stack.toml"])

    assert [(uplink.gateway4 is None, uplink.gateway6 is None) for uplink in policy.uplinks] == [
        (True, False),  # new
        (False, True),  # old
        (False, False),  # tunnel
    ]


def test_the_wrong_example() -> None:
    with pytest.raises(PolicyError) as error:
        load([EXAMPLES / "wrong.toml"])

    assert [(problem.line, problem.message) for problem in error.value.problems] == [
        (9, "tenant acme: unknown uplink nroth"),
        (13, "tenant acme, workload web: unknown key publsh"),
        (16, "tenant globex: 10.30.0.5/24 has host bits set"),
        (20, "tenant initech: 10.20.0.0/16 overlaps 10.20.0.0/24 of tenant acme"),
    ]
