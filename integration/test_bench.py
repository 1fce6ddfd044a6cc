"""The benchmark works: not how fast anything is, which no test asserts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_benchmark_tells_a_ratio_for_every_kind_of_cost(tmp_path: Path) -> None:
    found = tmp_path / "results.json"
    tiny = ["--sizes", "1,3", "--crowds", "2", "--variants", "nft", "--rounds", "1", "--packets", "3000"]

    done = subprocess.run(
        [sys.executable, "-m", "integration.bench", "--json", str(found), *tiny],
        cwd=ROOT,
        env={**os.environ, "CNI_PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(found.read_text())
    assert {each["item"] for each in told["results"]} >= {
        "established flows",
        "new flows out (class, source address)",
        "new flows in (published port)",
        "traffic of others",
        "apply from nothing",
        "apply again, nothing to do",
        "plan, nothing to do",
        "one tenant more",
        "destroy",
        "memory",
        "start-up",
    }
    assert all(each["ratio"] > 0 for each in told["results"])
    assert told["machine"]["kernel"] in done.stdout
