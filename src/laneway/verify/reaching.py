"""The way to another host, by testinfra: within limits, and what fails on it in words."""

from __future__ import annotations

import re
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from laneway.errors import HostRefused
from laneway.kernel.outside import Limits, ask
from laneway.state.visible import complaint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from laneway.verify.remote import RemoteHost

_FAILURES = (AssertionError, LookupError, ValueError, RuntimeError, OSError, EOFError, MemoryError)
"""What testinfra and its backends raise, beside errors of their own."""

_OWN = (("paramiko.ssh_exception", "SSHException"), ("winrm.exceptions", "WinRMError"))
"""Errors that derive from nothing else, by module; one that is not loaded has raised none."""

_BY_HAND = {
    "ssh": "ssh {} true",
    "safe-ssh": "ssh {} true",
    "paramiko": "ssh {} true",
    "docker": "docker exec {} true",
    "podman": "podman exec {} true",
    "kubectl": "kubectl exec {} -- true",
    "openshift": "oc exec {} -- true",
    "lxc": "lxc exec {} -- true",
    "ansible": "ansible -m ping {}",
    "salt": "salt {} test.ping",
}


def said_by(host: RemoteHost, script: str, limits: Limits) -> tuple[str, str]:
    """Return what a script says on the host, on both of its streams; raises HostRefused when it cannot be asked."""
    try:
        with _within(limits):
            done = _in_time(lambda: host.run(script), limits)
        return _text(done, "stdout"), _text(done, "stderr")
    except HostRefused:
        raise
    except _failures() as error:
        raise HostRefused(f"the host could not be reached: {why(error)}", by_hand(host)) from error


def by_hand(host: RemoteHost) -> str:
    """Return how to try the way to the host without laneway."""
    backend = getattr(host, "backend", None)
    kind = getattr(backend, "NAME", "")
    if kind not in _BY_HAND:
        return "is that program here, and does it know the host?"
    return f"try by hand: {_BY_HAND[kind].format(getattr(backend, 'hostname', 'HOST'))}"


def why(error: BaseException) -> str:
    """Return what failed in one line: what a program said, of a result that testinfra raises or writes out."""
    for each in error.args:
        if said := getattr(each, "stderr_bytes", b""):
            return complaint(said.decode(errors="surrogateescape"))
    written = re.search(r"_stderr=b(['\"])(.*?)(?:\\n)?\1\)", str(error))
    if written:
        return complaint(written[2])
    first = str(error).partition("\n")[0]
    in_words = bool(first) and isinstance(error, (RuntimeError, OSError))
    return complaint(first if in_words else f"{type(error).__name__}: {first}")


def _failures() -> tuple[type[Exception], ...]:
    modules = ((sys.modules.get(module), name) for module, name in _OWN)
    return (*_FAILURES, *(getattr(module, name) for module, name in modules if hasattr(module, name)))


def _text(done: object, stream: str) -> str:
    """Return what came by a stream; names there need not be of any character set, nor of this terminal's."""
    raw = getattr(done, f"{stream}_bytes", None)
    return raw.decode(errors="surrogateescape") if isinstance(raw, bytes) else str(getattr(done, stream))


@contextmanager
def _within(limits: Limits) -> Iterator[None]:
    """Have testinfra run its programs (ssh, docker, kubectl …) within limits during the block: it has none itself.

    One backend may make another one (ansible does): so it is done where they all inherit from.
    """
    base: Any = getattr(sys.modules.get("testinfra.backend.base"), "BaseBackend", None)
    if base is None:
        yield
        return

    def run_local(backend: Any, command: str, *args: str) -> Any:  # noqa: ANN401  testinfra has no types
        line = backend.encode(backend.quote(command, *args))
        answer = ask(line, limits)
        return backend.result(answer.code, line, answer.stdout, answer.stderr)

    before = base.run_local
    base.run_local = run_local
    try:
        yield
    finally:
        base.run_local = before


def _in_time(run: Callable[[], Any], limits: Limits) -> Any:  # noqa: ANN401  testinfra's
    """Return what `run` does; of backends that speak to the network themselves nobody else would ever give up."""
    answers: list[Any] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            answers.append(run())
        except BaseException as error:  # noqa: BLE001  raised again below
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(limits.whole + limits.silence)
    if errors:
        raise errors[0]
    if not answers:
        raise HostRefused(f"the host's answer had not ended after {limits.whole:g} seconds", "is it overloaded?")
    return answers[0]
