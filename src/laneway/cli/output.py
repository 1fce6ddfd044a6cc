"""Streams, colour and JSON: data goes to standard output, everything else to standard error."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from laneway.errors import Exit, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Final, TextIO

    from laneway.errors import LanewayError

FORMAT: Final = 1
"""The version of every JSON answer, its key `laneway`: keys may come, none changes its meaning or goes."""

RED: Final = "31"
GREEN: Final = "32"
YELLOW: Final = "33"
DIM: Final = "2"


def data(text: str) -> None:
    """Print what the command was asked for; raises UsageError where nothing can be printed to."""
    with told():
        print(text)


@contextmanager
def told() -> Iterator[None]:
    """Raise what keeps the block from writing to standard output as UsageError; that nobody reads it is no error."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        give_up(sys.stdout)
        raise UsageError(f"cannot write to standard output: {error.strerror}") from error


def give_up(stream: TextIO) -> None:
    """Let what is still buffered go nowhere: written at the end of the process it would complain once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def note(text: str) -> None:
    """Print what a person may want to know beside the data; that it cannot be printed changes nothing."""
    try:
        print(text, file=sys.stderr)
    except OSError:
        give_up(sys.stderr)


def answer(values: Mapping[str, object]) -> None:
    """Print a JSON answer."""
    data(json_text({"laneway": FORMAT, **values}))


def json_text(values: Mapping[str, object]) -> str:
    """Return the values as JSON for people and programs: the same values are the same bytes."""
    import json

    return json.dumps(values, indent=2, sort_keys=True)


def failure(error: LanewayError) -> None:
    """Print an error of laneway's: what and where, then what to do."""
    if error.exit_code == Exit.POLICY:
        note(str(error))  # each of its problems begins with its own place, where editors and people look for one
        return
    note(f"{painted('laneway:', RED, sys.stderr)} {error}")
    if error.hint:
        note(f"  hint: {error.hint}")
    for command in error.commands:
        note(command)


def painted(text: str, colour: str, stream: TextIO) -> str:
    """Return the text in this colour (the number of an SGR sequence, ECMA-48) where the stream shows colours."""
    return f"\x1b[{colour}m{text}\x1b[0m" if has_colour(stream) else text


def has_colour(stream: TextIO) -> bool:
    """Tell whether the stream is a terminal, and nobody asked for plain text (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
