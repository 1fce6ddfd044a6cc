"""`laneway check`: warnings, and the forms of the answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from laneway.cli.check import Format, Manner, run
from laneway.errors import Exit, UsageError
from laneway.policy.lint import RULES

LINTS = Path(__file__).parents[1] / "policy" / "lints"
WARNED = LINTS / "class-unreachable" / "policy.toml"
QUIET = LINTS / "quiet-expects" / "policy.toml"
INVALID = Path(__file__).parents[1] / "errors" / "published-twice" / "policy.toml"

# What of the schema of SARIF 2.1.0 (OASIS, 3.13 to 3.54) code scanning asks for.
TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
NUMBER = {"type": "integer", "minimum": 1}
REGION = {
    "type": "object",
    "required": ["startLine", "startColumn", "endColumn"],
    "properties": {"startLine": NUMBER, "startColumn": NUMBER, "endColumn": NUMBER},
    "additionalProperties": False,
}
LOCATION = {
    "type": "object",
    "required": ["physicalLocation"],
    "properties": {
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation"],
            "properties": {
                "artifactLocation": {
                    "type": "object",
                    "required": ["uri"],
                    "properties": {"uri": {"type": "string", "format": "uri-reference"}},
                },
                "region": REGION,
            },
        },
        "message": TEXT,
    },
}
RESULT = {
    "type": "object",
    "required": ["ruleId", "ruleIndex", "level", "message", "locations"],
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": {"enum": ["none", "note", "warning", "error"]},
        "message": TEXT,
        "locations": {"type": "array", "minItems": 1, "items": LOCATION},
        "relatedLocations": {"type": "array", "items": LOCATION},
    },
    "additionalProperties": False,
}
RULE = {
    "type": "object",
    "required": ["id", "shortDescription"],
    "properties": {"id": {"type": "string", "pattern": "^[a-z-]+$"}, "shortDescription": TEXT},
}
SARIF = {
    "type": "object",
    "required": ["version", "runs", "$schema"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results", "columnKind"],
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name", "version", "rules"],
                                "properties": {"rules": {"type": "array", "items": RULE, "uniqueItems": True}},
                            }
                        },
                    },
                    "results": {"type": "array", "items": RESULT},
                },
            },
        },
    },
}


def sarif(path: Path, capsys: pytest.CaptureFixture[str], **manner: Any) -> Any:
    run([path], Manner(Format.SARIF, **manner))
    told = json.loads(capsys.readouterr().out)
    jsonschema.validate(told, SARIF)
    return told["runs"][0]


def test_warnings_are_shown_and_forgiven(capsys: pytest.CaptureFixture[str]) -> None:
    code = run([WARNED], Manner())

    told = capsys.readouterr()
    assert code == Exit.DONE
    assert told.out == f"{WARNED}: valid: 2 uplinks, 1 tenant, 0 workloads, 1 warning\n"
    first, line, carets, hint, *_ = told.err.splitlines()
    assert first == (
        f"{WARNED}:20:9: warning: tenant acme, class secure: never reached: "
        "all of its packets are taken by web before it [class-unreachable]"
    )
    assert line.startswith("  20 | match = {")
    assert carets.startswith("     |         ^^^")
    assert hint == "     = hint: the first class that matches wins: put it earlier, or take it out"


@pytest.mark.parametrize(
    ("path", "manner", "code"),
    [
        pytest.param(WARNED, Manner(strict=True), Exit.POLICY, id="strict"),
        pytest.param(WARNED, Manner(strict=True, ignored=("class-unreachable",)), Exit.DONE, id="strict, left out"),
        pytest.param(QUIET, Manner(strict=True), Exit.DONE, id="strict, nothing to warn of"),
        pytest.param(WARNED, Manner(Format.JSON, strict=True), Exit.POLICY, id="strict JSON"),
        pytest.param(WARNED, Manner(Format.SARIF, strict=True), Exit.POLICY, id="strict SARIF"),
        pytest.param(INVALID, Manner(Format.SARIF), Exit.POLICY, id="invalid SARIF"),
    ],
)
def test_exit_codes(path: Path, manner: Manner, code: Exit) -> None:
    assert run([path], manner) == code


def test_a_rule_that_is_none_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="there is no rule nonsense"):
        run([QUIET], Manner(ignored=("nonsense",)))


def test_warnings_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    run([WARNED], Manner(Format.JSON))

    answer = json.loads(capsys.readouterr().out)
    assert (answer["laneway"], answer["valid"], answer["problems"]) == (1, True, [])
    assert [(each["rule"], each["line"], each["column"]) for each in answer["warnings"]] == [
        ("class-unreachable", 20, 9)
    ]


def test_warnings_as_sarif(capsys: pytest.CaptureFixture[str]) -> None:
    told = sarif(WARNED, capsys)

    (result,) = told["results"]
    assert (result["ruleId"], result["level"]) == ("class-unreachable", "warning")
    assert told["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "class-unreachable"
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 20, "startColumn": 9, "endColumn": 69}
    assert result["relatedLocations"][0]["physicalLocation"]["region"]["startLine"] == 15


def test_errors_as_sarif(capsys: pytest.CaptureFixture[str]) -> None:
    told = sarif(INVALID, capsys)

    assert {(each["ruleId"], each["level"]) for each in told["results"]} == {("invalid", "error")}


def test_a_relative_path_stays_relative(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(WARNED.parent)

    told = sarif(Path("policy.toml"), capsys)

    assert told["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "policy.toml"}


def test_every_rule_is_declared_whether_found_or_not(capsys: pytest.CaptureFixture[str]) -> None:
    told = sarif(QUIET, capsys)

    assert told["results"] == []
    assert [each["id"] for each in told["tool"]["driver"]["rules"]] == ["invalid", *RULES]
