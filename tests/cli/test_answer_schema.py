"""`laneway schema --output` is what the commands answer; integration tests hold the answers on hosts against it."""

from __future__ import annotations

import json
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest
from typer.main import get_command

from laneway.apply import going_back  # noqa: F401  its error is a kind of its own
from laneway.cli import answer_schema as published
from laneway.cli.app import VERBS, build, command_line
from laneway.errors import LanewayError
from laneway.policy import problems  # noqa: F401  as above
from tests.answers import validated

if TYPE_CHECKING:
    from collections.abc import Callable

    Said = Callable[..., str]

POLICIES = Path(__file__).parents[2] / "policies"
QUICKSTART = POLICIES / "quickstart.toml"
EXPECTS = """
[[expect]]
from = "acme/web"
to = "203.0.113.9"
protocol = "tcp"
port = 80
uplink = "{}"
"""


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Said:
    """Return what runs a command in this process: its output, and the exit code must be the one named."""

    def run(*arguments: str | Path, code: int, text: str = "") -> str:
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(text.encode())))
        try:
            ended = command_line([str(each) for each in arguments])
        except SystemExit as error:
            ended = int(error.code or 0)
        out, err = capsys.readouterr()
        assert ended == code, err
        return out

    return run


@pytest.mark.parametrize("verb", sorted(published.ANSWERS))
def test_it_is_a_schema_of_its_own(said: Said, verb: str) -> None:
    schema = json.loads(said("schema", "--output", verb, code=0))

    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema == published.answer_schema(verb)
    assert schema["$id"] == f"urn:laneway:answer:1:{verb}"


def test_every_command_with_json_has_one() -> None:
    def options(command: object) -> set[str]:
        below = getattr(command, "commands", {}).values()
        own = {word for each in getattr(command, "params", ()) for word in each.opts}
        return own.union(*map(options, below))

    commands = get_command(build(VERBS)).commands  # type: ignore[attr-defined]
    with_json = {verb for verb, command in commands.items() if "--json" in options(command)}

    assert with_json == published.ANSWERS.keys()


def test_another_command_has_none(said: Said) -> None:
    assert said("schema", "--output", "exec", code=2) == ""


def test_every_kind_of_error_is_in_it() -> None:
    def kinds(error: type[LanewayError]) -> set[str]:
        return {error.kind}.union(*(kinds(each) for each in error.__subclasses__()))

    assert kinds(LanewayError) == set(published.KINDS)


def test_check(said: Said) -> None:
    assert validated("check", said("check", "--json", QUICKSTART, code=0))["valid"]
    assert validated("check", said("check", "--json", "-", code=3, text="x = 1"))["error"]["kind"] == "policy"
    assert validated("check", said("check", "--json", "/nowhere", code=3))["problems"]
    text = QUICKSTART.read_text(encoding="utf-8") + EXPECTS.format("south")
    assert validated("check", said("check", "--json", "-", code=8, text=text))["failed"]


def test_compile(said: Said) -> None:
    steps = validated("compile", said("compile", "--json", QUICKSTART, code=0))["steps"]

    assert {each["is"] for each in steps if each["op"] == "create"} == {None}
    assert {each["tenant"] for each in steps} == {None, "acme", "globex"}
    (bridge,) = (each for each in steps if each["object"] == "link lwb-acme" and each["op"] == "create")
    assert bridge["tenant"] == "acme"
    assert bridge["should_be"].startswith("bridge")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--from", "acme/web", "--to", "203.0.113.9", "--tcp", "443"],
        ["--from", "acme/web", "--to", "10.30.0.1", "--icmp", "--why-not"],
        ["--from", "acme/web", "--to", "192.0.2.2", "--udp", "53"],
    ],
    ids=["delivered", "refused", "to the host"],
)
def test_explain(said: Said, arguments: list[str]) -> None:
    answer = validated("explain", said("explain", "--json", QUICKSTART, *arguments, code=0))

    assert answer["hops"]


def test_a_wrong_answer_is_seen(said: Said) -> None:
    answer = json.loads(said("check", "--json", QUICKSTART, code=0))

    for wrong in ({**answer, "valid": "yes"}, {**answer, "more": 1}, {"laneway": 1, "ok": True}):
        with pytest.raises(AssertionError, match="check --json"):
            validated("check", json.dumps(wrong))
