"""Files of settings of other programs, read as far as they can be."""

from __future__ import annotations

from configparser import Error as ConfigError
from configparser import RawConfigParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_LARGEST = 1 << 20
"""Characters of a file: what is longer is no file of settings."""


def section(file: Path, name: str) -> Iterable[tuple[str, str]]:
    """Return the settings of one section, their keys in small letters; of a key that is there again, the last."""
    parser = RawConfigParser(strict=False, allow_no_value=True, delimiters=("=",))
    try:
        parser.read_string("\n".join(lines(file)))
        return [(key, (value or "").strip()) for key, value in parser.items(name)] if parser.has_section(name) else []
    except ConfigError:
        return []


def lines(file: Path) -> list[str]:
    """Return the lines of a file, none of one that cannot be read."""
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(_LARGEST).splitlines()
    except OSError:
        return []
