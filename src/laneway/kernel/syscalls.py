"""The few system calls that Python 3.11 does not have: setns(2), unshare(2), mount(2), open_tree(2), signalfd(2)."""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_CLONE_NEWNET = 0x40000000
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_SHARED = 1 << 20
_AT_FDCWD = -100
_OPEN_TREE_CLONE = 1
_SYS_OPEN_TREE = 428  # the same on every architecture, as all calls since Linux 5.0


@lru_cache(maxsize=1)
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, where: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), where)


def enter_netns(path: str) -> None:
    """Move the calling thread, and no other, into the network namespace at `path`; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        _check(_libc().setns(descriptor, _CLONE_NEWNET), path)
    finally:
        os.close(descriptor)


def new_netns() -> None:
    """Move the calling thread, and no other, into a new network namespace; raises OSError."""
    _check(_libc().unshare(_CLONE_NEWNET), "a new network namespace")


def pin_netns(path: Path) -> None:
    """Mount the calling thread's network namespace on the file `path`; raises OSError."""
    _check(_libc().mount(b"/proc/thread-self/ns/net", bytes(path), b"none", _MS_BIND, None), str(path))


def without_mounts(path: Path) -> int:
    """Return a descriptor of a directory as it is below what is mounted in it (open_tree(2)); raises OSError."""
    descriptor: int = _libc().syscall(_SYS_OPEN_TREE, _AT_FDCWD, bytes(path), _OPEN_TREE_CLONE | os.O_CLOEXEC)
    _check(descriptor, str(path))
    return descriptor


def share_mount(path: Path) -> None:
    """Make the directory `path` a shared mount point of its own, as ip-netns(8) does; raises OSError."""
    libc = _libc()
    flags = _MS_SHARED | _MS_REC
    if libc.mount(b"", bytes(path), b"none", flags, None) < 0:  # not a mount point yet
        _check(libc.mount(bytes(path), bytes(path), b"none", _MS_BIND | _MS_REC, None), str(path))
        _check(libc.mount(b"", bytes(path), b"none", flags, None), str(path))


def signal_descriptor(numbers: Iterable[int]) -> int:
    """Return a descriptor that has these signals to read, of those that are blocked; raises OSError."""
    mask = sum(1 << (number - 1) for number in numbers)  # one word of sigset_t is all that Linux has signals for
    words = (ctypes.c_uint64 * 16)(mask)
    descriptor: int = _libc().signalfd(-1, ctypes.byref(words), os.O_CLOEXEC | os.O_NONBLOCK)
    _check(descriptor, "signalfd")
    return descriptor
