"""Notes are read back as they were written, whatever people and files are called."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laneway.apply.about import about_text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_read_back(text: str) -> None:
    assert tomllib.loads(about_text({"who": text}).decode()) == {"who": text}


@pytest.mark.parametrize("text", ["CORP\\xavier", "edge\\x2dnorth.toml", "a\x1bb", "\x1b", "\x7f", '"', "two\nlines"])
def test_what_toml_does_not_write_right_is_read_back(text: str) -> None:
    assert tomllib.loads(about_text({"who": text}).decode()) == {"who": text}


def test_bytes_that_are_no_utf_8_are_told() -> None:
    name = b"caf\xe9.toml".decode("utf-8", "surrogateescape")

    assert tomllib.loads(about_text({"command": name}).decode()) == {"command": r"caf\udce9.toml"}


def test_other_kinds_of_notes() -> None:
    notes = {
        "when": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "destroyed": False,
        "seconds": 1.5,
        "changes": {"links": 2},
    }

    assert tomllib.loads(about_text(notes).decode()) == notes
