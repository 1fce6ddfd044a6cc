"""What is noted about a generation or a pending change, as TOML."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def about_text(values: Mapping[str, Any]) -> bytes:
    """Return the notes as a TOML file: what people are called and how they name their files is not laneway's to choose.

    `toml` writes strings that it cannot read again itself: a backslash before an x, control characters, and what is
    no UTF-8. Strings are written here as TOML 1.0 has them, which is as in JSON but for DEL.
    """
    import toml

    encoder: toml.TomlEncoder[dict[str, Any]] = toml.TomlEncoder()
    encoder.dump_funcs[str] = _quoted
    text: str = toml.dumps(dict(values), encoder=encoder)
    return text.encode()


def read_about(path: Path, kinds: Mapping[str, type], *, may_be: Mapping[str, type] | None = None) -> dict[str, Any]:
    """Return the notes in a file, all of `kinds` and what there is of what `may_be`; raises OSError and ValueError.

    Somebody may have edited them, and a disk may have lost them. What else there is another version wrote.
    """
    import tomllib

    said = tomllib.loads(path.read_text(encoding="utf-8"))
    known = {**kinds, **(may_be or {})}
    for name, kind in known.items():
        if name not in said:
            if name in kinds:
                raise ValueError(f"{name} is missing")
        elif not _is(said[name], kind):
            raise ValueError(f"{name} is {said[name]!r}")
    return {name: value for name, value in said.items() if name in known}


def _is(value: object, kind: type) -> bool:
    """Return whether a value is of the kind; true is no number to TOML, and 1 may be meant for 1.0."""
    return type(value) is kind or (kind is float and type(value) is int)


def _quoted(text: str) -> str:
    # Bytes that are no UTF-8, as a file's name may have, are told as \xNN.
    readable = text.encode("utf-8", "backslashreplace").decode()
    return json.dumps(readable, ensure_ascii=False).replace("\x7f", "\\u007f")
