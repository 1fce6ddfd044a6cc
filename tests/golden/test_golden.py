"""Every case is a directory: `policy.toml`, and beside it what compile makes of it.

`LANEWAY_GOLDEN=write` writes the files anew; read the difference before you commit it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from laneway.compile.assume import assumed_facts
from laneway.compile.host import compile_host
from laneway.lanes.allocate import allocate
from laneway.lanes.leases import Leases
from laneway.plan.files import files
from laneway.plan.plan import plan
from laneway.plan.words import command
from laneway.policy.load import load
from laneway.state.host import HostState

HERE = Path(__file__).parent
CASES = sorted(path.parent.name for path in HERE.glob("*/policy.toml"))


def compiled(case: str) -> dict[str, str]:
    policy = load([HERE / case / "policy.toml"])
    desired = compile_host(policy, allocate(policy, Leases()), assumed_facts(policy))
    steps = "".join(f"{command(step)}\n" for step in plan(desired, HostState()) if step.kind not in ("chains", "files"))
    return {**files(desired), "plan.txt": steps}


@pytest.mark.parametrize("case", CASES)
def test_compile_makes_what_is_kept(case: str) -> None:
    made = compiled(case)

    if os.environ.get("LANEWAY_GOLDEN") == "write":
        for name, text in made.items():
            (HERE / case / name).write_text(text, encoding="utf-8")

    for name, text in made.items():
        assert text.splitlines() == (HERE / case / name).read_text(encoding="utf-8").splitlines(), name


def test_there_are_cases() -> None:
    assert len(CASES) >= 4
