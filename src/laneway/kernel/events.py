"""What the kernel tells, unasked, of changes: links, addresses, routes, FIB rules, settings, nf_tables.

Two sockets of one's own that join multicast groups (netlink(7)), read by the few bytes that tell whether a message
concerns laneway: pyroute2 would take a fifth of a second to load, and parse every attribute of every message, on hosts
where routing daemons and containers change thousands of objects that are none of laneway's.
"""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, Self

from laneway.kernel.link_messages import OUR_GROUPS
from laneway.kernel.netlink import NETFILTER, attributes, string
from laneway.kernel.reasons import refused
from laneway.state.events import UNSEEN, Event
from laneway.state.routing import PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_NEW_LINK, _DEL_LINK = 16, 17
_NEW_ADDRESS, _DEL_ADDRESS = 20, 21
_NEW_ROUTE, _DEL_ROUTE = 24, 25
_NEW_RULE, _DEL_RULE = 32, 33
_NEW_NETCONF = 80

# RTNLGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV4_RULE, _IPV6_IFADDR, _IPV6_ROUTE, _IPV6_RULE, _IPV4_NETCONF,
# _IPV6_NETCONF (linux/rtnetlink.h): the last two tell of rp_filter and forwarding.
_ROUTE_GROUPS = sum(1 << (group - 1) for group in (1, 5, 7, 8, 9, 11, 19, 24, 25))
_NFTABLES_GROUP = 1 << (7 - 1)  # NFNLGRP_NFTABLES (linux/netfilter/nfnetlink.h)
_NFTABLES = 10  # NFNL_SUBSYS_NFTABLES
_NFT_DELETED = {2: "table", 5: "chain", 8: "rule"}  # NFT_MSG_DELTABLE and so on (linux/netfilter/nf_tables.h)
_NFT_MADE = {3: "chain", 6: "rule"}
_NFT_NAME = {2: 1, 3: 3, 5: 3, 6: 2, 8: 2}
"""The attribute with the table's name, or the chain's, by message."""

_NFT_GENERATION = 15
_GENERATION_BY = 3  # NFTA_GEN_PROC_NAME: who committed what was told before it
_XT_TABLES = frozenset(("raw", "mangle", "nat", "filter", "security"))
_BASE_CHAINS = frozenset(("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"))

_LOCAL_TABLE = 255
_IFNAME, _GROUP = 3, 27  # IFLA_*
_ADDRESS_PROTO = 11  # IFA_PROTO
_OIF, _TABLE = 4, 15  # RTA_*
_RULE_PRIORITY = 6  # FRA_PRIORITY
_NETCONF_LINK = 1  # NETCONFA_IFINDEX
_ALL, _DEFAULT = -1, -2  # NETCONFA_IFINDEX_*
_UP = 0x1  # IFF_UP
_RUNNING = 0x40  # IFF_RUNNING

_HEADER = Struct("=IHHII")
_NUMBER = Struct("=i")
_RECEIVE = 64 << 10  # bytes
_BUFFER = 4 << 20  # bytes; what comes while laneway itself changes thousands of objects
_SO_RCVBUFFORCE = 33
_OUR_NAMES = ("lwb-", "lwv")


