"""Known flows forgotten, so that their next packet is classified anew."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

from laneway.errors import HostRefused
from laneway.kernel.netlink import NETFILTER, NetlinkSocket, chosen
from laneway.kernel.reasons import hint, reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from laneway.state.marks import FwMark

_DUMP_FLOWS = 0x101  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET
_NFGEN = bytes(4)  # any family
_CTA_MARK = 8
_MANY = 100
"""More marks than this are first looked for, since for each flush the kernel walks its whole table, 1 ms when empty."""


def forget(marks: Iterable[FwMark]) -> None:
    """Delete the conntrack entries of both families that carry one of `marks`, and no others."""
    from pyroute2 import NFCTSocket
    from pyroute2.netlink.exceptions import NetlinkError

    wanted = sorted(set(marks))
    if not all(mark.mask for mark in wanted):
        msg = "a mark under an empty mask is every flow's"
        raise ValueError(msg)
    if len(wanted) > _MANY:
        wanted = _borne(wanted)
    for family in (socket.AF_INET, socket.AF_INET6) if wanted else ():
        with NFCTSocket(nfgen_family=family) as conntrack:
            for mark in wanted:
                try:
                    # The kernel filters a flush by mark since 4.1.
                    conntrack.flush(mark=mark.value, mark_mask=mark.mask)
                except NetlinkError as error:
                    if error.code != errno.ENOENT:
                        msg = f"cannot forget flows with mark {mark}: {reason(error.code)}"
                        raise HostRefused(msg, hint(error.code)) from error


def _borne(marks: Sequence[FwMark]) -> list[FwMark]:
    """Return those of `marks` that some flow carries."""
    only = frozenset((_CTA_MARK,))
    with NetlinkSocket(NETFILTER) as kernel:
        flows = kernel.dump(_DUMP_FLOWS, _NFGEN)
    values = {int.from_bytes(chosen(flow, len(_NFGEN), only).get(_CTA_MARK, b""), "big") for flow in flows}
    under = {mask: {value & mask for value in values} for mask in {mark.mask for mark in marks}}
    return [mark for mark in marks if mark.value in under[mark.mask]]
