"""A command run later, whatever becomes of this process, its terminal and its session until then."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import laneway
from laneway.errors import HostRefused
from laneway.kernel.tools import run_tool
from laneway.state.visible import complaint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BOOTED_WITH_SYSTEMD = Path("/run/systemd/system")
"""sd_booted(3)."""

UNIT = "laneway-confirm"
_STATE = "LANEWAY_STATE_DIR"


def run_laneway_later(arguments: Sequence[str], *, seconds: float, log: Path) -> None:
    """Have laneway run with `arguments`, at the latest in so many seconds; raises HostRefused when nobody does that.

    systemd does it where it runs and sees this process's network: such a unit is in no session, so that the end of an
    ssh session does not take it along. Anywhere else a daemon(7) is started at once, which has to wait by itself; what
    it says goes to `log`.
    """
    argv = [sys.executable, "-m", "laneway", *arguments]
    package = str(Path(laneway.__file__).resolve().parents[1])
    environment = {"PYTHONPATH": package, "PATH": os.defpath}
    state = os.environ.get(_STATE)
    if state:  # a daemon is in another directory: there a relative path would lead to nothing that waits
        environment[_STATE] = str(Path(state).absolute())
    if _systemd_can():
        _ask_systemd(argv, environment, seconds)
    else:
        _daemonize(argv, environment, log)


def _systemd_can() -> bool:
    """Return whether systemd is the init of this host, and its network and its files are this process's."""
    try:
        same = all(os.readlink(f"/proc/1/ns/{kind}") == os.readlink(f"/proc/self/ns/{kind}") for kind in ("net", "mnt"))  # noqa: PTH115  no path is meant
    except OSError:
        return False
    return same and _BOOTED_WITH_SYSTEMD.is_dir()


def _ask_systemd(argv: Sequence[str], environment: Mapping[str, str], seconds: float) -> None:
    variables = [f"--setenv={name}={value}" for name, value in environment.items()]
    timing = [f"--on-active={seconds:g}s", "--timer-property=AccuracySec=100ms"]
    unit = f"{UNIT}-{os.getpid()}"
    command = ["systemd-run", "--quiet", "--collect", f"--unit={unit}", *timing, *variables, "--", *argv]
    done = run_tool(command)
    if done.returncode:
        said = complaint(done.stderr) or f"exit status {done.returncode}"
        message = f"systemd does not take the timer that would take the change back: {said}"
        raise HostRefused(message, "nothing on the host was touched")


def _daemonize(argv: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
    """Start the command in a session of its own; who started it may end, and init(1) takes it over.

    It inherits the signals that this process holds back: it has to let them in by itself.
    """
    try:
        with open(log, "wb", opener=_made_anew) as out:
            subprocess.Popen(  # noqa: S603  an argv list is the point
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd="/",
                env=dict(environment),
                start_new_session=True,
            )
    except OSError as error:
        message = f"the process that would take the change back cannot be started: {error.filename}: {error.strerror}"
        raise HostRefused(message, "nothing on the host was touched") from error


def _made_anew(path: str, _: int) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
