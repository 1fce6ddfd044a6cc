"""Files and directories read as TOML, whatever is found there."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from laneway.policy.problems import Problem
from laneway.policy.way import walked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from laneway.policy.problems import Faults
    from laneway.policy.way import Judge

LARGEST = 64 << 20
"""Bytes of the largest file that is read: forty times a policy of four thousand tenants."""

LONG_LINE = 4096
DEEPEST_KEY = 100
"""Parts of a dotted key. tomllib takes a time quadratic in them, so what a line can hold would keep it for hours."""

_DEEP_KEY = re.compile(
    r"(?<![\w-])(?:(?:[\w-]++|\"[^\"\n]*+\"|'[^'\n]*+')[ \t]*+\.[ \t]*+){%d}" % DEEPEST_KEY  # noqa: UP031  braces
)
_POSITION = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


STANDARD_INPUT = Path("/dev/stdin")
"""Stands for what is typed, or comes by a pipe: whoever started the command brought it there, so it is not judged."""

_TYPED = "<stdin>"


class Document(NamedTuple):
    """One file, parsed."""

    file: str
    values: dict[str, Any]


def read(paths: Sequence[Path], faults: Faults, judge: Judge | None = None) -> list[Document]:
    """Return the documents at `paths`, those of directories in the order of their names; what is wrong is a fault.

    With `judge`, that sees every file, directory and symbolic link that leads to one of them, and may raise.
    """
    documents: list[Document] = []
    seen: set[tuple[int, int]] = set()
    for path in paths:
        if path == STANDARD_INPUT:
            documents += _typed(faults)
            continue
        for file in _files(path, faults, judge):
            try:
                status = file.stat()
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
                content = read_bytes(file, judge)
            except (OSError, ValueError) as error:
                faults.located.append(Problem(_reason(error), str(file), hint=_remedy(error)))
                continue
            document = parse_bytes(content, str(file), faults)
            if document is not None:
                documents.append(document)
    return documents


def _typed(faults: Faults) -> Iterator[Document]:
    """Yield the document that standard input is."""
    try:
        content = sys.stdin.buffer.read(LARGEST + 1)
    except OSError as error:
        faults.located.append(Problem(_reason(error), _TYPED))
        return
    if len(content) > LARGEST:
        faults.located.append(Problem(f"larger than {LARGEST >> 20} MiB", _TYPED))
        return
    document = parse_bytes(content, _TYPED, faults)
    if document is not None:
        yield document


def _files(path: Path, faults: Faults, judge: Judge | None) -> Iterator[Path]:
    """Yield the files that a path stands for: itself, or the `*.toml` in it; hidden ones are editors' own."""
    if "\0" in str(path):
        faults.located.append(Problem("no file can have a zero byte in its name", str(path)))
        return
    try:
        if not stat.S_ISDIR(path.stat().st_mode):
            yield path
            return
        if judge is not None:
            os.close(walked(path, judge))
        files = sorted(each for each in path.iterdir() if each.name.endswith(".toml") and not each.name.startswith("."))
    except OSError as error:
        faults.located.append(Problem(_reason(error), str(path), hint=_remedy(error)))
        return
    if not files:
        faults.located.append(Problem("no *.toml file in this directory", str(path)))
    yield from files


def read_bytes(file: Path, judge: Judge | None = None) -> bytes:
    """Return what is in a regular file; raises OSError, or ValueError on anything else, and never waits."""
    if judge is not None:
        return _read_judged(file, judge)
    before = file.stat()  # looked at first: merely opening a device can do something
    if not stat.S_ISREG(before.st_mode):
        raise ValueError(f"not a file but a {_kind(before.st_mode)}")
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    return _content(descriptor)


def _read_judged(file: Path, judge: Judge) -> bytes:
    place = walked(file, judge)
    try:
        mode = os.fstat(place).st_mode
        if not stat.S_ISREG(mode):
            raise ValueError(f"not a file but a {_kind(mode)}")
        # The same file and no other, whatever its name leads to by now (open(2), O_PATH).
        return _content(os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY))
    finally:
        os.close(place)


def _content(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"not a file but a {_kind(status.st_mode)}")
        content = stream.read(LARGEST + 1)
        after = os.fstat(descriptor)
    if content is None:  # of a file of the kernel's that has nothing yet, and would have been waited for
        raise ValueError("nothing to be read now")
    if len(content) > LARGEST:
        raise ValueError(f"larger than {LARGEST >> 20} MiB")
    if (status.st_mtime_ns, status.st_size) != (after.st_mtime_ns, after.st_size):
        raise ValueError("it was changed while it was read: try again")
    return content


def decoded(content: bytes) -> str:
    """Return the text of a file, its line ends as TOML sees them; raises ValueError when it is not UTF-8."""
    return content.decode("utf-8").replace("\r\n", "\n")


def parse_bytes(content: bytes, file: str, faults: Faults) -> Document | None:
    """Return the document in a file's bytes; None: it is no TOML, which is now a fault."""
    try:
        text = decoded(content)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8").replace("\r\n", "\n")
        text = content.decode("utf-8", errors="backslashreplace").replace("\r\n", "\n")
        message = f"not UTF-8: byte {content[error.start]:#04x}"
        faults.located.append(_at(text, file, message, before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1))
        return None
    return parse_text(text, file, faults)


def parse_text(text: str, file: str, faults: Faults) -> Document | None:
    """Return the document that a text is; None: it is no TOML, which is now a fault."""
    faults.texts[file] = text
    if text.startswith("\ufeff"):
        faults.located.append(_at(text, file, "the file begins with a byte order mark", 1, 1, "save it without"))
        return None
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LONG_LINE and (deep := _DEEP_KEY.search(line)):
            message = f"a key of more than {DEEPEST_KEY} parts"
            faults.located.append(_at(text, file, message, number, deep.start() + 1))
            return None
    try:
        return Document(file, tomllib.loads(text))
    except RecursionError:
        faults.located.append(Problem("nested too deeply", file))
    except ValueError as error:
        faults.located.append(_syntax_problem(error, text, file))
    return None


def _syntax_problem(error: ValueError, text: str, file: str) -> Problem:
    message = str(error)
    position = _POSITION.search(message)
    if position is None:  # not of TOML's grammar: an integer longer than Python converts
        return Problem("a number with too many digits" if "digits" in message else message, file)
    message = message[: position.start()]
    message = f"not TOML: {message[:1].lower()}{message[1:]}"
    if position[1]:
        return _at(text, file, message, int(position[1]), int(position[2]))
    lines = text.rstrip("\n").split("\n")
    return _at(text, file, message, len(lines), len(lines[-1]) + 1)


def _at(text: str, file: str, message: str, line: int, column: int, hint: str = "") -> Problem:  # noqa: PLR0913, PLR0917
    return Problem(message, file, line, column, 1, text.split("\n")[line - 1], hint)


def _reason(error: Exception) -> str:
    if not isinstance(error, OSError):
        return str(error)
    if error.errno == errno.ENOENT:
        return "no such file or directory"
    if error.errno == errno.ENXIO:  # open(2): a socket
        return "not a file but a socket"
    return (error.strerror or str(error)).lower()


def _remedy(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "a symbolic link leads back to itself"
    if isinstance(error, FileNotFoundError) and str(error.filename) == "/etc/laneway":
        return "that is where a policy is looked for when no PATH is given"
    if "named pipe" in str(error):
        return "write - and have the pipe on standard input"
    return ""


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "directory", stat.S_IFIFO: "named pipe", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(mode), "device")
