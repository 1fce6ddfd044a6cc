"""Sockets of this network namespace that wait for who comes (proc_pid_net(5))."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from laneway.state.facts import Listener

if TYPE_CHECKING:
    from collections.abc import Iterator

_TABLES: tuple[tuple[Literal["tcp", "udp"], str], ...] = (
    ("tcp", "tcp"),
    ("tcp", "tcp6"),
    ("udp", "udp"),
    ("udp", "udp6"),
)
_DIRECTORY = Path("/proc/thread-self/net")
_LISTEN = "0A"  # TCP_LISTEN
_WORD = 8  # hexadecimal digits: addresses are written as numbers of this machine, 32 bits each


def read(directory: Path = _DIRECTORY) -> frozenset[Listener]:
    """Return the TCP sockets that listen, and the UDP sockets that are connected to nobody."""
    return frozenset(each for protocol, name in _TABLES for each in _listeners(protocol, directory / name))


def _listeners(protocol: Literal["tcp", "udp"], table: Path) -> Iterator[Listener]:
    try:
        with table.open(encoding="ascii") as lines:
            next(lines, "")
            for line in lines:
                _, local, remote, state, *_ = line.split()
                if protocol == "tcp" and state != _LISTEN:
                    return  # the kernel writes those that listen first (tcp_seq_next)
                if not remote.strip("0:"):
                    port = int(local.partition(":")[2], 16)
                    yield Listener(protocol, port, address_of(local))
    except OSError:  # a kernel without IPv6
        return


def address_of(end: str) -> bytes:
    """Return the address of an end of a connection, as /proc/net/tcp writes that before a colon and the port."""
    text = end.partition(":")[0]
    words = (int(text[at : at + _WORD], 16) for at in range(0, len(text), _WORD))
    return b"".join(each.to_bytes(4, sys.byteorder) for each in words)
