"""Whose word a policy file is: what root applies must be nobody else's to change (as sshd_config(5), StrictModes)."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from laneway.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def demand_trusted(paths: Iterable[Path]) -> None:
    """Raise UsageError when this process is root and somebody else could have written what is at `paths`.

    In a user namespace of its own nobody is really root, and nothing is demanded.
    """
    if os.geteuid() == 0 and _is_real_root():
        for path in paths:
            for each in _on_the_way(path):
                _demand(each)


def _is_real_root() -> bool:
    return Path("/proc/self/uid_map").read_text().split() == ["0", "0", str(2**32 - 1)]


def _on_the_way(path: Path) -> Iterator[Path]:
    """Yield the files of a policy, and every directory somebody could put others into."""
    try:
        whole = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return  # the loader says what is wrong with it
    if whole.is_dir():
        yield from sorted(each.resolve() for each in whole.glob("*.toml"))
    yield whole
    yield from whole.parents


def _demand(path: Path) -> None:
    status = path.stat()
    writable = status.st_mode & _OTHERS
    if stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX:
        writable = 0  # sticky, like /tmp: only its owner replaces a file (chmod(2))
    if writable:
        message = f"{path}: others may write it, so what it says may not be yours"
        raise UsageError(message, f"chmod go-w {path}")
    if status.st_uid not in (0, int(os.environ.get("SUDO_UID", "0"))):
        message = f"{path}: belongs to user {status.st_uid}, not to root"
        raise UsageError(message, f"chown root {path}")
