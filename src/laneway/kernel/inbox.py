"""Signals that are read like messages, and what a service manager is told."""

from __future__ import annotations

import os
import signal
import socket
from struct import unpack_from
from typing import TYPE_CHECKING, Self

from laneway.kernel.syscalls import signal_descriptor

if TYPE_CHECKING:
    from collections.abc import Iterable

_INFO = 128  # bytes of struct signalfd_siginfo (signalfd(2)); its first four are the number


class Inbox:
    """Signals of this process, held back from it and read one after another."""

    def __init__(self, signals: Iterable[signal.Signals]) -> None:
        """Hold them back from now on; raises OSError."""
        self._signals = frozenset(signals)
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, self._signals)
        self._descriptor = signal_descriptor(self._signals)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)

    def fileno(self) -> int:
        """Return what select(2) waits on."""
        return self._descriptor

    def read(self) -> tuple[signal.Signals, ...]:
        """Return the signals that came."""
        found: list[signal.Signals] = []
        while True:
            try:
                told = os.read(self._descriptor, _INFO)
            except BlockingIOError:
                return tuple(found)
            found.append(signal.Signals(unpack_from("=I", told)[0]))


def tell_manager(*lines: str) -> None:
    """Tell the service manager that started this process, if one did (sd_notify(3)): one datagram.

    The package sdnotify, which does no more, has not been released since 2017.
    """
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return
    address = path.encode() if path[0] == "/" else b"\0" + path[1:].encode()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as one:
            one.setblocking(False)  # noqa: FBT003  as Python has it
            one.sendto("\n".join(lines).encode(errors="replace"), address)
    except OSError:  # whoever should hear it has gone, or does not listen: the work goes on
        return


def watchdog() -> float:
    """Return the seconds within which the service manager wants to hear of this process, 0 for never."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    text = os.environ.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isdecimal() else 0.0
