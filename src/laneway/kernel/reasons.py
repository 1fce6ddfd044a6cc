"""Kernel error numbers as sentences an operator can act on."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

from laneway.errors import HostRefused, StepFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from laneway.plan.steps import Step

ROOT_HINT = "run as root"
_ROOT_ALREADY = "root lacks a capability here, as in a container, or the file is protected (lsattr)"


def root_hint() -> str:
    """Return what to do where the kernel does not permit something."""
    return _ROOT_ALREADY if os.geteuid() == 0 else ROOT_HINT


_REASONS = {
    errno.EPERM: "the kernel does not permit it",
    errno.EACCES: "the kernel does not permit it",
    errno.EEXIST: "something that is not laneway's is already there",
    errno.ENOENT: "there is no such object",
    errno.ESRCH: "there is no such route",
    errno.ENODEV: "there is no such link",
    errno.ENXIO: "there is no such link",
    errno.ENETDOWN: "the link is down",
    errno.ENETUNREACH: "the gateway is not reachable by that link",
    errno.EHOSTUNREACH: "the gateway is not reachable by that link",
    errno.EADDRNOTAVAIL: "the address is not there",
    errno.EADDRINUSE: "the address is in use",
    errno.EBUSY: "it is in use",
    errno.EINVAL: "the kernel calls it invalid",
    errno.ERANGE: "a name or a number is too long",
    errno.EOPNOTSUPP: "this kernel does not support it",
    errno.EAFNOSUPPORT: "this kernel does not have that address family",
    errno.EPROTONOSUPPORT: "this kernel does not have that subsystem",
    errno.EISDIR: "a directory stands in its place",
    errno.ENOTDIR: "a file stands where a directory must be",
    errno.ENOMEM: "the kernel is out of memory",
    errno.ENOBUFS: "the kernel is out of buffers",
    errno.ENOSPC: "there is no room left",
    errno.EROFS: "it is read-only",
    errno.EMFILE: "too many open files",
    errno.ENFILE: "too many open files",
    errno.ETIMEDOUT: "the kernel did not answer in time",
}


def reason(number: int, text: str = "", *, special: Mapping[int, str] | None = None) -> str:
    """Return what error `number` means, with the kernel's own `text` where it gave one.

    `special` are the meanings that a kind of object has for itself; they go first.
    """
    known = {**_REASONS, **(special or {})}
    said = known.get(number) or os.strerror(number).lower()
    return f"{said} ({text.rstrip('.')})" if text else said


def hint(number: int) -> str:
    """Return the remedy for error `number` where there is a general one."""
    return root_hint() if number in (errno.EPERM, errno.EACCES) else ""


def failed(step: Step, number: int, text: str = "", *, special: Mapping[int, str] | None = None) -> StepFailed:
    """Return the error that says `step` was refused with error `number`."""
    return StepFailed(step, reason(number, text, special=special), hint(number))


Refused = Callable[[StepFailed], None]
"""What is told that a step failed: it raises that, or takes note of it for what is done as far as it goes."""


def raised(failure: StepFailed) -> None:
    """Raise the failure."""
    raise failure


@contextmanager
def told(step: Step, refused: Refused) -> Iterator[None]:
    """Tell `refused` why the block, which does `step`, ended early."""
    try:
        yield
    except StepFailed as failure:
        refused(failure)
    except HostRefused as error:
        refused(StepFailed(step, str(error), error.hint))


def refused(what: str, error: OSError) -> HostRefused:
    """Return the error that says the host would not do, or tell, `what`."""
    number = error.errno or 0
    return HostRefused(f"{what}: {reason(number)}", hint(number))


@contextmanager
def refusing_nonsense(noun: str, words: str) -> Iterator[None]:
    """Raise HostRefused when `words`, which are put into a message inside, are none that an object of this kind has."""
    try:
        yield
    except (ValueError, OSError, struct.error) as error:
        message = f"no {noun} of the kernel's says {words!r}"
        raise HostRefused(message, "the file that says so was not written by laneway, or was changed since") from error
