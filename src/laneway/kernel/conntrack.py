"""Known flows forgotten, so that their next packet is classified anew (linux/netfilter/nfnetlink_conntrack.h)."""

from __future__ import annotations

import errno
from struct import Struct
from typing import TYPE_CHECKING

from laneway.errors import HostRefused
from laneway.kernel.netlink import NETFILTER, NetlinkSocket, Request, attribute, attributes, chosen
from laneway.kernel.own_services import OwnServices
from laneway.kernel.reasons import hint, reason
from laneway.state.flows import Doors, Ends

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from laneway.state.flows import Closed
    from laneway.state.marks import FwMark

_DUMP_FLOWS = 0x101  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET
_FLUSH = 0x102  # IPCTNL_MSG_CT_DELETE: without a tuple every flow, but since 4.1 a mark limits it
_NFGEN = bytes(4)  # any family
_CTA_STATUS = 3
_CTA_MARK = 8
_CTA_MARK_MASK = 21
_CTA_TUPLE, _CTA_REPLY = 1, 2  # of the first packet, and of its answer
_CTA_ID = 12
_CTA_MASTER = 14
_CTA_ZONE = 18
_IDENTITY = frozenset((_CTA_TUPLE, _CTA_ID, _CTA_ZONE))
_ENDS = frozenset((_CTA_TUPLE, _CTA_REPLY, _CTA_MARK, _CTA_MASTER, _CTA_STATUS))
_SEEN_REPLY, _ASSURED = 1 << 1, 1 << 2  # linux/netfilter/nf_conntrack_common.h
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_SOURCE4, _TO4, _SOURCE6, _TO6 = 1, 2, 3, 4
_PROTO_NUMBER, _PROTO_PORT = 1, 3
_NESTED = 0x8000
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


def _nobodys(_: Ends) -> bool:
    return False


def shut(
    closed: Sequence[Closed],
    lost: Callable[[Ends], bool] | None = None,
    missed: Callable[[Ends], bool] | None = None,
) -> None:
    """Delete the conntrack entries of both families that are `closed` or `lost`, and no others; raises HostRefused.

    Of those to the host itself also what is `missed`, unless a service of the host's has it.
    """
    if not closed and lost is None and missed is None:
        return
    doors, own = Doors(tuple(closed)), OwnServices()
    lost, missed = lost or _nobodys, missed or _nobodys
    with NetlinkSocket(NETFILTER) as kernel:
        flows = kernel.dump(_DUMP_FLOWS, _NFGEN)
        requests = [
            _deletion(flow)
            for flow in flows
            if (ends := _ends(flow)) is not None
            and (doors.lead(ends) or lost(ends) or (missed(ends) and own.leave(ends)))
        ]
        for refusal in kernel.send(requests):
            if refusal.errno != errno.ENOENT:  # it ended by itself
                msg = f"cannot forget a flow that is no longer allowed: {reason(refusal.errno, refusal.text)}"
                raise HostRefused(msg, hint(refusal.errno))


def _deletion(flow: bytes) -> Request:
    """Return the request to delete this one flow, which its number tells from another of the same addresses."""
    known = chosen(flow, len(_NFGEN), _IDENTITY)
    parts = [attribute(kind | (_NESTED if kind == _CTA_TUPLE else 0), payload) for kind, payload in known.items()]
    return Request(_FLUSH, 0, flow[:1] + _NFGEN[1:] + b"".join(parts))


def _ends(flow: bytes) -> Ends | None:
    """Return whom a flow is between; None for a family that laneway has no part in."""
    found = chosen(flow, len(_NFGEN), _ENDS)
    there, back = attributes(found[_CTA_TUPLE]), attributes(found[_CTA_REPLY])
    ip, answer, proto = attributes(there[_TUPLE_IP]), attributes(back[_TUPLE_IP]), attributes(there[_TUPLE_PROTO])
    source, to = (_SOURCE4, _TO4) if _SOURCE4 in ip else (_SOURCE6, _TO6)
    if source not in ip:
        return None
    port, mark = (int.from_bytes(part, "big") for part in (proto.get(_PROTO_PORT, b""), found.get(_CTA_MARK, b"")))
    seen_as = b"" if answer[to] == ip[source] else answer[to]
    seen_port = int.from_bytes(attributes(back[_TUPLE_PROTO]).get(_PROTO_PORT, b""), "big")
    status = int.from_bytes(found.get(_CTA_STATUS, b""), "big")
    return Ends(
        ip[source],
        ip[to],
        answer[source],
        proto[_PROTO_NUMBER][0],
        port,
        mark,
        seen_as,
        seen_port,
        expected=_CTA_MASTER in found,
        answered=bool(status & _SEEN_REPLY),
        assured=bool(status & _ASSURED),
    )
