"""The tables of a policy and their keys, as its JSON Schema has them, and their page, laneway.toml(5)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from laneway.manual import roff

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from laneway.manual.roff import About, Page

    Schema = Mapping[str, Any]

_WORDS = {"integer": "number", "boolean": "true or false", "object": "table", "array": "array", "string": "string"}


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a table."""

    name: str
    kind: str
    meaning: str
    is_required: bool
    default: object = None
    example: object = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table, with the keys that hold no table."""

    title: str  # [tenants.NAME]
    description: str
    keys: tuple[Key, ...]


def page(schema: Schema, about: About) -> Page:
    """Return the page of the format that `schema` describes."""
    parts = [
        roff.named("laneway.toml", "the policy of a host's tenants"),
        roff.heading("SYNOPSIS"),
        roff.inline("/etc/laneway/*.toml"),
        roff.heading("DESCRIPTION"),
        roff.paragraphs(
            "A policy is one TOML file, or all files *.toml of a directory. "
            "`laneway check` says where it is wrong, `laneway schema` prints its format for editors.\n\n"
            "Tables and their keys:"
        ),
        *(line for table in tables(schema) for line in _shown(table)),
        roff.heading("SEE ALSO"),
        roff.inline("laneway(8), laneway-check(8), laneway-schema(8)"),
    ]
    return roff.page("laneway.toml", 5, about, parts)


def _shown(table: Table) -> Iterator[str]:
    yield f'.SH "{table.title}"'
    yield roff.paragraphs(table.description)
    for key in table.keys:
        facts = [key.kind, *(["required"] if key.is_required else [])]
        facts += [f"{word}: {json.dumps(value)}" for word, value in _values(key) if value is not None]
        yield roff.entry(key.name, f"{key.meaning} ({'; '.join(facts)})")


def _values(key: Key) -> Iterator[tuple[str, object]]:
    yield "default", key.default
    yield "example", key.example


def tables(schema: Schema) -> Iterator[Table]:
    """Yield the tables of a policy, each before those in it."""
    yield from _tables("", schema, schema["$defs"])


def _tables(path: str, table: Schema, known: Schema) -> Iterator[Table]:
    for key, value in table["properties"].items():
        found = _table_in(f"{path}.{key}".lstrip("."), value)
        if found is not None:
            title, below, inner = found
            description = value.get("description", "") or inner.get("description", "") or "A table."
            yield Table(title, description, tuple(_keys(inner, known)))
            yield from _tables(below, inner, known)


def _keys(table: Schema, known: Schema) -> Iterator[Key]:
    required = set(table.get("required", ()))
    for name, value in table["properties"].items():
        if _table_in(name, value) is None:
            described = {**known[value["$ref"].rpartition("/")[2]], **value} if "$ref" in value else value
            example = next(iter(value.get("examples", ())), None)
            meaning = described.get("description", "")
            yield Key(name, _kind(value), meaning, name in required, described.get("default"), example)


def _table_in(path: str, value: Schema) -> tuple[str, str, Schema] | None:
    """Return the title, the path and the schema of the table that a key holds, None for a value."""
    if "properties" in value:
        return f"[{path}]", path, value
    named = value.get("additionalProperties")
    if isinstance(named, dict) and "properties" in named:
        return f"[{path}.NAME]", f"{path}.NAME", named
    items = value.get("items")
    if isinstance(items, dict) and "properties" in items:
        return f"[[{path}]]", path, items
    return None


def _kind(value: Schema) -> str:
    """Return what kind of value it is: of what has a name of its own, that name."""
    if "$ref" in value:
        return str(value["$ref"].rpartition("/")[2])
    if "enum" in value:
        return " | ".join(map(str, value["enum"]))
    if "const" in value:
        return json.dumps(value["const"])
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(map(_kind, value["anyOf"])))
    if value["type"] == "array":
        return f"array of: {_kind(value['items'])}"
    return _WORDS[value["type"]]
