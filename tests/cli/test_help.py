"""`laneway help`: the pages, and what is said of one that is not there."""

from __future__ import annotations

import pytest

from laneway.cli import help as help_verb
from laneway.errors import UsageError
from laneway.manual.topics import topics


def test_without_a_topic_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    help_verb.run(None)

    shown = capsys.readouterr().out
    assert [each.name for each in topics() if f"  {each.name}" not in shown or each.title not in shown] == []
    assert "\x1b" not in shown


def test_a_topic_is_its_page(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")

    help_verb.run("exit-codes")

    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "Exit codes"
    assert "10    root is needed" in shown
    assert max(map(len, shown)) <= 60


def test_a_command_is_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    help_verb.run("confirm")

    assert capsys.readouterr().out.startswith("Usage: laneway confirm [OPTIONS]")


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        pytest.param("limts", "did you mean limits?", id="near a topic"),
        pytest.param("aply", "did you mean apply?", id="near a command"),
        pytest.param("zzz", "`laneway help` lists the topics", id="near nothing"),
    ],
)
def test_what_is_not_there_is_told_with_what_may_be_meant(asked: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"there is no page on {asked}") as raised:
        help_verb.run(asked)

    assert raised.value.hint == hint


def test_topics_and_commands_are_completed() -> None:
    assert help_verb._offered("pl") == ["plan-elsewhere", "plan"]
