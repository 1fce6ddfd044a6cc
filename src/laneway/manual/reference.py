"""Pages of the reference that are made of the code: the keys of a policy, and the exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from laneway.errors import EXIT_STATUS, Exit
from laneway.manual.policy import tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

POLICY_HEAD = """# Policy keys

A policy is one TOML file, or all files `*.toml` of a directory; something defined twice is an error.
`laneway check` says where it is wrong, all mistakes at once. `laneway schema` prints the format as JSON
Schema for editors. Unknown keys are errors.

Names are lower-case letters, digits, and hyphens between them. This page is generated from the schema.
"""

EXIT_HEAD = """# Exit codes

The code tells what to do next. It is the same for all commands; `--json` says more (`laneway help json`).

| code | what it says |
|---|---|
"""

EXIT_FOOT = """
`exec` and `lab -- COMMAND` end with the code of the command: 127 when it was not found, 126 when it could not
be run. Ctrl-C is 130, a reader of standard output that went away 141.
"""


def policy_page(schema: Mapping[str, Any]) -> str:
    """Return the page of the format that `schema` describes."""
    return POLICY_HEAD + "".join(f"\n{each}" for each in _policy(schema))


def exit_codes_page() -> str:
    """Return the page of exit codes."""
    rows = "".join(f"| {int(code)} | {EXIT_STATUS[code]} |\n" for code in Exit)
    return f"{EXIT_HEAD}{rows}{EXIT_FOOT}"


def _policy(schema: Mapping[str, Any]) -> Iterator[str]:
    for table in tables(schema):
        text = f"## `{table.title}`\n\n{table.description}\n"
        if table.keys:
            text += "\n| key | type | default | example | meaning |\n|---|---|---|---|---|\n"
        for key in table.keys:
            default = "required" if key.is_required else _code(key.default)
            cells = (f"`{key.name}`", key.kind, default, _code(key.example), key.meaning)
            text += f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} |\n"
        yield text


def _code(value: object) -> str:
    return "" if value is None else f"`{_toml(value)}`"


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value)
