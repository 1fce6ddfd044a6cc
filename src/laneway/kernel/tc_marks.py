"""The filters of others in traffic control that use packet marks, as tc(8) prints them.

Filters of single classes (tc-htb(8)) are not asked for, and what a BPF program does with marks nobody can tell.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from laneway.kernel.mark_census import ALL_BITS
from laneway.state.facts import MarkUse
from laneway.state.marks import FwMark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_QUEUE = re.compile(r"^qdisc (\S+) ([0-9a-f]+:) dev (\S+)", re.MULTILINE)
_NO_HANDLE = "0:"  # what the kernel set up by itself: no filter can be attached to it
_HOOKS = {"clsact": ("ingress", "egress"), "ingress": ("ingress",)}

_NUMBER = "(0x[0-9a-f]+|[0-9]+)"
_VALUE_THEN_MASK = (
    re.compile(rf"\bfw\b.*?\bhandle {_NUMBER}(?:/{_NUMBER})?"),  # tc-fw(8)
    re.compile(rf"^\s*mark {_NUMBER} {_NUMBER}(?= \(success)", re.MULTILINE),  # tc-u32(8)
    re.compile(rf"\bskbedit\b.*?\bmark {_NUMBER}(?:/{_NUMBER})?"),  # tc-skbedit(8)
)
_MASK_THEN_VALUE = re.compile(rf"\bmeta\((?:nf_mark|fwmark) (?:mask {_NUMBER} )?\w+ {_NUMBER}\)")  # tc-ematch(8)
_ALL_OF_CONNTRACK = re.compile(r"\bconnmark zone\b")  # tc-connmark(8)


def tc_marks(output: Callable[..., str]) -> Iterator[MarkUse]:
    """Yield the marks in the filters of every queueing discipline; `output` runs a program and returns its answer."""
    for kind, handle, dev in _QUEUE.findall(output("tc", "qdisc", "show")):
        if handle != _NO_HANDLE:
            for place in _HOOKS.get(kind, (f"parent {handle}",)):
                for mark in filter_marks(output("tc", "filter", "show", "dev", dev, *place.split())):
                    yield MarkUse(mark, f"mark {mark} in `tc filter show dev {dev} {place}`")


def filter_marks(text: str) -> Iterator[FwMark]:
    """Yield the mark bits that filters, as tc prints them, read or write."""
    for pattern in _VALUE_THEN_MASK:
        for value, mask in pattern.findall(text):
            yield _mark(value, mask)
    for mask, value in _MASK_THEN_VALUE.findall(text):
        yield _mark(value, mask)
    if _ALL_OF_CONNTRACK.search(text):
        yield FwMark(0, ALL_BITS)


def _mark(value: str, mask: str) -> FwMark:
    bits = int(mask, 0) if mask else ALL_BITS
    return FwMark(int(value, 0) & bits, bits)
