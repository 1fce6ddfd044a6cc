"""Removes an nftables table that iptables-nft made, in one transaction that fails when anything at all is in it.

iptables-nft makes a table and its base chains when first asked to write to it, and never takes them away. nft(8) would
delete a table with all that somebody put into it meanwhile; NLM_F_NONREC tells the kernel to refuse that.
"""

from __future__ import annotations

import errno
import socket
from struct import Struct
from typing import TYPE_CHECKING

from laneway.kernel.netlink import NETFILTER, NLM_F_ACK, NLM_F_REQUEST, NetlinkSocket, attributes, string, text
from laneway.kernel.reasons import refused
from laneway.state.prefix import IPV4

if TYPE_CHECKING:
    from collections.abc import Iterator

# linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h
_BATCH_BEGIN = 0x10
_BATCH_END = 0x11
_NFTABLES = 10
_DELETE_TABLE = _NFTABLES << 8 | 2
_GET_CHAIN = _NFTABLES << 8 | 4
_DELETE_CHAIN = _NFTABLES << 8 | 5
_NONREC = 0x100
_TABLE_NAME = 1
_CHAIN_TABLE = 1
_CHAIN_NAME = 3

_HEADER = Struct("=IHHII")
_ERROR = Struct("=i")
_RECEIVE = 1 << 16


def delete_empty_table(family: int, table: str) -> bool:
    """Delete a table and its chains, all empty; return False, with nothing done, when there is more in it.

    Raises HostRefused when the kernel does not let this process look at tables.
    """
    protocol = int(socket.AF_INET if family == IPV4 else socket.AF_INET6)
    chains = _chains(protocol, table)
    batch = [
        _message(_BATCH_BEGIN, 0, _general(0, _NFTABLES)),
        *(
            _message(_DELETE_CHAIN, _NONREC, _general(protocol) + text(_CHAIN_TABLE, table) + text(_CHAIN_NAME, chain))
            for chain in chains
        ),
        _message(_DELETE_TABLE, _NONREC | NLM_F_ACK, _general(protocol) + text(_TABLE_NAME, table)),
        _message(_BATCH_END, 0, _general(0, _NFTABLES)),
    ]
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETFILTER) as kernel:
            kernel.send(b"".join(batch))
            numbers = list(_answers(kernel))
    except OSError as error:
        raise refused(f"cannot delete the empty table {table}", error) from error
    return bool(numbers) and not any(numbers)


def _chains(protocol: int, table: str) -> list[str]:
    """Return the table's chains; iptables-nft-save shows base chains that there are not, too."""
    with NetlinkSocket(NETFILTER) as kernel:
        found = [attributes(body, offset=4) for body in kernel.dump(_GET_CHAIN, _general(protocol))]
    return [string(each[_CHAIN_NAME]) for each in found if string(each[_CHAIN_TABLE]) == table]


def _general(family: int, resource: int = 0) -> bytes:
    return bytes((family, 0)) + resource.to_bytes(2, "big")


def _message(kind: int, flags: int, body: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), kind, flags | NLM_F_REQUEST, 0, 0) + body


def _answers(kernel: socket.socket) -> Iterator[int]:
    """Yield the error number of each answer; nfnetlink has queued them all when send(2) returns."""
    while True:
        try:
            datagram = kernel.recv(_RECEIVE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        if len(datagram) < _HEADER.size + _ERROR.size:
            yield errno.EPROTO
            continue
        yield -_ERROR.unpack_from(datagram, _HEADER.size)[0]
