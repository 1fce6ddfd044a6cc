"""Files that are whole or not there, also after a power cut; errors come as HostRefused."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from laneway.errors import HostRefused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_REASONS = {
    errno.ENOSPC: ("there is no room left", "make room there, or name another directory in LANEWAY_STATE_DIR"),
    errno.EDQUOT: ("the quota is used up", "make room there, or name another directory in LANEWAY_STATE_DIR"),
    errno.EROFS: ("it is read-only", "mount it writable, or name another directory in LANEWAY_STATE_DIR"),
}


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """Turn what the file system refuses in the block into HostRefused; `what` is the consequence."""
    try:
        yield
    except OSError as error:
        reason, hint = _REASONS.get(error.errno or 0, (error.strerror or str(error), ""))
        where = f"{error.filename}: " if error.filename else ""
        raise HostRefused(f"{where}{reason}; {what}", hint) from error


def make_directory(path: Path) -> None:
    """Make a directory, and those above it, that nobody else may read; raises OSError."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_synced(path: Path, data: bytes) -> None:
    """Write a file through to the disk, under its own name at once; raises OSError, and leaves no half of it then."""
    try:
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        error.filename = error.filename or str(path)
        raise


def put_in_place(aside: Path, path: Path) -> None:
    """Give a file or a directory its final name, through to the disk; raises OSError."""
    aside.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Bring the names in a directory to the disk; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(path: Path) -> None:
    """Remove a file or a directory with all that is in it, if it is there and can be removed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
