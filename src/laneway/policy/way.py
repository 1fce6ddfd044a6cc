"""The way to a file, walked step by step: what is judged is what is opened, whoever renames or relinks meanwhile."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Judge = Callable[[Path, os.stat_result], None]
    """Raises where nobody's word may be taken that stands behind such a file, directory or symbolic link."""

_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS = 40  # as the kernel (path_resolution(7))


def walked(path: Path, judge: Judge) -> int:
    """Return a descriptor (O_PATH) of what is at `path`, after `judge` saw it and all on the way; raises OSError."""
    here, rest, links = Path("/"), _parts(Path.cwd() / path), 0
    descriptor = os.open("/", _STEP | os.O_DIRECTORY)
    try:
        judge(here, os.fstat(descriptor))
        while rest:
            name = rest.pop()
            following = os.open(name, _STEP, dir_fd=descriptor)
            status = os.fstat(following)
            there = here.parent if name == ".." else here / name
            if stat.S_ISLNK(status.st_mode):
                try:
                    judge(there, status)
                    target = Path(os.readlink("", dir_fd=following))
                finally:
                    os.close(following)
                links += 1
                _refuse_circle(links, path)
                if not target.is_absolute():
                    rest += _parts(target)
                    continue
                here, rest = Path("/"), rest + _parts(target)
                there, following = here, os.open("/", _STEP | os.O_DIRECTORY)
            os.close(descriptor)
            descriptor, here = following, there
            judge(here, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_circle(links: int, path: Path) -> None:
    if links > _MOST_LINKS:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def _parts(path: Path) -> list[str]:
    """Return the names of a path, the first of them last; `..` is one, since behind a link it is another directory."""
    return [each for each in reversed(path.parts) if each != "/"]
