"""Known flows forgotten, so that their next packet is classified anew (linux/netfilter/nfnetlink_conntrack.h)."""

from __future__ import annotations

import errno
from struct import Struct
from typing import TYPE_CHECKING

from laneway.errors import HostRefused
from laneway.kernel.netlink import NETFILTER, NetlinkSocket, Request, attribute, chosen
from laneway.kernel.reasons import hint, reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from laneway.state.marks import FwMark

_DUMP_FLOWS = 0x101  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET
_FLUSH = 0x102  # IPCTNL_MSG_CT_DELETE: without a tuple every flow, but since 4.1 a mark limits it
_NFGEN = bytes(4)  # any family
_CTA_MARK = 8
_CTA_MARK_MASK = 21
_U32 = Struct(">I")
_MANY = 100
"""More marks than this are first looked for, since for each flush the kernel walks its whole table, 1 ms when empty."""


def forget(marks: Iterable[FwMark]) -> None:
    """Delete the conntrack entries of both families that carry one of `marks`, and no others."""
    wanted = sorted(set(marks))
    if not all(mark.mask for mark in wanted):
        msg = "a mark under an empty mask is every flow's"
        raise ValueError(msg)
    if len(wanted) > _MANY:
        wanted = _borne(wanted)
    if not wanted:
        return
    # Not by pyroute2, which takes longer to load than a plan of a hundred tenants, and is not needed for most changes.
    with NetlinkSocket(NETFILTER) as kernel:
        for refusal in kernel.send([_flush(mark) for mark in wanted]):
            if refusal.errno != errno.ENOENT:
                msg = f"cannot forget flows with mark {wanted[refusal.place]}: {reason(refusal.errno, refusal.text)}"
                raise HostRefused(msg, hint(refusal.errno))


def _flush(mark: FwMark) -> Request:
    value, mask = _U32.pack(mark.value), _U32.pack(mark.mask)
    return Request(_FLUSH, 0, _NFGEN + attribute(_CTA_MARK, value) + attribute(_CTA_MARK_MASK, mask))


def _borne(marks: Sequence[FwMark]) -> list[FwMark]:
    """Return those of `marks` that some flow carries."""
    only = frozenset((_CTA_MARK,))
    with NetlinkSocket(NETFILTER) as kernel:
        flows = kernel.dump(_DUMP_FLOWS, _NFGEN)
    values = {int.from_bytes(chosen(flow, len(_NFGEN), only).get(_CTA_MARK, b""), "big") for flow in flows}
    under = {mask: {value & mask for value in values} for mask in {mark.mask for mark in marks}}
    return [mark for mark in marks if mark.value in under[mark.mask]]
