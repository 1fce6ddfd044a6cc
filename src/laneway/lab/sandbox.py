"""A throw-away host: user, network, mount and pid namespaces of its own, which vanish with the process that made them.

One process, the keeper, is init of the pid namespace and does nothing; when it ends, the kernel ends every other
process in there, and the rest goes with them. Work is done by `call`: a forked child enters the namespaces, runs a
function and hands its result back. So the caller's own process never moves, and may keep any number of sandboxes.
"""

from __future__ import annotations

import errno
import os
import pickle
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

from laneway.errors import HostRefused, LanewayError, UsageError
from laneway.lab.private_files import part_mounts, private_files, return_to
from laneway.lab.syscalls import NEW_MOUNTS, NEW_NET, NEW_PIDS, NEW_USER, die_with_parent, own_proc, setns, unshare
from laneway.state.visible import visible_lines

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

STATE_DIR = "/run/laneway"
SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where ip and iptables live; not in the PATH of every user."""

KINDS = {"user": NEW_USER, "mnt": NEW_MOUNTS, "pid": NEW_PIDS, "net": NEW_NET}
"""Namespaces in the order in which they must be entered: the user namespace gives the right to the others."""

ROOT = "root"
"""What goes with them: the root directory of whoever made the sandbox, as the new mount namespace has it."""


class Sandbox:
    """The namespaces of one throw-away host, open until `close` or until the thread that made them ends."""

    def __init__(self) -> None:
        """Make the namespaces, in which all work starts in the directory where the caller is now.

        Raises HostRefused with a remedy where they are not permitted, and UsageError where the caller is nowhere.
        """
        self._place = working_directory()
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        _flush()
        self._keeper = os.fork()
        if self._keeper == 0:
            here.close()
            _keep(there)
        there.close()
        with here:
            self._namespaces = self._receive(here)
        self._root = self._namespaces.pop(ROOT)

    def _receive(self, here: socket.socket) -> dict[str, int]:
        # recv_fds does not retry what a signal interrupts, but nothing here is worth more than one attempt.
        message, descriptors, _, _ = socket.recv_fds(here, 4096, len(KINDS) + 1)
        names = message.decode(errors="replace").split()
        if len(descriptors) != len(names) or not descriptors:
            os.waitpid(self._keeper, 0)
            reason = message.decode(errors="replace") or "no reason given"
            raise HostRefused(f"a throw-away host cannot be made here: {reason}", remedy())
        return dict(zip(names, descriptors, strict=True))

    def __enter__(self) -> Self:
        """Return the sandbox itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the sandbox."""
        self.close()

    def close(self) -> None:
        """End every process inside, and with them the namespaces."""
        if self._namespaces:
            for descriptor in (*self._namespaces.values(), self._root):
                os.close(descriptor)
            self._namespaces = {}
            os.kill(self._keeper, signal.SIGKILL)
            os.waitpid(self._keeper, 0)

    def call(self, work: Callable[[], T]) -> T:
        """Run `work` inside, in a child process, and return its result or raise its error; both must be picklable."""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        _flush()
        child = os.fork()
        if child == 0:
            os.close(reading)
            self._enter_and_run(work, writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            answer = pipe.read()
        _, status = os.waitpid(child, 0)
        if not answer:
            message = f"the process in the lab ended without an answer (wait status {status:#x})"
            raise HostRefused(message, "its output, above, should say why")
        done, value = pickle.loads(answer)  # noqa: S301  from our own child
        if done:
            return value  # type: ignore[no-any-return]
        raise value

    def spawn(self, work: Callable[[], Any]) -> int:
        """Start `work` inside, in a child process that ends with the sandbox, and return the pid to wait for."""
        _flush()
        child = os.fork()
        if child == 0:
            self._enter_and_run(work, -1)
        return child

    def _enter_and_run(self, work: Callable[[], Any], answer: int) -> NoReturn:
        """Enter the namespaces, and run `work` in a child, since a pid namespace is only for children."""
        status = 1
        try:
            die_with_parent()
            for kind, descriptor in self._namespaces.items():
                setns(descriptor, KINDS[kind])
            return_to(self._root)
            child = os.fork()
            if child == 0:
                die_with_parent()
                _arrive(self._place)
                _run(work, answer)
            for number in (signal.SIGINT, signal.SIGQUIT):
                signal.signal(number, signal.SIG_IGN)
            _, wait_status = os.waitpid(child, 0)
            status = os.waitstatus_to_exitcode(wait_status)
        finally:
            os._exit(status if status >= 0 else 128 - status)


def working_directory() -> Path:
    """Return where the caller is; raises UsageError where that is nowhere."""
    try:
        return Path.cwd()
    except OSError as error:  # ENOENT: it has no name any more (getcwd(3))
        message = f"the working directory was deleted, or cannot be reached: {error.strerror}"
        raise UsageError(message, "cd to a directory that is there, and start again") from error


def _flush() -> None:
    """Empty the output buffers, of which a fork would make copies."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()


