"""JSON answers held against the schemas that are published of them, more strictly than others must hold them."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema

from laneway.cli.answer_schema import answer_schema


def validated(verb: str, text: str) -> Any:
    """Return the answer of a command; raises where it is not as its schema says, or says more than that."""
    answer = json.loads(text)
    try:
        _validator(verb).validate(answer)
    except jsonschema.ValidationError as error:
        wrong = min(error.context or [error], key=_distance)
        raise AssertionError(f"{verb} --json: {wrong.json_path}: {wrong.message[:2000]}") from error
    return answer


def _distance(error: jsonschema.ValidationError) -> tuple[bool, int]:
    """Rank what is wrong by the schema that was meant before the others: by theirs `ok` or `valid` is wrong too."""
    return (error.validator in {"const", "required"}, -len(error.path))


@cache
def _validator(verb: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(_closed(answer_schema(verb)))


def _closed(schema: Any) -> Any:
    """Return the schema of what has no keys but those that are named."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        closed.setdefault("additionalProperties", False)
    return closed
