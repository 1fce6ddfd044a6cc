"""Every warning as a person reads it, whole: a directory is a policy that is valid and what is said of it.

Those whose names begin with `quiet` are what a rule must not be alarmed by. To write `expected.txt` anew after a change
of words: LANEWAY_WRITE_EXPECTED=1 pytest tests/policy/lints, and read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from laneway.policy.lint import RULES, lint, located
from laneway.policy.load import load
from tests.worlds import crowd

CASES = sorted(each.parent for each in Path(__file__).parent.glob("*/policy.toml"))


def warnings(path: Path) -> list[str]:
    return [f"{rule}: {warning.render()}\n" for rule, warning in located(lint(load([path])))]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_warning_is_shown_as_expected(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case)

    text = "\n".join(warnings(Path("policy.toml")))

    if os.environ.get("LANEWAY_WRITE_EXPECTED"):
        Path("expected.txt").write_text(text, encoding="utf-8")
    assert text == Path("expected.txt").read_text(encoding="utf-8")
    assert (text == "") == case.name.startswith("quiet")


def test_every_rule_has_a_case() -> None:
    told = "\n".join((case / "expected.txt").read_text(encoding="utf-8") for case in CASES)

    assert [rule for rule in RULES if f"{rule}: policy.toml:" not in told] == []


def test_a_rule_can_be_left_out() -> None:
    policy = load([Path(__file__).parent / "uplink-unused" / "policy.toml"])

    assert lint(policy, ["uplink-unused"]) == []


@pytest.mark.parametrize("path", ["quickstart.toml", "dual-stack.toml", "hosting"])
def test_the_examples_are_meant_as_they_stand(path: str) -> None:
    assert warnings(Path(__file__).parents[3] / "policies" / path) == []


def test_what_is_generated_for_many_tenants_is_meant() -> None:
    assert lint(crowd(300)) == []
