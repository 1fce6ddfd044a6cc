"""The schema accepts what the loader accepts, as far as a schema can tell."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given

from laneway.policy import examples
from laneway.policy.schema import keys, schema
from tests.strategies import documents

EXAMPLES = sorted((Path(__file__).parents[2] / "policies").rglob("*.toml"))
ERRORS = Path(__file__).parents[1] / "errors"
VALIDATOR = jsonschema.Draft202012Validator(schema())


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


def test_it_is_plain_json() -> None:
    assert json.loads(json.dumps(schema())) == schema()


def test_the_examples_name_the_schema_that_lies_beside_them() -> None:
    for path in EXAMPLES:
        (named,) = re.findall(r"(?m)^#:schema (.*)$", path.read_text(encoding="utf-8"))

        assert json.loads((path.parent / named).read_text(encoding="utf-8")) == schema()


def test_the_hook_of_pre_commit_checks_a_directory_as_one_policy() -> None:
    hook = (Path(__file__).parents[2] / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    keys = dict(re.findall(r"(?m)^(?:- |  )(\w+): (.*)$", hook))
    entry, (at,) = keys["entry"].split(), re.findall(r"\[(\w+)\]", keys["args"])

    good = subprocess.run([sys.executable, "-m", *entry, Path(__file__).parents[2] / at / "hosting"], check=False)
    wrong = subprocess.run(
        [sys.executable, "-m", *entry, Path(__file__).parents[2] / at / "wrong.toml"], check=False, capture_output=True
    )

    assert (keys["id"], keys["pass_filenames"]) == ("laneway-check", "false")
    assert (good.returncode, wrong.returncode) == (0, 3)


@pytest.mark.parametrize("path", [each for each in EXAMPLES if each.name != "wrong.toml"], ids=lambda path: path.name)
def test_the_examples_are_accepted(path: Path) -> None:
    VALIDATOR.validate(tomllib.loads(path.read_text()))


@given(documents())
def test_what_the_loader_accepts_is_accepted(document: dict[str, Any]) -> None:
    VALIDATOR.validate(document)


@pytest.mark.parametrize(
    "case",
    [
        "class-match",
        "class-ports-without-protocol",
        "class-protocols",
        "class-uplink-and-action",
        "empty-arrays",
        "gateways",
        "host-marks-no-number",
        "missing-keys",
        "name-too-long",
        "names",
        "publish",
        "unknown-keys",
        "unknown-top-level-key",
        "wrong-types",
    ],
)
def test_what_a_schema_can_see_is_refused(case: str) -> None:
    document = tomllib.loads((ERRORS / case / "policy.toml").read_text(encoding="utf-8"))

    assert not VALIDATOR.is_valid(document)


def test_everything_an_operator_writes_is_described() -> None:
    def described(part: dict[str, Any]) -> bool:
        return "description" in part or "$ref" in part

    missing = [
        key
        for table in _tables(schema())
        for key, value in table["properties"].items()
        if not described(value) and "enum" not in value and value.get("type") != "integer"
    ]

    assert missing == []


def _tables(part: Any) -> list[dict[str, Any]]:
    if isinstance(part, list):
        return [found for each in part for found in _tables(each)]
    if not isinstance(part, dict):
        return []
    own = [part] if isinstance(part.get("properties"), dict) else []
    return own + [found for each in part.values() for found in _tables(each)]


def test_patterns_are_the_same_for_other_regex_engines() -> None:
    patterns = re.findall(r'"pattern": "(.*?)"[,}]', json.dumps(schema()))

    assert patterns
    assert not [each for each in patterns if "(?P" in each or "++" in each or r"\A" in each]


def test_every_key_has_an_example_that_is_valid() -> None:
    found = dict(keys(schema()))

    assert set(found) == set(examples.EXAMPLES)
    for path, value in found.items():
        validator = jsonschema.Draft202012Validator({**value, "$defs": schema()["$defs"]})
        assert [list(validator.iter_errors(each)) for each in value["examples"]] == [[]], path
