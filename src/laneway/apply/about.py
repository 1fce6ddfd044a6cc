"""What is noted about a generation or a pending change, as TOML."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


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


def _quoted(text: str) -> str:
    # Bytes that are no UTF-8, as a file's name may have, are told as \xNN.
    readable = text.encode("utf-8", "backslashreplace").decode()
    return json.dumps(readable, ensure_ascii=False).replace("\x7f", "\\u007f")
