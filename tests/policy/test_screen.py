"""Carets stand below what they point at, and no text of a file reaches the terminal as a command."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laneway.policy.screen import caret_line, shown_line
from laneway.state.visible import visible

TEXTS = st.text(alphabet=st.characters(exclude_characters="\n"), max_size=400)


@pytest.mark.parametrize(
    ("text", "column", "length", "shown", "carets"),
    [
        pytest.param("key = 12", 7, 2, "   1 | key = 12", "     |       ^^", id="plain"),
        pytest.param('key = "ab"', 7, 4, '   1 | key = "ab"', "     |        ^^", id="between quotes"),
        pytest.param('key = ""', 7, 2, '   1 | key = ""', "     |       ^^", id="empty string"),
        pytest.param("\tk =\t1", 6, 1, "   1 |     k =    1", "     |            ^", id="tabs"),
        pytest.param("世 = 1", 5, 1, "   1 | 世 = 1", "     |      ^", id="wide"),
        pytest.param("e\u0301 = 1", 6, 1, "   1 | e\u0301 = 1", "     |     ^", id="combining"),
        pytest.param("\x1b = 1", 5, 1, "   1 | \\x1b = 1", "     |        ^", id="control character"),
        pytest.param("a = ", 5, 1, "   1 | a =", "     |     ^", id="behind the end"),
    ],
)
def test_carets(text: str, column: int, length: int, shown: str, carets: str) -> None:
    assert shown_line(1, text, column) == shown
    assert caret_line(1, text, column, length) == carets


def test_numbers_of_large_files_move_the_margin() -> None:
    assert (shown_line(123456, "a", 1), caret_line(123456, "a", 1, 1)) == ("123456 | a", "       | ^")


def test_of_a_long_line_the_part_in_question_is_shown() -> None:
    text = "x" * 5000 + "!" + "y" * 5000
    line, carets = shown_line(1, text, 5001), caret_line(1, text, 5001, 1)

    assert len(line) == 7 + 1 + 160 + 1
    assert line[carets.index("^")] == "!"


@given(TEXTS, st.integers(1, 500), st.integers(0, 500))
def test_there_is_always_a_caret(text: str, column: int, length: int) -> None:
    assert caret_line(1, text, column, length).count("^") >= 1


@given(TEXTS)
def test_what_is_visible_is_printable(text: str) -> None:
    assert not any(ord(each) < 32 or 0x7F <= ord(each) < 0xA0 for each in visible(text) + shown_line(1, text, 1))


@pytest.mark.parametrize("hidden", ["\u202e", "\u2066", "\u200b", "\x9b", "\x7f", "\ufeff", "\ud800", "\u2028"])
def test_what_hides_or_reorders_text_is_escaped(hidden: str) -> None:
    assert (
        visible(f"a{hidden}b")
        == f"a\\{'x' if ord(hidden) < 256 else 'u'}{ord(hidden):0{2 if ord(hidden) < 256 else 4}x}b"
    )


def test_letters_of_every_language_are_shown() -> None:
    assert visible("käse 北京 العربية") == "käse 北京 العربية"
