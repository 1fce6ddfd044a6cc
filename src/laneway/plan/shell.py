"""Words as a POSIX shell takes them, and as a terminal can show them (XCU 2.2)."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from laneway.state.visible import is_hidden

if TYPE_CHECKING:
    from collections.abc import Iterable


def quoted(word: str) -> str:
    """Return a word for a command line: what cannot be shown as it is, the shell makes of numbers when it is typed.

    `$'…'` would be shorter, and dash, which is `sh` on Debian, does not know it.
    """
    if not any(map(is_hidden, word)):
        return shlex.quote(word)
    body = word.rstrip("\n")  # $(…) takes them away
    return f"\"$(printf '{''.join(map(_octal, body))}')\"" + "'\n'" * (len(word) - len(body))


def joined(words: Iterable[str]) -> str:
    """Return words as one command line."""
    return " ".join(map(quoted, words))


def _octal(character: str) -> str:
    """Return a character in the format of printf(1), which is itself within single quotes."""
    if (character.isascii() and character.isalnum()) or (not character.isascii() and not is_hidden(character)):
        return character
    # Names need not be of any character set: what Python cannot decode it keeps as lone surrogates (PEP 383).
    errors = "surrogateescape" if "\udc80" <= character <= "\udcff" else "surrogatepass"
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", errors))
