"""Signals that ask laneway to end, held back while the host is being changed.

They are blocked rather than caught: what they would interrupt is a conversation with the kernel, or a tool, which
inherits the mask and so is not killed by the same Ctrl-C. Between two lots of steps the transaction looks whether one
waits. A second one changes nothing: going back is not interrupted.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def held() -> Iterator[None]:
    """Hold the signals back during the block; those that came meanwhile are used up by it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    ours = set(ENDING) - before
    try:
        yield
    finally:
        while ours and signal.sigtimedwait(ours, 0) is not None:
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def let_in() -> None:
    """Let the signals end this process, if who started it held them back."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def waiting() -> str:
    """Return the name of a signal that is held back and would end this process, or an empty text.

    One that is ignored (nohup(1)) would not, nor one that this process reads when it is done with what it does.
    """
    pending = signal.sigpending()
    ends = (signal.SIG_DFL, signal.default_int_handler)
    names = [each.name for each in ENDING if each in pending and signal.getsignal(each) in ends]
    return names[0] if names else ""
