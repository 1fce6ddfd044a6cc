"""The lab as tests and the command line use it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Self, TypeVar

from laneway.errors import HostRefused
from laneway.lab import session, world
from laneway.lab.judge import World, judge
from laneway.lab.probes import internet_host, plan_probes
from laneway.lab.report import LabReport, banner
from laneway.lab.sandbox import Sandbox
from laneway.lab.serve import serve
from laneway.lab.syscalls import NEW_NET, setns
from laneway.lab.topology import plan_world
from laneway.lab.trial import compare
from laneway.policy.names import netns_name
from laneway.state.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from laneway.lab.topology import Topology
    from laneway.lab.trial import Outcome, Probe
    from laneway.policy.model import PolicySet

T = TypeVar("T")

COMMAND_TIMEOUT = 60
"""Seconds for a command of a test."""


class Lab:
    """A throw-away host in the world its policy asks for; a context manager.

    Everything happens in child processes inside the lab: the caller's process stays where it is.
    """

    def __init__(self, policy: PolicySet, *, sysctls: Mapping[str, str] | None = None) -> None:
        """Build the world; `sysctls` are the host's own settings in place of `world.HOST_SYSCTLS`."""
        self.policy = policy
        self.topology: Topology = plan_world(policy)
        settings = dict(world.HOST_SYSCTLS) | dict(sysctls or {})
        with ExitStack() as undo:
            self.sandbox = undo.enter_context(Sandbox())
            self.sandbox.call(lambda: world.build(self.topology, settings))
            undo.pop_all()

    def __enter__(self) -> Self:
        """Return the lab itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the lab."""
        self.close()

    def close(self) -> None:
        """End everything that runs in the lab; the kernel takes down the rest."""
        self.sandbox.close()

    @property
    def world(self) -> World:
        """Return the policy in force and the world around it."""
        return World(self.policy, self.topology)

    def call(self, work: Callable[[], T], *, netns: str = "") -> T:
        """Run `work` on the lab's host, or in one of its network namespaces; its result or error comes back."""
        return self.sandbox.call(lambda: _in_netns(netns, work))

    def run(self, *command: str, netns: str = "", stdin: str = "", check: bool = True) -> str:
        """Run a command, without a shell, and return what it printed; with `check` raises CalledProcessError."""

        def work() -> str:
            return subprocess.run(  # noqa: S603  a test's own argv
                command, input=stdin, text=True, check=check, timeout=COMMAND_TIMEOUT, stdout=subprocess.PIPE
            ).stdout

        return self.call(work, netns=netns)

    def apply(self, policy: PolicySet, apply: Callable[[], T]) -> T:
        """Run `apply` on the lab's host; from now on `policy` is what probes are judged by."""
        self.policy = policy
        return self.call(apply)

    def send(self, probes: Sequence[Probe], *, patience: float | None = None) -> tuple[Outcome, ...]:
        """Send probes side by side, and return what became of each."""
        return self.call(lambda: session.ask(self.world, probes, patience=patience))

    def probe(self, probe: Probe, *, patience: float | None = None) -> Outcome:
        """Send one probe, and return what became of it."""
        return self.send([probe], patience=patience)[0]

    def trial(self, probes: Iterable[Probe] | None = None) -> LabReport:
        """Send probes, by default all that the policy in force asks for, and judge what became of them."""
        sent = tuple(plan_probes(self.world) if probes is None else probes)
        start = time.monotonic()
        outcomes = self.send(sent)
        seconds = time.monotonic() - start
        pairs = zip(sent, outcomes, strict=True)
        return LabReport(tuple(compare(each, judge(self.world, each), outcome) for each, outcome in pairs), seconds)

    def serve(self) -> None:
        """Have everybody answer until the lab is closed, and return when they do."""
        reading, writing = os.pipe()
        wanted = session.listeners(self.world, plan_probes(self.world))
        self.sandbox.spawn(lambda: serve(self.world, wanted, lambda: os.write(writing, b"\n")))
        os.close(writing)
        with os.fdopen(reading, "rb") as ready:
            if not ready.read(1):
                raise HostRefused("nobody answers in the lab", "its output, above, should say why")

    def foreground(self, command: Sequence[str]) -> int:
        """Run a command on the lab's host with the caller's terminal, and return its exit code."""
        terminal = _has_terminal()
        child = self.sandbox.spawn(lambda: _exec(command, terminal=terminal))
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            _, status = os.waitpid(child, 0)
        finally:
            signal.signal(signal.SIGINT, previous)
            if terminal:
                _take_terminal()
        return os.waitstatus_to_exitcode(status)


def _in_netns(name: str, work: Callable[[], T]) -> T:
    if name:
        descriptor = world.open_netns(name)
        setns(descriptor, NEW_NET)
        os.close(descriptor)
    return work()


def _has_terminal() -> bool:
    """Return whether the caller is what its terminal listens to."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def _exec(command: Sequence[str], *, terminal: bool) -> NoReturn:
    if terminal:  # the shell's job control needs a process group whose number its pid namespace can tell
        os.setpgid(0, 0)
        _take_terminal()
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], list(command))  # noqa: S606  what the operator typed
    except OSError as error:
        sys.stderr.write(f"laneway lab: {visible(command[0])}: {error.strerror}\n")
        sys.stderr.flush()
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _take_terminal() -> None:
    """Make the caller's process group the one that the terminal listens to."""
    previous = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        os.tcsetpgrp(0, os.getpgrp())
    finally:
        signal.signal(signal.SIGTTOU, previous)


def _shell() -> tuple[str, ...]:
    """Return the command of an interactive shell whose prompt says where it is; the caller is in the lab."""
    bash = shutil.which("bash")
    if bash is None:
        return ("/bin/sh", "-i")
    start = Path("/run/laneway-lab.bashrc")
    start.write_text("[ -f ~/.bashrc ] && . ~/.bashrc\nPS1='[lab] \\w \\$ '\n")
    return (bash, "--rcfile", str(start), "-i")


def run_lab(
    policy: PolicySet,
    *,
    apply: Callable[[], object],
    shell: bool = False,
    command: Sequence[str] = (),
    say: Callable[[str], object] = lambda _: None,
) -> tuple[LabReport, Topology] | int:
    """Try `policy` on a throw-away host: apply it, then probe it, or run a shell or a command there.

    Returns the report and the world it is about, or the exit code of the shell or the command. `say` gets
    what a person should read first. Raises HostRefused, with a remedy, where no lab can be made, and whatever
    `apply` raises.
    """
    with Lab(policy) as lab:
        lab.call(lambda: (apply(), None)[1])
        if not shell and not command:
            return lab.trial(), lab.topology
        lab.serve()
        if command:
            return lab.foreground(command)
        names = [netns_name(tenant.name, each.name) for tenant in policy.tenants for each in tenant.workloads]
        say(banner(lab.topology, names, internet_host(lab.world)))
        return lab.foreground(lab.call(_shell))
