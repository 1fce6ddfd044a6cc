"""Other programs: found in a fixed search path, run without a shell, and never waited for endlessly."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from laneway.errors import HostRefused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from subprocess import CompletedProcess

_DIRECTORIES = ("/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin")
_PACKAGES = {"ip": "iproute2", "nsenter": "util-linux", "unshare": "util-linux", "nft": "nftables", "ipset": "ipset"}


def tool_path(name: str) -> str:
    """Return the absolute path of the program `name`; raises HostRefused when the host does not have it."""
    for directory in _DIRECTORIES:
        path = Path(directory, name)
        if path.is_file():
            return str(path)
    package = _PACKAGES.get(name) or ("iptables" if "tables" in name else name)
    msg = f"this host has no program {name}"
    raise HostRefused(msg, f"apt-get install {package}")


def run_tool(argv: Sequence[str], *, input: str | None = None, timeout: float = 30) -> CompletedProcess[str]:  # noqa: A002
    """Run a program to its end and return its exit status and output, whatever the status.

    `input` goes to its standard input, `timeout` is in seconds. Raises HostRefused when the host does not have
    the program, or when it takes longer.
    """
    import subprocess

    path = tool_path(argv[0])
    environment = {"PATH": ":".join(_DIRECTORIES), "LC_ALL": "C"}
    try:
        return subprocess.run(  # noqa: S603  an absolute path and a list of arguments, no shell
            [path, *argv[1:]],
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
            env=environment,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired as error:
        msg = f"{' '.join(argv)} did not end within {timeout:g} seconds"
        raise HostRefused(msg, "another program may hold a lock that it waits for: look with ps(1)") from error
    except OSError as error:
        msg = f"cannot run {path}: {error.strerror}"
        raise HostRefused(msg) from error
