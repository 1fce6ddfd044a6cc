"""Packet marks: never a bare number, always a value under a mask."""

from __future__ import annotations

from typing import NamedTuple

OTHERS = "OTHERS"
"""Stands in the text of a rule for the bits that are not laneway's, which are known where it is shown."""


class FwMark(NamedTuple):
    """A packet-mark value under a mask, as `0x90000/0xffff0000` (both 32 bits; iptables-extensions(8), ip-rule(8))."""

    value: int
    mask: int

    def __str__(self) -> str:
        return f"{self.value:#x}/{self.mask:#x}"
