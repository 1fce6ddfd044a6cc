"""Whose word a policy file is: what root applies must be nobody else's to change (as sshd_config(5), StrictModes)."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from laneway.errors import Untrusted
from laneway.plan.shell import quoted
from laneway.policy.way import walked
from laneway.state.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from laneway.policy.way import Judge

_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_TOO_LONG = 11  # digits: of 32 bits there are ten


def demand_trusted(paths: Iterable[Path]) -> None:
    """Raise Untrusted when this process is root and somebody else could have written what is at `paths`.

    In a user namespace of its own nobody is really root, and nothing is demanded.
    """
    judge = judge_for_root()
    if judge is None:
        return
    for path in paths:
        try:
            os.close(walked(path, judge))
            files = sorted(path.glob("*.toml")) if path.is_dir() else []
            for each in files:
                os.close(walked(each, judge))
        except OSError:
            continue  # whoever reads it says what is wrong with it


def judge_for_root() -> Judge | None:
    """Return what refuses files that others could have written, or None for whoever is not root."""
    return _demand if os.geteuid() == 0 and _is_real_root() else None


def _is_real_root() -> bool:
    return Path("/proc/self/uid_map").read_text().split() == ["0", "0", str(2**32 - 1)]


def _demand(path: Path, status: os.stat_result) -> None:
    writable = status.st_mode & _OTHERS
    if stat.S_ISLNK(status.st_mode):
        writable = 0  # who owns it says where it leads; its mode means nothing (symlink(7))
    if stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX:
        writable = 0  # sticky, like /tmp: only its owner replaces a file (chmod(2))
    if writable:
        message = f"{visible(str(path))}: others may write it, so what it says may not be yours"
        raise Untrusted(message, f"chmod go-w {quoted(str(path))}")
    if status.st_uid not in {0, _caller()}:
        message = f"{visible(str(path))}: belongs to user {status.st_uid}, not to root"
        raise Untrusted(message, f"chown -h root {quoted(str(path))}")


def _caller() -> int:
    """Return the user who called sudo; whatever else stands in its variable is nobody, and so is none but root."""
    text = os.environ.get("SUDO_UID", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _TOO_LONG else 0
