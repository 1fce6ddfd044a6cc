"""The journal: how the host was, and how far a change has come, on disk before the change goes that far.

Nothing needs it to find out what on the host is laneway's, which the kernel tells. It is there for people, for the
message of the next apply, and because a disk that cannot take it is better found out before anything is touched. By it
the next apply knows, too, which flows a change that was cut off would have made the kernel forget.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from laneway.apply import snapshot
from laneway.apply.durable import make_directory, put_in_place, refusals, write_synced
from laneway.errors import HostRefused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from laneway.plan.steps import Step
    from laneway.state.host import HostState

UNTOUCHED = "nothing on the host was touched"
_HEAD = "step {:9d} of {:9d} pid {:9d}\n"
_HEAD_SIZE = len(_HEAD.format(0, 0, 0))


class Interruption(NamedTuple):
    """A change that did not end: its process was killed, or the machine stopped."""

    done: int
    total: int
    pid: int

    def __str__(self) -> str:
        return f"an earlier change (process {self.pid}) was interrupted after step {self.done} of {self.total}"


class Journal:
    """The journal of one change at a time, in a file."""

    def __init__(self, path: Path) -> None:
        """Keep where it is; nothing is written yet."""
        self._path = path
        self._file = -1
        self._total = 0

    def begin(self, before: HostState, steps: Sequence[Step]) -> None:
        """Write down how the host is; raises HostRefused when the disk does not take it."""
        aside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        self._total = len(steps)
        with refusals(UNTOUCHED):
            make_directory(self._path.parent)
            write_synced(aside, self._head(0) + snapshot.dump(before))
            put_in_place(aside, self._path)
            self._file = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)

    def reached(self, done: int) -> None:
        """Write down that so many steps are done, over the number before: that takes no room."""
        with refusals("how far the change is could not be written down"):
            os.pwrite(self._file, self._head(done), 0)
            os.fdatasync(self._file)

    def leave(self) -> None:
        """Let the journal stay: there is still something to be made up for."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def end(self) -> None:
        """Take the journal away; the change is over."""
        self.leave()
        with refusals("the journal could not be removed"):
            if self._path.exists():  # or else a read-only disk would refuse what need not be done
                self._path.unlink()

    def _head(self, done: int) -> bytes:
        return _HEAD.format(done, self._total, os.getpid()).encode()


def interruption(path: Path) -> Interruption | None:
    """Return what a journal that nobody took away tells."""
    try:
        with path.open("rb") as file:
            words = file.read(_HEAD_SIZE).split()
        return Interruption(int(words[1]), int(words[3]), int(words[5]))
    except (OSError, ValueError, IndexError):
        return None


def before_a_cut(path: Path) -> HostState | None:
    """Return how the host was when a journal that nobody took away was begun; None when it does not tell."""
    try:
        return snapshot.load(path.read_bytes()[_HEAD_SIZE:])
    except (OSError, HostRefused):
        return None
