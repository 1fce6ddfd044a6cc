"""The system calls of namespaces(7), mount(2) and prctl(2) that the lab needs and Python 3.11 does not have."""

from __future__ import annotations

import ctypes
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NEW_MOUNTS = 0x00020000
NEW_USER = 0x10000000
NEW_PIDS = 0x20000000
NEW_NET = 0x40000000

MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def unshare(flags: int) -> None:
    """Give the calling process namespaces of its own (unshare(2)); raises OSError."""
    _check(_libc().unshare(flags), "unshare")


def setns(descriptor: int, kind: int) -> None:
    """Move the calling thread into the namespace that `descriptor` is open on (setns(2)); raises OSError."""
    _check(_libc().setns(descriptor, kind), "setns")


def mount(source: str, target: str, kind: str, flags: int, *, options: str = "") -> None:
    """Mount (mount(2)); raises OSError that names the target."""
    texts = (source.encode(), target.encode(), kind.encode())
    _check(_libc().mount(*texts, flags, options.encode()), target)


def die_with_parent() -> None:
    """Have the kernel kill the calling process when the thread that forked it ends (prctl(2))."""
    _check(_libc().prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0), "prctl")


def own_proc() -> None:
    """Give the calling process its own files under /proc, which a change of user took from it (proc(5), prctl(2))."""
    _check(_libc().prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl")


@contextmanager
def inside(descriptor: int) -> Iterator[None]:
    """Have the calling thread in the network namespace of `descriptor` for a while; sockets made there stay there."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(descriptor, NEW_NET)
        try:
            yield
        finally:
            setns(home, NEW_NET)
    finally:
        os.close(home)
