"""What is wrong with a policy as SARIF, which code hosts show beside the lines (OASIS SARIF 2.1.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from laneway.policy.problems import Note, Problem

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
INVALID: Final = "invalid"
"""The rule of whatever makes a policy invalid."""


def log(
    errors: Sequence[Problem], warnings: Sequence[tuple[str, Problem]], rules: Mapping[str, str], version: str
) -> dict[str, Any]:
    """Return a log of one run: what is wrong, and what is hardly meant, each with its rule."""
    every = {INVALID: "The policy cannot be applied.", **rules}
    numbers = {rule: number for number, rule in enumerate(every)}
    found = [(INVALID, "error", each) for each in errors] + [(rule, "warning", each) for rule, each in warnings]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "laneway", "version": version, "rules": list(_rules(every))}},
                "columnKind": "unicodeCodePoints",
                "results": [_result(rule, numbers[rule], level, each) for rule, level, each in found],
            }
        ],
    }


def _rules(every: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "id": rule,
            "shortDescription": {"text": text},
            "defaultConfiguration": {"level": "error" if rule == INVALID else "warning"},
        }
        for rule, text in every.items()
    ]


def _result(rule: str, number: int, level: str, problem: Problem) -> dict[str, Any]:
    hint = f" ({problem.hint})" if problem.hint else ""
    result = {
        "ruleId": rule,
        "ruleIndex": number,
        "level": level,
        "message": {"text": f"{problem.message}{hint}"},
        "locations": [_location(problem)],
    }
    if problem.notes:
        result["relatedLocations"] = [
            {**_location(note), "message": {"text": note.message.removeprefix("note: ")}} for note in problem.notes
        ]
    return result


def _location(where: Problem | Note) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(where.file)}}
    if where.line:
        physical["region"] = {
            "startLine": where.line,
            "startColumn": where.column,
            "endColumn": where.column + max(where.length, 1),
        }
    return {"physicalLocation": physical}


def _uri(file: str) -> str:
    """Return a path as a URI reference (RFC 3986): one that is relative stays so, to the directory of the run."""
    from urllib.parse import quote

    return f"file://{quote(file)}" if file.startswith("/") else quote(file)
