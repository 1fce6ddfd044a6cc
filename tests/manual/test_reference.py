"""Pages made of the code are those that are kept; `LANEWAY_GOLDEN=write` writes them anew."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from laneway.manual.reference import exit_codes_page, policy_page
from laneway.policy.schema import schema

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = Path(__file__).parents[2] / "src/laneway/pages/reference"


@pytest.mark.parametrize(
    ("name", "made"),
    [
        pytest.param("policy.md", lambda: policy_page(schema()), id="policy"),
        pytest.param("exit-codes.md", exit_codes_page, id="exit codes"),
    ],
)
def test_a_page_made_of_the_code_is_the_one_kept(name: str, made: Callable[[], str]) -> None:
    if os.environ.get("LANEWAY_GOLDEN") == "write":
        (SOURCE / name).write_text(made(), encoding="utf-8")

    kept = (files("laneway") / "pages/reference" / name).read_text(encoding="utf-8")

    assert made().splitlines() == kept.splitlines()
