"""Our files under /etc: names for table and protocol numbers, and resolv.conf of workloads.

A directory that had to be made for them holds the empty file `.laneway` from its first moment on. By it, and by it
alone, it is known as one that goes again with its last file: others' directories, and what is mounted there, stay.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from laneway.kernel.reasons import failed, refused
from laneway.plan.steps import Op, Step
from laneway.state.host import DIRECTORY_MARK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TABLE_NAMES = "/etc/iproute2/rt_tables.d/laneway.conf"
PROTOCOL_NAMES = "/etc/iproute2/rt_protos.d/laneway.conf"

_NETNS = "/etc/netns"
_RESOLV = "resolv.conf"
_OURS = "# laneway"  # the first line of a resolv.conf that we wrote begins so
_MODE = 0o644
_DIRECTORY_MODE = 0o755
_DIRECTORIES = (_NETNS, "/etc/iproute2", "/etc/iproute2/rt_tables.d", "/etc/iproute2/rt_protos.d")
_IN_USE = frozenset({errno.EBUSY, errno.ENOTEMPTY, errno.EEXIST})


def _at(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def read(root: Path) -> dict[str, str]:
    """Return path and content of our files."""
    try:
        return dict(_read(root))
    except OSError as error:
        raise refused(f"cannot read {error.filename}", error) from error


def _read(root: Path) -> Iterator[tuple[str, str]]:
    for path in (PROTOCOL_NAMES, TABLE_NAMES):
        for file in (_at(root, path), _aside(_at(root, path))):
            if file.is_file():
                yield str(Path(path).with_name(file.name)), _content(file)
    for file in sorted(_at(root, _NETNS).glob(f"*/{_aside(Path(_RESOLV)).name}")):
        yield f"{_NETNS}/{file.parent.name}/{file.name}", _content(file)
    for file in sorted(_at(root, _NETNS).glob(f"*/{_RESOLV}")):
        content = _content(file)
        if content.startswith(_OURS):
            yield f"{_NETNS}/{file.parent.name}/{_RESOLV}", content
    for left in _left_by_a_kill(root):
        yield f"/{left.relative_to(root)}", ""


def _left_by_a_kill(root: Path) -> Iterator[Path]:
    """Yield what marks directories that were made for a file that never came, and directories half made."""
    made = sorted(_at(root, _NETNS).glob(f"*/{DIRECTORY_MARK}"))
    directories = [*(_at(root, each) for each in _DIRECTORIES), *(mark.parent for mark in made)]
    yield from (each / DIRECTORY_MARK for each in directories if _holds_only_the_mark(each))
    asides = [*(_aside(_at(root, each)) for each in _DIRECTORIES), *sorted(_at(root, _NETNS).glob(".*.laneway"))]
    yield from (each for each in asides if each.is_dir())


def _content(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


def run(root: Path, op: Op, steps: Sequence[Step]) -> None:
    """Do steps of the kind "files"; raises StepFailed."""
    for step in steps:
        path = _at(root, step.key)
        try:
            if op is Op.DELETE:
                _remove(path)
            else:
                _write(path, step.new)
        except OSError as error:
            raise failed(step, error.errno or 0, str(error.filename or "")) from error


def _write(path: Path, content: str) -> None:
    """Put a whole file in place at once: whoever reads it finds the old content or the new."""
    _make_directory(path.parent)
    aside = _aside(path)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, _MODE)  # whatever the umask
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise


def _aside(path: Path) -> Path:
    """Return where a file is written before it gets its name; ours if a kill left it there.

    It does not end in .conf, so that ip(8) does not read it.
    """
    return path.with_name(f".{path.name}.laneway")


def _make_directory(path: Path) -> None:
    """Make a directory, and those above it, where there are none: with the mark in it before it has its name."""
    if path.is_dir():
        return
    _make_directory(path.parent)
    aside = _aside(path)
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=_DIRECTORY_MODE)
    aside.chmod(_DIRECTORY_MODE)  # whatever the umask
    (aside / DIRECTORY_MARK).touch(mode=_MODE)
    aside.rename(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    elif path.name != DIRECTORY_MARK:
        path.unlink(missing_ok=True)
    for directory in path.parents:
        if not _holds_only_the_mark(directory):
            return
        (directory / DIRECTORY_MARK).unlink()
        try:
            directory.rmdir()
        except OSError as error:
            if error.errno not in _IN_USE:  # something was mounted on it since, or came into it just now
                raise
            return


def _holds_only_the_mark(directory: Path) -> bool:
    try:
        return [each.name for each in directory.iterdir()] == [DIRECTORY_MARK]
    except (FileNotFoundError, NotADirectoryError):
        return False
