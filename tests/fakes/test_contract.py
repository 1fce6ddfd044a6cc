"""The fake kernel keeps the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract import CHECKS
from tests.fakes.kernel import FakeKernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from laneway.apply.ports import Kernel


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_fake(check: Callable[[Kernel], None]) -> None:
    # Every check asserts for itself, and has nothing to say when it is kept.
    outcome: object = check(FakeKernel())  # type: ignore[func-returns-value]

    assert outcome is None
