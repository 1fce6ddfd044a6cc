"""One laneway at a time."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from laneway.apply.generations import who
from laneway.errors import HostRefused, Locked, NoPrivileges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOCK_PATH = Path("/run/laneway.lock")
_POLL = 0.1  # seconds between two tries
_LINE = 200  # bytes of the line in the file
_FOLLOWER = "laneway run"


@contextmanager
def locked(
    path: Path = LOCK_PATH, *, wait: float = 0.0, repair: float = 0.0, say: Callable[[str], object] = lambda _: None
) -> Iterator[None]:
    """Hold the lock of this host for the block, waiting up to `wait` seconds for it, and `repair` for `laneway run`.

    The lock is a flock(2): it goes with its process, however that ends. `say` gets who holds it when there is a wait.
    Raises Locked when somebody else holds it to the end, HostRefused when it cannot be taken at all.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        message = f"{path}: {error.strerror}"
        if isinstance(error, PermissionError) and os.geteuid():
            raise NoPrivileges(message, "run laneway as root") from error
        hint = f"look at it: ls -ld {path} {path.parent}"
        raise HostRefused(message, hint) from error
    try:
        _take(descriptor, path, wait=wait, repair=repair, say=say)
        _sign(descriptor)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path, *, wait: float, repair: float, say: Callable[[str], object]) -> None:
    began, told = time.monotonic(), False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            busy = f"another laneway is at work: {_holder(descriptor)}, which holds {path}"
            follows = _command(descriptor).startswith(_FOLLOWER)
            if time.monotonic() >= began + max(wait, repair if follows else 0.0):
                locked_out = Locked(busy, "wait for it to end, or give --wait SECONDS")
                locked_out.by = _holder(descriptor)
                raise locked_out from error
            if not told and not (follows and time.monotonic() < began + 1):
                say(f"waiting: {busy}")
                told = True
            time.sleep(_POLL)
        else:
            return


def _sign(descriptor: int) -> None:
    """Leave one's name in the file for those who find it locked; on a full disk it stays without."""
    words = " ".join(["laneway", *sys.argv[1:]])
    try:
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {who()} {words}\n".encode(errors="replace")[:_LINE], 0)
    except OSError:
        return


def _command(descriptor: int) -> str:
    """Return what the process that holds the lock was called with."""
    return _line(descriptor).split(" ", 2)[-1]


def _line(descriptor: int) -> str:
    return os.pread(descriptor, _LINE, 0).decode(errors="replace").strip()


def _holder(descriptor: int) -> str:
    pid, _, rest = _line(descriptor).partition(" ")
    person, _, command = rest.partition(" ")
    return f"process {pid} of {person} ({command})" if command else f"process {pid or 'unknown'}"
