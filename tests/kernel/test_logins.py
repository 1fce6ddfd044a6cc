"""Logins to this host over the network."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from laneway.kernel.logins import session_in, sessions
from laneway.state.prefix import prefix
from laneway.state.sessions import Session

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(
            "198.51.100.7 50000 192.0.2.2 2222", Session(prefix("198.51.100.7"), prefix("192.0.2.2"), 2222), id="IPv4"
        ),
        pytest.param("fe80::7%eth0 50000 fe80::2%eth0 22", Session(prefix("fe80::7"), prefix("fe80::2"), 22), id="v6"),
        pytest.param("", None, id="none"),
        pytest.param("UNKNOWN 65535 UNKNOWN 65535", None, id="over no network"),
        pytest.param("198.51.100.7 50000", None, id="something else"),
    ],
)
def test_it_is_what_sshd_says(value: str, expected: Session | None) -> None:
    assert session_in({"SSH_CONNECTION": value}) == expected


def test_without_ssh_there_is_none() -> None:
    assert session_in({}) is None


ESTABLISHED = "   0: {} {} 01 00000000:00000000 00:00000000 00000000  0 0 {} 1 0 20 4 30 10 -1\n"
HERE4, HERE6 = "020200C0:08AE", "B80D01200000000000000000FE000000:08AE"  # 192.0.2.2 and 2001:db8::fe, port 2222
MAPPED = "0000000000000000FFFF0000020200C0:08AE"  # ::ffff:192.0.2.2
CLIENT4, CLIENT6 = "097100CB:C350", "B80D01200000000000000000FF000000:C350"
MAPPED_CLIENT = "0000000000000000FFFF0000097100CB:C350"


def process(proc: Path, number: int, name: str, *sockets: int, parent: int = 0, environ: str = "") -> None:
    """Write a process down as proc(5) shows it."""
    (proc / f"{number}/fd").mkdir(parents=True)
    (proc / f"{number}/comm").write_text(f"{name}\n")
    (proc / f"{number}/stat").write_text(f"{number} (a) b) S {parent} 0 0\n")
    (proc / f"{number}/environ").write_text(f"A=1\0SSH_CONNECTION={environ}\0" if environ else "A=1\0")
    for fd, inode in enumerate(sockets):
        (proc / f"{number}/fd/{fd}").symlink_to(f"socket:[{inode}]")


def connections(proc: Path, *ends: tuple[str, str, int]) -> None:
    (proc / "thread-self/net").mkdir(parents=True)
    for name, size in (("tcp", 13), ("tcp6", 37)):
        lines = [ESTABLISHED.format(*each) for each in ends if len(each[0]) == size]
        (proc / "thread-self/net" / name).write_text("".join(["head\n", *lines]))


def test_connections_of_ssh_servers_are_logins_in_both_families_and_others_are_not(tmp_path: Path) -> None:
    process(tmp_path, 7, "sshd-session", 71, 72, 73)
    process(tmp_path, 8, "nginx", 81)
    at_22 = HERE4.replace("08AE", "0016")
    connections(
        tmp_path,
        (HERE4, CLIENT4, 71),
        (HERE6, CLIENT6, 72),
        (MAPPED, MAPPED_CLIENT, 73),
        (HERE4.replace("08AE", "01BB"), CLIENT4, 81),
        (at_22, CLIENT4, 0),
    )

    client, server = prefix("203.0.113.9"), prefix("192.0.2.2")
    assert sessions({}, tmp_path) == (
        Session(client, server, 2222, own=False),
        Session(client, server, 22, own=False),
        Session(prefix("2001:db8::ff"), prefix("2001:db8::fe"), 2222, own=False),
    )


def test_what_sudo_keeps_from_the_command_its_ancestors_tell(tmp_path: Path) -> None:
    process(tmp_path, os.getppid(), "sudo", parent=9)
    process(tmp_path, 9, "sh", parent=1, environ="203.0.113.9 50000 192.0.2.2 2222")
    process(tmp_path, 1, "systemd")
    process(tmp_path, 7, "sshd", 71)
    connections(tmp_path, (HERE4, CLIENT4, 71))

    assert sessions({}, tmp_path) == (Session(prefix("203.0.113.9"), prefix("192.0.2.2"), 2222),)


def test_a_circle_of_parents_ends(tmp_path: Path) -> None:
    process(tmp_path, os.getppid(), "sh", parent=os.getppid())

    assert sessions({}, tmp_path) == ()
