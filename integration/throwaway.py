"""Throw-away hosts: a network and a mount namespace of their own, gone with the process that holds them."""

from __future__ import annotations

import ctypes
import json
import os
import pickle
import shlex
import subprocess
import traceback
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from testinfra.backend.local import LocalBackend
from testinfra.host import Host

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from testinfra.backend.base import CommandResult

T = TypeVar("T")

_TIMEOUT = 120  # seconds, for any one command or function
_CLONE_NEWNET = 0x40000000
_CLONE_NEWNS = 0x00020000

# What laneway writes goes to layers in memory; a /sys of its own shows its own links. Lives until its input ends.
_HOLD = """
set -e
mount -t tmpfs tmpfs /run
mount -t sysfs sysfs /sys
for layer in etc var/lib {more}; do
    [ -d /$layer ] || continue
    above=/run/layers/$layer
    below=/$layer
    for root in {unpacked}; do [ ! -d $root/$layer ] || below=$root/$layer:$below; done
    mkdir -p $above/upper $above/work
    mount -t overlay overlay -o lowerdir=$below,upperdir=$above/upper,workdir=$above/work /$layer
done
ip link set lo up
{prepare}
echo ready
exec {init} cat > /dev/null
"""


class Throwaway:
    """A host to break: commands and functions run on it see its network and its files, and change no others."""

    namespaces: ClassVar[tuple[str, ...]] = ("--net", "--mount")
    """What `unshare` makes for it, and `nsenter` joins."""

    prepare: ClassVar[str] = ""
    """What is done on it before it is ready."""

    init: ClassVar[str] = ""
    """What is put before its first process."""

    unpacked: Sequence[Path] = ()
    """Roots of programs that this host has and the machine has not: they are laid over its /usr and /etc."""

    def __enter__(self) -> Self:
        """Make the host."""
        roots = " ".join(shlex.quote(str(root)) for root in self.unpacked)
        more = "usr opt var/cache var/log var/tmp" if roots else ""  # where real programs write, besides
        hold = _HOLD.format(more=more, unpacked=roots, prepare=self.prepare, init=self.init)
        command = ["unshare", *self.namespaces, "--propagation", "private", *self._more, "sh", "-c", hold]
        self._holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "ready\n", "cannot make a throw-away host: are you root?"
        return self

    def __exit__(self, *_: object) -> None:
        """Let the host go, with all that is left on it."""
        self._holder.communicate(timeout=_TIMEOUT)

    @property
    def _more(self) -> list[str]:
        """What else stands in the command that makes the host."""
        return []

    @property
    def _pid(self) -> int:
        """The process whose namespaces are the host's."""
        return self._holder.pid

    @property
    def prefix(self) -> list[str]:
        """What to put before a command so that it runs on the host."""
        return ["nsenter", "--target", str(self._pid), *self.namespaces, "--"]

    def run(self, argv: Sequence[str], *, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command on the host."""
        options = {"capture_output": True, "text": True, "timeout": _TIMEOUT} | options
        done = subprocess.run([*self.prefix, *argv], check=False, **options)
        assert not check or done.returncode == 0, f"{shlex.join(argv)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def sh(self, script: str) -> str:
        """Run a shell script on the host, all of whose commands must succeed, and return its output."""
        return self.run(["sh", "-ec", script]).stdout

    def json(self, command: str) -> Any:
        """Run a command on the host and return the JSON it prints; nothing is an empty list."""
        return json.loads(self.run(shlex.split(command)).stdout or "[]")

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Call `function` on the host, in a process forked for it, and return what it returns."""
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            with os.fdopen(writing, "wb") as answer:
                answer.write(self._answer(function, args))
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as answer:
            told = answer.read()
        os.waitpid(child, 0)
        assert told, f"{function.__name__} was killed"
        good, value = pickle.loads(told)  # noqa: S301  from our own child
        assert good, value
        return value  # type: ignore[no-any-return]

    def _answer(self, function: Callable[..., T], args: tuple[Any, ...]) -> bytes:
        try:
            self.enter()
            return pickle.dumps((True, function(*args)))
        except BaseException:  # noqa: BLE001  the parent raises it
            return pickle.dumps((False, traceback.format_exc()))

    def enter(self) -> None:
        """Move the calling process, which must have one thread, onto the host for good."""
        libc = ctypes.CDLL(None, use_errno=True)
        for kind, flag in (("net", _CLONE_NEWNET), ("mnt", _CLONE_NEWNS)):
            descriptor = os.open(f"/proc/{self._pid}/ns/{kind}", os.O_RDONLY)
            assert libc.setns(descriptor, flag) == 0, os.strerror(ctypes.get_errno())
            os.close(descriptor)

    @property
    def host(self) -> Host:
        """The host as testinfra sees it."""
        return Host(_Nsenter(self.prefix))


class _Nsenter(LocalBackend):  # type: ignore[misc]  # testinfra is not typed here
    """testinfra's backend for the local host, with every command run on the throw-away one."""

    def __init__(self, prefix: Sequence[str]) -> None:
        super().__init__()
        self._prefix = list(prefix)

    def run(self, command: str, *args: str, **_: Any) -> CommandResult:
        return self.run_local(shlex.join([*self._prefix, "sh", "-c", self.get_command(command, *args)]))
