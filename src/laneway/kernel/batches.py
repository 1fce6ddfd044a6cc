"""Requests that the kernel does whole or not at all (nfnetlink.c), as nf_tables has them."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING

from laneway.kernel.netlink import HEADER, NETFILTER, NLM_F_ACK, NLM_F_REQUEST, NetlinkSocket, Request, unanswered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from laneway.kernel.netlink import Refusal

_BEGIN, _END = 0x10, 0x11  # linux/netfilter/nfnetlink.h


class BatchSocket(NetlinkSocket):
    """A socket of netfilter that takes batches; it may live on, and own the tables made by it (flags owner)."""

    def __init__(self) -> None:
        """Open the socket; raises HostRefused."""
        super().__init__(NETFILTER)

    def batch(self, requests: Sequence[Request], *, subsystem: int) -> list[Refusal]:
        """Send `requests` as one batch and return what was refused: where anything was, nothing is done.

        That the batch itself is refused counts as the refusal of its first request.
        """
        about = pack(">BBH", 0, 0, subsystem)
        whole = [Request(_BEGIN, 0, about), *requests, Request(_END, 0, about)]
        first, last = self._sequence + 1, self._sequence + len(requests) + 1
        self._sequence = last
        parts = []
        for sequence, request in enumerate(whole, first):
            # The last one answers; the end of a batch does so in newer kernels only.
            flags = request.flags | NLM_F_REQUEST | (NLM_F_ACK if sequence == last else 0)
            parts.append(HEADER.pack(16 + len(request.body), request.type, flags, sequence, 0))
            parts.append(request.body + bytes(-len(request.body) % 4))
        refusals: list[Refusal] = []
        self._make_room()
        try:
            self._socket.send(b"".join(parts))
            self._acknowledgements(first, -1, refusals, sole=first)
        except OSError as error:
            raise unanswered("the kernel does not answer on a netlink socket", error, self._timeout) from error
        return [each._replace(place=max(each.place, 0)) for each in refusals]
