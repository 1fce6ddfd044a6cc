"""What the machine lacked when something failed that no code above expected to: it is no bug, and has a remedy."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from laneway.errors import HostRefused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

_MEMORY: Final = ("there is no memory left", "see `ulimit -v`, and what the machine or its cgroup has free")
_FILES: Final = ("too many files are open", "see `ulimit -n`, and /proc/sys/fs/file-nr")
_TASKS: Final = ("no process or thread can be started", "see `ulimit -u`, and pids.max of its cgroup")
_ROOM: Final = "make room there"
_BY_NUMBER: Final = {
    errno.ENOMEM: _MEMORY,
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
    errno.EAGAIN: _TASKS,  # of fork(2); what else is not there yet is waited for where it is asked for
}
_OF_A_DISK: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
_MAPPING: Final = ("failed to map segment", "cannot allocate memory")
"""How the dynamic linker says that a library found no memory; to Python that is an ImportError."""


def want(error: Exception) -> HostRefused | None:
    """Return what was wanting when this was raised, or while something was done about it; None: that is not known."""
    return next((found for each in _chain(error) if (found := _want(each)) is not None), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in seen:
        yield following
        seen.append(following)
        following = following.__cause__ or following.__context__


def _want(error: BaseException) -> HostRefused | None:  # noqa: PLR0911  one case a kind
    match error:
        case MemoryError():
            return HostRefused(*_MEMORY)
        case RecursionError():
            return HostRefused("something that was read is nested too deeply", "is it what it should be?")
        case ImportError() if any(words in str(error).lower() for words in _MAPPING):
            return HostRefused(*_MEMORY)
        case RuntimeError() if "start new thread" in str(error):
            return HostRefused(*_TASKS)
        case OSError(errno=number) if number in _BY_NUMBER:
            return HostRefused(*_BY_NUMBER[number])
        case OSError(errno=number, filename=str(name)) if number in _OF_A_DISK:
            return HostRefused(f"{name}: {os.strerror(number or 0)}", _ROOM if number != errno.EIO else "")
        case _:
            return None