class Watch:
    """Sockets on which the kernel tells what was changed, of this network namespace."""

    def __init__(self) -> None:
        """Join the groups; raises HostRefused."""
        self._route = _joined(socket.NETLINK_ROUTE, _ROUTE_GROUPS)
        self._nftables: socket.socket | None = None
        with suppress(OSError):  # a kernel without nf_tables has nothing to tell of it
            self._nftables = _joined(NETFILTER, _NFTABLES_GROUP, quiet=True)
        self._uplinks: frozenset[str] = frozenset()
        self._indexes: set[int] = set()  # of the uplinks' links, and of those that had their names

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self.sockets:
            each.close()

    @property
    def sockets(self) -> list[socket.socket]:
        """Return what becomes readable when something was changed."""
        return [each for each in (self._route, self._nftables) if each is not None]

    def heed(self, uplinks: Collection[str]) -> None:
        """Take the names of the links that are uplinks: what is changed of them concerns laneway."""
        self._uplinks = frozenset(uplinks)
        self._indexes = set()
        for name in sorted(uplinks):
            with suppress(OSError):  # it is not there
                self._indexes.add(socket.if_nametoindex(name))

    def events(self) -> list[Event]:
        """Return what was told since, of what concerns laneway."""
        found: list[Event] = []
        for each in self.sockets:
            told = self._of_route if each is self._route else _of_nftables
            for datagram in _waiting(each):
                found += [UNSEEN] if datagram is None else told(datagram)
        return found

    def _of_route(self, datagram: bytes) -> list[Event]:
        return [event for kind, port, body in _messages(datagram) if (event := self._event(kind, port, body))]

    def _event(self, kind: int, port: int, body: bytes) -> Event | None:
        if kind in (_NEW_LINK, _DEL_LINK):
            return self._of_link(kind, body)
        if kind in (_NEW_ADDRESS, _DEL_ADDRESS):
            return self._of_address(kind, body)
        if kind in (_NEW_ROUTE, _DEL_ROUTE):
            return self._of_route_message(kind, port, body)
        if kind in (_NEW_RULE, _DEL_RULE):
            priority = _number(attributes(body, 12).get(_RULE_PRIORITY))
            return Event(f"ip rule {priority} {_done(kind == _NEW_RULE)}", by=_program(port))
        return self._of_setting(body) if kind == _NEW_NETCONF else None

    def _of_setting(self, body: bytes) -> Event | None:
        index = _number(attributes(body, 4).get(_NETCONF_LINK))
        concerns = index in (_ALL, _DEFAULT) or index in self._indexes or _is_ours(index)
        return Event("a setting of the network was changed") if concerns else None

    def _of_link(self, kind: int, body: bytes) -> Event | None:
        family, index, flags = body[0], _number(body[4:8]), _number(body[8:12])
        if family:  # a bridge tells of its ports besides
            return None
        found = attributes(body, 16)
        name = string(found.get(_IFNAME, b""))
        if name in self._uplinks or index in self._indexes:
            self._indexes.add(index)
            state = "is up" if flags & _UP and flags & _RUNNING else "is down"
            return Event(f"link {name} {'is gone' if kind == _DEL_LINK else state}", of_uplink=True)
        if _number(found.get(_GROUP)) in OUR_GROUPS:
            return Event(f"link {name} {'was deleted' if kind == _DEL_LINK else 'was changed'}")
        return None

    def _of_address(self, kind: int, body: bytes) -> Event | None:
        index, made = _number(body[4:8]), kind == _NEW_ADDRESS
        if index in self._indexes:
            return Event(f"an address of {_name(index)} {_done(made)}", of_uplink=not made)
        if attributes(body, 8).get(_ADDRESS_PROTO) == bytes([PROTOCOL]) or _is_ours(index):
            return Event(f"an address of {_name(index)} {_done(made)}")
        return None

    def _of_route_message(self, kind: int, port: int, body: bytes) -> Event | None:
        length, protocol = body[1], body[5]
        found = attributes(body, 12)
        table = _number(found.get(_TABLE)) if _TABLE in found else body[4]
        if table == _LOCAL_TABLE:
            return None
        if protocol == PROTOCOL:
            return Event(f"a route of table {table} {_done(kind == _NEW_ROUTE)}", by=_program(port))
        if not length:
            return Event(f"a default route {_done(kind == _NEW_ROUTE)}", by=_program(port))
        if _number(found.get(_OIF)) in self._indexes:
            return Event(f"a route by {_name(_number(found.get(_OIF)))} {_done(kind == _NEW_ROUTE)}")
        return None


def _joined(protocol: int, groups: int, *, quiet: bool = False) -> socket.socket:
    one = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, protocol)
    try:
        one.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    except PermissionError:  # root of a user namespace only
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    try:
        one.bind((0, groups))
    except OSError as error:
        one.close()
        if quiet:
            raise
        raise refused("cannot follow what is changed on this host", error) from error
    return one


def _waiting(one: socket.socket) -> Iterator[bytes | None]:
    """Yield the datagrams that wait, None for those that were lost."""
    while True:
        try:
            yield one.recv(_RECEIVE)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise refused("cannot follow what is changed on this host", error) from error
            yield None


def _messages(datagram: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield type, port of whoever asked for the change, and body."""
    offset, end = 0, len(datagram) - 15
    while offset < end:
        length, kind, _, _, port = _HEADER.unpack_from(datagram, offset)
        if length < _HEADER.size:
            return
        yield kind, port, datagram[offset + 16 : offset + length]
        offset += (length + 3) & ~3


def _of_nftables(datagram: bytes) -> list[Event]:
    found: list[str] = []
    by = ""
    for kind, _, body in _messages(datagram):
        subsystem, message = divmod(kind, 256)
        if subsystem != _NFTABLES:
            continue
        if message == _NFT_GENERATION:
            by = string(attributes(body, 4).get(_GENERATION_BY, b""))
        elif message in _NFT_NAME:
            found += _nft_change(message, attributes(body, 4))
    return [Event(what, by=by) for what in dict.fromkeys(found)]


def _nft_change(message: int, found: dict[int, bytes]) -> Iterator[str]:
    table, name = string(found.get(1, b"")), string(found.get(_NFT_NAME[message], b""))
    ours = name.startswith(("LANEWAY", "laneway")) or table.startswith("laneway")
    if not ours and not (table in _XT_TABLES and (name in _BASE_CHAINS or message == 2)):  # noqa: PLR2004  a table
        return
    if message in _NFT_DELETED:
        noun = _NFT_DELETED[message]
        yield f"nf_tables: {noun} {name} was deleted" if noun != "rule" else f"nf_tables: a rule of {name} was deleted"
    else:
        yield f"nf_tables: {name} was changed"


def _done(made: bool) -> str:  # noqa: FBT001  a word for each
    return "was added" if made else "was deleted"


def _number(payload: bytes | None) -> int:
    return _NUMBER.unpack(payload)[0] if payload and len(payload) == _NUMBER.size else 0


def _name(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:
        return f"link {index}"


def _is_ours(index: int) -> bool:
    return _name(index).startswith(_OUR_NAMES)


def _program(port: int) -> str:
    """Return the name of the process that a port is of: a program's first socket has the number of its process."""
    if port in (0, os.getpid()):
        return ""
    try:
        return Path(f"/proc/{port}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
