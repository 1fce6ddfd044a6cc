"""Spans of time as people type them."""

from __future__ import annotations

import pytest

from laneway.cli.durations import seconds_of
from laneway.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("60s", 60), ("1.5m", 90), ("2 min", 120), ("8784h", 31622400)]
)
def test_a_span(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "-5m", "soon", "8785h", "9" * 24 + "h", "9" * 400])
def test_no_span(text: str) -> None:
    with pytest.raises(UsageError):
        seconds_of(text)
