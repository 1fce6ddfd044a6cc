"""A throw-away host that runs daemons: its processes and cgroups are its own, and end with it."""

from __future__ import annotations

import shlex
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from integration.throwaway import Throwaway

if TYPE_CHECKING:
    from collections.abc import Callable

_WAIT = 30  # seconds, for what takes one or two where the machine has nothing else to do

# Containers want cgroups of version 2; no controller is asked for.
_PREPARE = """
mkdir /run/cgroup
mount -t cgroup2 cgroup2 /run/cgroup
mktemp --directory /run/cgroup/laneway.XXXXXX > /run/cgroup.own
mount --bind $(cat /run/cgroup.own) /sys/fs/cgroup
ldconfig
"""
_END = """
kill -KILL -1 || true
umount /sys/fs/cgroup
for again in $(seq 50); do
    find $(cat /run/cgroup.own) -depth -type d -exec rmdir {} + && break
    sleep 0.1
done
"""


class Machine(Throwaway):
    """A host with real programs on it."""

    namespaces: ClassVar[tuple[str, ...]] = ("--net", "--mount", "--pid")
    prepare: ClassVar[str] = _PREPARE
    init: ClassVar[str] = "env --ignore-signal=CHLD"  # the kernel reaps what daemons leave behind

    def __init__(self, *roots: Path) -> None:
        """Remember the roots of the programs that are laid over the host's /usr and /etc."""
        self.unpacked = roots

    def __exit__(self, *_: object) -> None:
        """End every process of the host's, and leave no cgroup behind."""
        self.run(["sh", "-c", _END], check=False)
        super().__exit__()

    @property
    def _more(self) -> list[str]:
        return ["--fork", "--kill-child", "--mount-proc"]

    @property
    def _pid(self) -> int:
        parent = self._holder.pid
        return int(Path(f"/proc/{parent}/task/{parent}/children").read_text())

    def start(self, name: str, command: str, *, ready: str) -> None:
        """Start a daemon, whose output goes to /run/NAME.log, and wait until the shell finds it ready."""
        self.sh(f"setsid sh -c {shlex.quote(f'echo $$ > /run/{name}.pid; exec {command}')} > /run/{name}.log 2>&1 &")
        try:
            self.until(partial(self.holds, ready), f"{name} is not ready")
        except AssertionError:
            raise AssertionError(f"{name} is not ready:\n{self.sh(f'tail -n 30 /run/{name}.log')}") from None

    def stop(self, name: str, *, signal: str = "TERM") -> None:
        """Stop a daemon, and wait until it is gone."""
        pid = self.sh(f"cat /run/{name}.pid").strip()
        self.sh(f"kill -{signal} {pid}")
        self.until(lambda: not self.holds(f"kill -0 {pid}"), f"{name} does not stop")

    def holds(self, condition: str) -> bool:
        """Return whether a shell's command says yes."""
        return self.run(["sh", "-c", condition], check=False).returncode == 0

    def until(self, holds: Callable[[], bool], otherwise: str) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + _WAIT
        while not holds():
            assert time.monotonic() < deadline, otherwise
            time.sleep(0.05)
