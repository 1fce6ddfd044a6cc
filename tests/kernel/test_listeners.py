"""Sockets that wait for who comes, as proc(5) writes them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from laneway.kernel.listeners import read
from laneway.state.facts import Listener
from laneway.state.prefix import prefix

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
REST = " 00000000:00000000 00:00000000 00000000     0        0 12345 1 0000000000000000 100 0 0 10 0\n"
TCP = (
    HEAD
    + f"   0: 00000000:0016 00000000:0000 0A{REST}"
    + f"   1: 0100007F:0035 00000000:0000 0A{REST}"
    + f"   2: 020200C0:0016 4D7100CB:C350 01{REST}"
)
TCP6 = HEAD + f"   0: B80D0120000000000000000002000000:1F90 {'0' * 32}:0000 0A{REST}"
UDP = HEAD + f"  11: 00000000:0035 00000000:0000 07{REST}" + f"  12: 020200C0:D431 4D7100CB:0035 01{REST}"


@pytest.mark.skipif(sys.byteorder != "little", reason="recorded on a little-endian machine")
def test_those_that_listen_are_read(tmp_path: Path) -> None:
    for name, text in (("tcp", TCP), ("tcp6", TCP6), ("udp", UDP)):  # and no udp6: a kernel without IPv6
        (tmp_path / name).write_text(text)

    assert read(tmp_path) == {
        Listener("tcp", 22, bytes(4)),
        Listener("tcp", 53, bytes([127, 0, 0, 1])),
        Listener("tcp", 8080, prefix("2001:db8::2").address),
        Listener("udp", 53, bytes(4)),
    }
