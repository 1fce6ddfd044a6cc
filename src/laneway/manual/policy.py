"""The page of policy files, laneway.toml(5), made of their JSON Schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from laneway.manual import roff

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from laneway.manual.roff import About, Page

    Schema = Mapping[str, Any]

_WORDS = {"integer": "number", "boolean": "true or false", "object": "table", "array": "array", "string": "string"}


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
        *_tables("", schema, schema["$defs"]),
        roff.heading("SEE ALSO"),
        roff.inline("laneway(8), laneway-check(8), laneway-schema(8)"),
    ]
    return roff.page("laneway.toml", 5, about, parts)


def _tables(path: str, table: Schema, known: Schema) -> Iterator[str]:
    """Yield a table with its keys, and then the tables in it."""
    inner = []
    rows = []
    required = set(table.get("required", ()))
    for key, value in table["properties"].items():
        found = _table_in(f"{path}.{key}".lstrip("."), value)
        if found is not None:
            inner.append((*found, value.get("description", "")))
        else:
            rows.append(roff.entry(key, _said(value, known, required=key in required)))
    if path:
        yield from rows
    for title, below, schema, description in inner:
        yield f'.SH "{title}"'
        yield roff.paragraphs(description or schema.get("description", "") or "A table.")
        yield from _tables(below, schema, known)


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


def _said(value: Schema, known: Schema, *, required: bool) -> str:
    described = {**known[value["$ref"].rpartition("/")[2]], **value} if "$ref" in value else value
    facts = [_kind(value), *(["required"] if required else [])]
    if "default" in described:
        facts.append(f"default: {json.dumps(described['default'])}")
    return " ".join(filter(None, (described.get("description", ""), f"({'; '.join(facts)})")))


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
