"""The entry point of `laneway` and of `python -m laneway`.

Importing Typer, and the pydantic that it converts arguments with, takes longer than checking a policy does. What
monitoring and editors start again and again, `--version` and a plain `check`, therefore goes without it.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn


PLAIN_OPTIONS = ("--json", "--strict")
"""Flags of `check` that need no Typer to be understood."""


def main() -> NoReturn:
    """Run the command line of this process and exit with its code."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        _version()
    # Thousands of tenants are some hundred thousand values that live as long as the process: looking for garbage
    # among them, as often as usual, would take half of its time.
    gc.set_threshold(100_000, 50, 100)
    from laneway.cli.app import command_line, finish

    if is_plain_check(arguments):
        from laneway.cli.check import Format, Manner, run

        paths = [each for each in arguments[1:] if each not in PLAIN_OPTIONS]
        form = Format.JSON if "--json" in arguments else Format.TEXT
        finish(lambda: run(paths, Manner(form, strict="--strict" in arguments)))
    finish(lambda: command_line(arguments))


def is_plain_check(arguments: Sequence[str]) -> bool:
    """Tell whether this is `check` with paths and flags alone, which mean the same with or without Typer."""
    return arguments[:1] == ["check"] and all(
        each in PLAIN_OPTIONS or not each.startswith("-") for each in arguments[1:]
    )


def _version() -> NoReturn:
    from laneway import __version__

    print(f"laneway {__version__}")
    sys.exit(0)
