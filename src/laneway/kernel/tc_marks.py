"""The filters of others in traffic control that use packet marks, as tc(8) prints them.

Filters of single classes (tc-htb(8)) are not asked for, and what a BPF program does with marks nobody can tell.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from laneway.kernel.mark_census import ALL_BITS, BitsUsed
from laneway.state.facts import MarkUse
from laneway.state.marks import FwMark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_QUEUE = re.compile(r"^qdisc (\S+) ([0-9a-f]+:) dev (\S+)", re.MULTILINE)
_NO_HANDLE = "0:"  # what the kernel set up by itself: no filter can be attached to it
_HOOKS = {"clsact": ("ingress", "egress"), "ingress": ("ingress",)}

_NUMBER = "(0x[0-9a-f]+|[0-9]+)"
_READS = (
    re.compile(rf"\bfw\b.*?\bhandle {_NUMBER}(?:/{_NUMBER})?"),  # tc-fw(8)
    re.compile(rf"^\s*mark {_NUMBER} {_NUMBER}(?= \(success)", re.MULTILINE),  # tc-u32(8)
)
_WRITES = re.compile(rf"\bskbedit\b.*?\bmark {_NUMBER}(?:/{_NUMBER})?")  # tc-skbedit(8)
_MASK_THEN_VALUE = re.compile(rf"\bmeta\((?:nf_mark|fwmark) (?:mask {_NUMBER} )?\w+ {_NUMBER}\)")  # tc-ematch(8)
_ALL_OF_CONNTRACK = re.compile(r"\bconnmark zone\b")  # tc-connmark(8)


def tc_marks(output: Callable[..., str]) -> Iterator[MarkUse]:
    """Yield the marks in the filters of every queueing discipline; `output` runs a program and returns its answer."""
    for kind, handle, dev in _QUEUE.findall(output("tc", "qdisc", "show")):
        if handle != _NO_HANDLE:
            for place in _HOOKS.get(kind, (f"parent {handle}",)):
                for used in filter_marks(output("tc", "filter", "show", "dev", dev, *place.split())):
                    where = f"mark {used.mark} in `tc filter show dev {dev} {place}`"
                    yield MarkUse(used.mark, where, used.writes, used.masked)


def filter_marks(text: str) -> Iterator[BitsUsed]:
    """Yield the mark bits that filters, as tc prints them, read or write."""
    for pattern in _READS:
        for value, mask in pattern.findall(text):
            yield BitsUsed(_mark(value, mask))
    for value, mask in _WRITES.findall(text):
        mark = _mark(value, mask)
        masked = f"skbedit mark {mark.value:#x}/{mark.value:#x}" if mark.mask == ALL_BITS and mark.value else ""
        yield BitsUsed(mark, writes=True, masked=masked)
    for mask, value in _MASK_THEN_VALUE.findall(text):
        yield BitsUsed(_mark(value, mask))
    if _ALL_OF_CONNTRACK.search(text):
        yield BitsUsed(FwMark(0, ALL_BITS), writes=True)


def _mark(value: str, mask: str) -> FwMark:
    bits = int(mask, 0) if mask else ALL_BITS
    return FwMark(int(value, 0) & bits, bits)
