"""Every error as a person reads it, whole: a directory is a policy that is wrong and what is said of it.

`policy.toml`, or a directory `policy`, is loaded from within the case's directory. To write `expected.txt` anew after
a change of words: LANEWAY_WRITE_EXPECTED=1 pytest tests/errors, and read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from laneway.errors import Exit
from laneway.policy.load import PolicyError, load

CASES = sorted(each.parent for each in Path(__file__).parent.glob("*/expected.txt"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_error_is_shown_as_expected(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case)
    path = Path("policy.toml") if Path("policy.toml").exists() else Path("policy")

    with pytest.raises(PolicyError) as error:
        load([path])

    if os.environ.get("LANEWAY_WRITE_EXPECTED"):
        Path("expected.txt").write_text(f"{error.value}\n", encoding="utf-8")
    assert f"{error.value}\n" == Path("expected.txt").read_text(encoding="utf-8")
    assert error.value.exit_code == Exit.POLICY


def test_no_case_is_passed_over() -> None:
    directories = {each for each in Path(__file__).parent.iterdir() if each.is_dir() and each.name != "__pycache__"}

    assert set(CASES) == directories
    assert len(CASES) >= 40
