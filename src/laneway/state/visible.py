"""Text that others chose, made safe to show: nothing in it moves a cursor, hides or reorders what stands beside it.

Names of links, aliases, processes, files, chains and what a remote host answers are all somebody else's.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Final

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that are escaped: controls, and what reorders or hides text (U+202E and its like)."""

_DISGUISED: Final = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Of other categories, and shown as nothing (Default_Ignorable_Code_Point, and the empty braille cell)."""

_LONGEST: Final = 500
"""Characters of a foreign program's complaint that are shown: the reason stands at its end."""

_SUSPECT: Final = re.compile("[^ -~]")


def visible(text: str) -> str:
    """Return the text in one line, with every character escaped that a terminal would act on."""
    return text if text.isascii() and text.isprintable() else "".join(cell(each) for each in text)


def visible_lines(text: str) -> str:
    """Return as `visible`, but with lines and tabs as they are."""
    return _SUSPECT.sub(_kept_or_escaped, text)


def visible_throughout(value: Any) -> Any:  # noqa: ANN401  whatever JSON can hold
    """Return data with every text in it, but for keys, as `visible_lines` has it."""
    match value:
        case str():
            return visible_lines(value)
        case dict():
            return {key: visible_throughout(each) for key, each in value.items()}
        case list() | tuple():
            return [visible_throughout(each) for each in value]
        case _:
            return value


def complaint(text: str) -> str:
    """Return what another program said in one visible line, of a long one the end."""
    line = "; ".join(visible(each.strip()) for each in text.replace("\r", "\n").split("\n") if each.strip())
    return line if len(line) <= _LONGEST else f"…{line[-_LONGEST:]}"


def is_hidden(character: str) -> bool:
    """Tell whether a character is one that a terminal acts on, or that cannot be seen."""
    selector = "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"  # of variants
    return selector or character in _DISGUISED or unicodedata.category(character) in _HIDDEN


def cell(character: str) -> str:
    """Return a character, escaped where it is hidden."""
    if not is_hidden(character):
        return character
    code = ord(character)
    if code <= 0xFF:  # noqa: PLR2004  one byte
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004  two bytes


def _kept_or_escaped(found: re.Match[str]) -> str:
    return found[0] if found[0] in "\n\t" else cell(found[0])
