"""Who is logged in on this host over the network, by what ssh tells its children and by connections of ssh servers.

sudo, cron, systemd-run, tmux and configuration management keep no SSH_CONNECTION (ssh(1)). So the processes above this
one are asked for theirs, and the connections of all ssh servers in this network namespace are looked up (proc(5)).
"""

from __future__ import annotations

import os
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from laneway.kernel.listeners import address_of
from laneway.state.prefix import of_address
from laneway.state.sessions import Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PROC: Final = Path("/proc")
_VARIABLE: Final = "SSH_CONNECTION"
_ANCESTORS: Final = 64
"""Processes above this one that are asked; nobody types commands deeper than that."""

_ENVIRONMENT: Final = 1 << 20  # bytes of an environment that are read
_PROGRAMS: Final = frozenset({"sshd", "sshd-session", "sshd-auth", "dropbear", "tinysshd"})
"""Names (proc_pid_comm(5)) of the processes that hold a login's connection."""

_SSH: Final = 22
"""The port of ssh (RFC 4253, 4.1): at it a login is known without the right to look at other users' processes."""

_ESTABLISHED: Final = "01"


def sessions(environment: Mapping[str, str], proc: Path = _PROC) -> tuple[Session, ...]:
    """Return the logins to this host: first those that this command was typed in, each once."""
    told = [session_in(environment), *_of_ancestors(proc)]
    own = {each: None for each in told if each is not None}
    others = (each for each in _connected(proc) if each._replace(own=True) not in own)
    return (*own, *dict.fromkeys(others))


def session_in(environment: Mapping[str, str]) -> Session | None:
    """Return the session that SSH_CONNECTION tells of (ssh(1)): client, its port, server, its port."""
    words = environment.get(_VARIABLE, "").split()
    try:
        client, _, server, port = words
        # A link-local address has its link behind a percent sign (RFC 4007, 11.2).
        ends = [ip_address(each.partition("%")[0]) for each in (client, server)]
        return Session(of_address(_plain(ends[0])), of_address(_plain(ends[1])), int(port))
    except ValueError:  # whoever set it, it is not what sshd sets
        return None


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 socket shows as ::ffff:192.0.2.2 (RFC 4291, 2.5.5.2), or the address."""
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _of_ancestors(proc: Path) -> Iterator[Session | None]:
    """Yield what the processes above this one were told: `sudo` itself has what it keeps from the command."""
    number = os.getppid()
    for _ in range(_ANCESTORS):
        if number <= 0:
            return
        yield session_in(_environment(proc / str(number)))
        number = _parent(proc / str(number))


def _environment(process: Path) -> dict[str, str]:
    try:
        with (process / "environ").open("rb") as file:
            words = file.read(_ENVIRONMENT).decode(errors="replace").split("\0")
    except OSError:  # it has ended, or is somebody else's
        return {}
    pairs = (word.partition("=") for word in words)
    return {name: value for name, _, value in pairs if name == _VARIABLE}


def _parent(process: Path) -> int:
    try:
        # The name before it, in parentheses, may hold anything.
        return int((process / "stat").read_bytes().rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def _connected(proc: Path) -> Iterator[Session]:
    """Yield the connections to this host that are a login program's, or to the port of ssh."""
    held = _sockets_of_logins(proc)
    for name in ("tcp", "tcp6"):
        with suppress(OSError), (proc / "thread-self/net" / name).open(encoding="ascii") as lines:  # no IPv6 here
            next(lines, "")
            for line in lines:
                _, local, remote, state, *more = line.split()
                if state != _ESTABLISHED:
                    continue
                port = int(local.partition(":")[2], 16)
                if more[5] in held or port == _SSH:
                    ends = [of_address(_plain(ip_address(address_of(each)))) for each in (remote, local)]
                    yield Session(ends[0], ends[1], port, own=False)


def _sockets_of_logins(proc: Path) -> frozenset[str]:
    """Return the inodes of the sockets that login programs hold."""
    found: set[str] = set()
    for process in proc.iterdir():
        if not process.name.isdecimal():
            continue
        with suppress(OSError):  # it has ended, or is somebody else's
            if (process / "comm").read_text(errors="replace").strip() in _PROGRAMS:
                links = (os.readlink(each) for each in (process / "fd").iterdir())  # noqa: PTH115  no path is meant
                found.update(each[len("socket:[") : -1] for each in links if each.startswith("socket:["))
    return frozenset(found)