def _arrive(place: Path) -> None:
    # Entering a mount namespace, and then its root, leads there.
    with suppress(OSError):
        os.chdir(place)
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join([*path, *(each for each in SBIN if each not in path)])
    os.environ["LANEWAY_STATE_DIR"] = STATE_DIR
    os.environ["LANEWAY_LAB"] = "1"


def _run(work: Callable[[], Any], answer: int) -> NoReturn:
    try:
        result = (True, work())
    except BaseException as error:  # noqa: BLE001  carried to the caller, not swallowed
        result = (False, _portable(error))
        if answer < 0:
            sys.stderr.write(f"laneway lab: {visible_lines(str(error))}\n")
    status = 0 if result[0] else 1
    try:
        _flush()
        if answer >= 0:
            with os.fdopen(answer, "wb") as pipe:
                pickle.dump(result, pipe)
    finally:
        os._exit(status)


def _portable(error: BaseException) -> BaseException:
    """Return `error` if it survives pickling, else one that says the same."""
    import traceback

    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  what was just made
    except (pickle.PickleError, TypeError, AttributeError, ValueError, LookupError, ImportError):
        if isinstance(error, LanewayError):
            substitute: BaseException = HostRefused(str(error), error.hint)
        else:
            substitute = RuntimeError(f"{type(error).__name__}: {error}")
        substitute.add_note(error.__notes__[-1])
        return substitute
    return error


def _keep(there: socket.socket) -> NoReturn:
    """Make the namespaces, start their init, and wait for it; the last message before an end is the reason."""
    try:
        user, group = os.geteuid(), os.getegid()
        try:
            unshare(NEW_MOUNTS | NEW_NET | NEW_PIDS)
            kinds = ["mnt", "pid", "net"]
        except PermissionError:
            # In two steps: a network namespace made before its user namespace knows who root is belongs to nobody
            # for good, and with it files as /proc/net/ip_tables_names that root alone may read.
            unshare(NEW_USER)
            _map_root(user, group)
            unshare(NEW_MOUNTS | NEW_NET | NEW_PIDS)
            kinds = list(KINDS)
        die_with_parent()
        child = os.fork()
        if child == 0:
            _be_init(there, kinds)
        there.close()
        # Ctrl-C is for the work inside; what ends this process is the end of its parent.
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.waitpid(child, 0)
    except OSError as error:
        _confess(there, error)
    finally:
        os._exit(0)


def _confess(there: socket.socket, error: OSError) -> None:
    # The kernel says ENOSPC when there may be no more namespaces (unshare(2)), which is not what it sounds like.
    reason = "no more namespaces are allowed" if error.errno == errno.ENOSPC else error.strerror
    with suppress(OSError):
        there.sendall(f"{error.filename}: {reason}".encode())


def _map_root(user: int, group: int) -> None:
    """Make the user and the group that the caller is root inside (user_namespaces(7))."""
    own_proc()
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def _be_init(there: socket.socket, kinds: list[str]) -> NoReturn:
    try:
        die_with_parent()
        # Init's children are the orphans of others: they need no wait.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        own = {kind: os.open(f"/proc/self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in kinds}
        own[ROOT] = part_mounts(own["mnt"])
        private_files()
        socket.send_fds(there, [" ".join(own).encode()], [*own.values()])
        there.close()
        _release_output()
        while True:
            signal.pause()
    except OSError as error:
        _confess(there, error)
    finally:
        os._exit(0)


def _release_output() -> None:
    """Let go of the caller's terminal and pipes, so that whoever reads them sees their end."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    os.close(null)


def remedy(sysctls: Path = Path("/proc/sys")) -> str:
    """Return what most likely forbids namespaces here, and what helps."""
    for key, forbidding, permitting in (
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
        ("user.max_user_namespaces", "0", "10000"),
    ):
        path = sysctls / key.replace(".", "/")
        if path.is_file() and path.read_text().strip() == forbidding:
            return f"this host has {key}={forbidding}: run it with sudo, or: sudo sysctl {key}={permitting}"
    if not Path("/proc/self").exists():  # a chroot that was not made ready
        return "mount -t proc proc /proc"
    return "run it with sudo; in a container, start that with --privileged"
