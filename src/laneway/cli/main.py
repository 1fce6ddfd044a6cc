"""The entry point of `laneway` and of `python -m laneway`.

Importing Typer, and the pydantic that it converts arguments with, takes longer than checking a policy does. What is
started again and again, `--version` and a plain `check`, `plan` or `apply`, therefore goes without it.
"""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn


PLAIN_OPTIONS = {
    "check": ("--json", "--strict"),
    "plan": ("--json", "--prune", "--commands"),
    "apply": ("--json", "--prune"),
}
"""Flags, by verb, that need no Typer to be understood."""


def main() -> NoReturn:
    """Run the command line of this process and exit with its code."""
    try:
        _main()
    except KeyboardInterrupt:  # before anything has begun: `finish` has it later
        sys.exit(128 + signal.SIGINT)
    except MemoryError:
        os.write(2, b"laneway: there is no memory left to start with\n")
        sys.exit(5)  # Exit.REFUSED, which may not be there to be asked


def _main() -> NoReturn:
    _open_streams()
    arguments = sys.argv[1:]
    if arguments in (["--version"], ["-V"], ["version"]):
        from laneway.cli.app import finish

        finish(_version)
    # Thousands of tenants are some hundred thousand values that live as long as the process: looking for garbage
    # among them, as often as usual, would take half of its time.
    gc.set_threshold(100_000, 50, 100)
    from laneway.cli.app import command_line, finish

    if is_plain(arguments):
        finish(lambda: _run_plain(*arguments), as_json="--json" in arguments)
    finish(lambda: command_line(arguments))


def _open_streams() -> None:
    """Have three standard streams, whatever the caller closed, and write what a terminal's character set lacks as `?`.

    Without one Python has None in its place, and the first file or socket that is opened takes its number.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.encoding.lower() != "utf-8":
        sys.stdout.reconfigure(errors="replace")


def is_plain(arguments: Sequence[str]) -> bool:
    """Tell whether this is a verb with paths and flags alone, which mean the same with or without Typer."""
    flags = PLAIN_OPTIONS.get(arguments[0]) if arguments else None
    return flags is not None and all(each in flags or not each.startswith("-") for each in arguments[1:])


def _run_plain(verb: str, *words: str) -> int:
    paths = [each for each in words if each not in PLAIN_OPTIONS[verb]]
    as_json, prune = "--json" in words, "--prune" in words
    match verb:
        case "check":
            from laneway.cli.check import Format, Manner, run

            return run(paths, Manner(Format.JSON if as_json else Format.TEXT, strict="--strict" in words))
        case "plan":
            from laneway.cli import plan

            return plan.run(paths, plan.Manner(as_json=as_json, commands="--commands" in words), prune=prune)
        case _:
            from laneway.cli import apply

            return apply.run(paths, apply.Manner(prune=prune, as_json=as_json))


def _version() -> int:
    from laneway import __version__
    from laneway.cli import output

    output.data(f"laneway {__version__}")
    return 0
