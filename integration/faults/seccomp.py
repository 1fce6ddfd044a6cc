"""System calls that the kernel refuses a process, and all that it starts, for good (seccomp(2))."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from typing import NamedTuple

_SET_NO_NEW_PRIVS, _SET_MODE_FILTER, _FLAG_TSYNC = 38, 1, 1
_LOAD, _IF_EQUAL, _IF_ANY, _RETURN = 0x20, 0x15, 0x45, 0x06  # BPF: ld [k], jeq #k, jset #k, ret #k
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBERS = {
    "x86_64": {"seccomp": 317, "socket": 41, "clone": 56, "fork": 57, "vfork": 58, "setns": 308, "clone3": 435},
    "aarch64": {"seccomp": 277, "socket": 198, "clone": 220, "setns": 268, "clone3": 435},
}
_THREAD = 0x10000  # CLONE_THREAD


class Refused(NamedTuple):
    """A system call that fails with `number`; given an `argument`, where that is `value`, or is with or without it."""

    name: str
    number: int
    argument: int = -1
    value: int = 0
    with_: bool = False
    without: bool = False


PROCESSES = (
    Refused("fork", errno.EAGAIN),
    Refused("vfork", errno.EAGAIN),
    Refused("clone3", errno.ENOSYS),  # its flags are in memory, where no filter sees them: clone is tried then
    Refused("clone", errno.EAGAIN, 0, _THREAD, without=True),
)
THREADS = (Refused("clone3", errno.ENOSYS), Refused("clone", errno.EAGAIN, 0, _THREAD, with_=True))
NETFILTER = (Refused("socket", errno.EPROTONOSUPPORT, 2, 12),)
ROUTING = (Refused("socket", errno.ENOBUFS, 0, 16),)
NETNS = (Refused("setns", errno.ENOMEM),)


def forbid(calls: tuple[Refused, ...]) -> None:
    """Have the kernel refuse these calls to this process and its children from now on."""
    numbers = _NUMBERS[platform.machine()]
    program = b"".join(_block(numbers[call.name], call) for call in calls if call.name in numbers)
    program += struct.pack("=HBBI", _RETURN, 0, 0, _ALLOW)
    code = ctypes.create_string_buffer(program, len(program))
    filter_ = struct.pack("HP", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, os.strerror(ctypes.get_errno())
    # Of all its threads: the one that is here may be gone soon.
    asked = (numbers["seccomp"], _SET_MODE_FILTER, _FLAG_TSYNC, filter_)
    assert libc.syscall(*asked) == 0, os.strerror(ctypes.get_errno())


def _block(number: int, call: Refused) -> bytes:
    """Return the instructions that refuse one call, and else go on with the next block."""
    refusal = struct.pack("=HBBI", _RETURN, 0, 0, _ERRNO | call.number)
    if call.argument < 0:
        return struct.pack("=HBBI", _LOAD, 0, 0, 0) + struct.pack("=HBBI", _IF_EQUAL, 0, 1, number) + refusal
    test = _IF_ANY if call.with_ or call.without else _IF_EQUAL
    jumps = (1, 0) if call.without else (0, 1)
    return b"".join(
        (
            struct.pack("=HBBI", _LOAD, 0, 0, 0),
            struct.pack("=HBBI", _IF_EQUAL, 0, 3, number),
            struct.pack("=HBBI", _LOAD, 0, 0, 16 + 8 * call.argument),  # seccomp_data.args, the low half
            struct.pack("=HBBI", test, *jumps, call.value),
            refusal,
        )
    )
