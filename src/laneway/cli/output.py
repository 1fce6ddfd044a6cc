"""Streams, colour and JSON: data goes to standard output, everything else to standard error."""

from __future__ import annotations

import errno
import io
import os
import select
import stat
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from laneway.errors import Exit, UsageError
from laneway.state.visible import visible_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Final, TextIO

    from laneway.errors import LanewayError

FORMAT: Final = 1
"""The version of every JSON answer, its key `laneway`: keys may come, none changes its meaning or goes."""

ROOM: Final = 4096
"""Bytes of a disk that an answer is taken to need."""

RED: Final = "31"
GREEN: Final = "32"
YELLOW: Final = "33"
BOLD: Final = "1"
DIM: Final = "2"


class Painted(NamedTuple):
    """A text in a colour, the number of an SGR sequence (ECMA-48)."""

    text: str
    colour: str


def data(*parts: str | Painted) -> None:
    """Print what the command was asked for, in one line; raises UsageError where nothing can be printed to."""
    with told():
        print(shown(sys.stdout, *parts))


def shown(stream: TextIO, *parts: str | Painted) -> str:
    """Return the parts as the stream is to get them: what tells a terminal anything is laneway's, nobody else's.

    Whatever a tenant, a file or a remote host brings into a sentence goes through here before it is printed.
    """
    coloured = has_colour(stream)
    return "".join(_shown(part, coloured=coloured) for part in parts)


def _shown(part: str | Painted, *, coloured: bool) -> str:
    if isinstance(part, str):
        return visible_lines(part)
    text = visible_lines(part.text)
    return f"\x1b[{part.colour}m{text}\x1b[0m" if coloured else text


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


def demand_writable() -> None:
    """Raise, before anything is changed, UsageError or BrokenPipeError where what was changed could not be told.

    Nothing is written: a device asked to take nothing still refuses, a pipe without a reader says so to poll(2), and
    a disk says how full it is.
    """
    if sys.__stdout__ is None:
        raise UsageError("standard output is closed", "> /dev/null is for what nobody is to read")
    with told():
        try:
            number = sys.stdout.fileno()
        except io.UnsupportedOperation:  # it is no file: whoever calls this as a function has taken its place
            return
        os.write(number, b"")
        poll = select.poll()
        poll.register(number, select.POLLOUT)
        if any(seen & select.POLLERR for _, seen in poll.poll(0)):
            raise BrokenPipeError
        _demand_room(number)


def _demand_room(number: int) -> None:
    """Raise OSError for a file on a full disk; nothing is written for a try, since others may append to it too."""
    if stat.S_ISREG(os.fstat(number).st_mode):
        disk = os.fstatvfs(number)
        if disk.f_blocks and disk.f_bfree * disk.f_frsize < ROOM:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def of_what_is_done(what: str) -> Iterator[None]:
    """Tell a person on standard error that a change is made when the block cannot tell it on standard output.

    What was done is not undone for want of a reader, and the exit code stays that of the change.
    """
    try:
        yield
        with told():
            sys.stdout.flush()
    except (UsageError, BrokenPipeError) as error:
        give_up(sys.stdout)
        reason = str(error) if isinstance(error, UsageError) else "nobody reads standard output"
        note(f"{what}; {reason}")


def give_up(stream: TextIO) -> None:
    """Let what is still buffered go nowhere: written at the end of the process it would complain once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def note(*parts: str | Painted) -> None:
    """Print what a person may want to know beside the data; that it cannot be printed changes nothing."""
    try:
        print(shown(sys.stderr, *parts), file=sys.stderr)
    except OSError:
        give_up(sys.stderr)


def answer(values: Mapping[str, object]) -> None:
    """Print a JSON answer; `ok` is whether there is one."""
    data(json_text({"laneway": FORMAT, "ok": True, **values}))


def of_error(error: LanewayError) -> dict[str, object]:
    """Return, as JSON answers tell of it, what kept a command from answering: the same keys for every kind."""
    told = {
        "kind": error.kind,
        "message": error.brief,
        "hint": error.hint,
        "commands": list(error.commands),
        "collisions": [dict(each) for each in error.collisions],
        "by": error.by,
        "generation": error.generation,
        "until": error.until,
    }
    return {"ok": False, "error": told}


def json_text(values: Mapping[str, object]) -> str:
    """Return the values as JSON for people and programs: the same values are the same bytes."""
    import json

    # Of the characters that a terminal acts on JSON lets one alone stand as it is (RFC 8259, 7).
    return json.dumps(values, indent=2, sort_keys=True).replace("\x7f", "\\u007f")


def failure(error: LanewayError) -> None:
    """Print an error of laneway's: what and where, then what to do."""
    if error.exit_code == Exit.POLICY:
        note(str(error))  # each of its problems begins with its own place, where editors and people look for one
        return
    note(Painted("laneway:", RED), f" {error}")
    if error.hint:
        note(f"  hint: {error.hint}")
    for command in error.commands:
        note(command)


def has_colour(stream: TextIO) -> bool:
    """Tell whether the stream is a terminal, and nobody asked for plain text (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
