"""Commands that lead to another machine: whatever answers there, it is neither waited for nor read without end."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from laneway.errors import HostRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20
_CHUNK = 1 << 16


class Limits(NamedTuple):
    """How much of an answer is taken, and how long it is waited for."""

    size: int = 64 * MIB  # bytes: a host of three thousand tenants says a third of it
    silence: float = 60.0  # seconds without a byte
    whole: float = 600.0  # seconds for all of it


class Answer(NamedTuple):
    """What a command said, and how it ended."""

    code: int
    stdout: bytes
    stderr: bytes


def ask(command: bytes, limits: Limits) -> Answer:
    """Run a line of shell, as testinfra makes them, to its end; raises HostRefused when a limit comes before that."""
    alone = not _has_terminal()
    with subprocess.Popen(  # noqa: S603  what testinfra would run, in its words
        ["/bin/sh", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=alone,
    ) as process:
        try:
            stdout, stderr = _read(process, limits)
            return Answer(process.wait(), stdout, stderr)
        except BaseException:
            _end(process, whole_session=alone)
            raise


def _has_terminal() -> bool:
    """Tell whether there is a terminal: ssh asks for a passphrase there, which in another session it could not."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _end(process: subprocess.Popen[bytes], *, whole_session: bool) -> None:
    with suppress(ProcessLookupError):
        if whole_session:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _read(process: subprocess.Popen[bytes], limits: Limits) -> tuple[bytes, bytes]:
    assert process.stdout is not None  # noqa: S101  for the type checker
    assert process.stderr is not None  # noqa: S101
    said = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    for number, more in _pieces(list(said), limits):
        said[number] += more
        if sum(map(len, said.values())) > limits.size:
            raise HostRefused(
                f"the host's answer was cut off after {limits.size / MIB:g} MiB",
                "no host says as much: is something there that never ends?",
            )
    return bytes(said[process.stdout.fileno()]), bytes(said[process.stderr.fileno()])


def _pieces(descriptors: list[int], limits: Limits) -> Iterator[tuple[int, bytes]]:
    """Yield what comes, with the descriptor that it comes by; raises HostRefused when nothing does."""
    end = time.monotonic() + limits.whole
    with selectors.DefaultSelector() as selector:
        for number in descriptors:
            selector.register(number, selectors.EVENT_READ)
        while selector.get_map():
            left = end - time.monotonic()
            ready = selector.select(min(limits.silence, left)) if left > 0 else []
            if not ready:
                raise _late(limits, over=left <= limits.silence)
            for key, _ in ready:
                more = os.read(key.fd, _CHUNK)
                if not more:
                    selector.unregister(key.fd)
                yield key.fd, more


def _late(limits: Limits, *, over: bool) -> HostRefused:
    hint = "is the host, or the way to it, overloaded? `--timeout SECONDS` waits longer"
    if over:
        return HostRefused(f"the host's answer had not ended after {limits.whole:g} seconds", hint)
    return HostRefused(f"the host said nothing for {limits.silence:g} seconds", hint)
