"""Links and interface addresses as rtnetlink messages, both ways (rtnetlink(7), linux/if_link.h, linux/if_addr.h)."""

from __future__ import annotations

import socket
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from laneway.kernel.netlink import (
    CREATE,
    NLM_F_CREATE,
    NLM_F_REPLACE,
    Request,
    attribute,
    attributes,
    chosen,
    nested,
    string,
    text,
    u32,
)
from laneway.state.links import GROUP, LinkKind
from laneway.state.prefix import IPV4, Prefix
from laneway.state.routing import PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

RTM_NEWLINK = 16
RTM_DELLINK = 17
RTM_GETLINK = 18
RTM_NEWADDR = 20
RTM_DELADDR = 21
RTM_GETADDR = 22
RTM_GETNSID = 90

_IFLA_ADDRESS = 1
_IFLA_IFNAME = 3
_IFLA_LINK = 5
_IFLA_MASTER = 10
_IFLA_LINKINFO = 18
_IFLA_IFALIAS = 20
_IFLA_AF_SPEC = 26
_IFLA_GROUP = 27
_IFLA_NET_NS_FD = 28
_IFLA_EXT_MASK = 29
_IFLA_LINK_NETNSID = 37
_IFLA_INFO_KIND = 1
_IFLA_INFO_DATA = 2
_IFLA_INFO_SLAVE_KIND = 4
_IFLA_INFO_SLAVE_DATA = 5
_IFLA_BRPORT_MODE = 4  # hairpin
_IFLA_BRPORT_ISOLATED = 33  # from Linux 4.18 on
_IFLA_INET_CONF = 1
_IFLA_INET6_CONF = 2
_IFLA_INET6_ADDR_GEN_MODE = 8
_VETH_INFO_PEER = 1
_WANTED = frozenset(
    (
        _IFLA_ADDRESS,
        _IFLA_IFNAME,
        _IFLA_LINK,
        _IFLA_MASTER,
        _IFLA_LINKINFO,
        _IFLA_IFALIAS,
        _IFLA_AF_SPEC,
        _IFLA_GROUP,
        _IFLA_LINK_NETNSID,
    )
)
_RTEXT_FILTER_SKIP_STATS = 8

_NETNSA_NSID = 1
_NETNSA_FD = 3

_IFA_ADDRESS = 1
_IFA_LOCAL = 2
_IFA_FLAGS = 8
_IFA_PROTO = 11
_IFA_F_TEMPORARY = 0x01
_IFA_F_NODAD = 0x02
_IFA_F_MANAGETEMPADDR = 0x100
_IFAPROT_KERNEL_RA = b"\x02"  # from Linux 5.18 on

_IFF_UP = 1
_LINK = Struct("=BxHiII")  # family, device type, index, flags, which flags change
_ADDRESS = Struct("=BBBBI")  # family, prefix length, flags, scope, link index
_NUMBER = Struct("=I")
_SIGNED = Struct("=i")

DYING = GROUP + 1
"""The group of links of ours that are being deleted together: the kernel deletes a whole group at once."""

OUR_GROUPS = (GROUP, DYING)

DUMP_LINKS = _LINK.pack(0, 0, 0, 0, 0) + u32(_IFLA_EXT_MASK, _RTEXT_FILTER_SKIP_STATS)
DUMP_ADDRESSES = _ADDRESS.pack(0, 0, 0, 0, 0)

_WHOLE = -1
"""The place of a sysctl that is an attribute of its own, of one byte, and not one of an array of numbers."""

# The sysctls that a link's message carries: whose, address family, attribute and place (linux/ip.h, linux/ipv6.h).
_CARRIED = (
    (LinkKind.BRIDGE, "net/ipv4/conf/{}/rp_filter", socket.AF_INET, _IFLA_INET_CONF, 7),
    (LinkKind.BRIDGE, "net/ipv4/conf/{}/accept_source_route", socket.AF_INET, _IFLA_INET_CONF, 8),
    (LinkKind.BRIDGE, "net/ipv4/conf/{}/arp_announce", socket.AF_INET, _IFLA_INET_CONF, 17),
    (LinkKind.BRIDGE, "net/ipv4/conf/{}/arp_ignore", socket.AF_INET, _IFLA_INET_CONF, 18),
    (LinkKind.BRIDGE, "net/ipv6/conf/{}/accept_ra", socket.AF_INET6, _IFLA_INET6_CONF, 3),
    (LinkKind.BRIDGE, "net/ipv6/conf/{}/addr_gen_mode", socket.AF_INET6, _IFLA_INET6_ADDR_GEN_MODE, _WHOLE),
    (LinkKind.BRIDGE, "net/ipv6/conf/{}/disable_ipv6", socket.AF_INET6, _IFLA_INET6_CONF, 26),
    (LinkKind.BRIDGE, "net/ipv6/conf/{}/seg6_enabled", socket.AF_INET6, _IFLA_INET6_CONF, 44),
    (LinkKind.VETH, "net/ipv4/conf/{}/arp_ignore", socket.AF_INET, _IFLA_INET_CONF, 18),
    (LinkKind.VETH, "net/ipv6/conf/{}/disable_ipv6", socket.AF_INET6, _IFLA_INET6_CONF, 26),
)


NOWHERE = -1
"""The place of what is in the network namespace that was asked, or whose place is not known there."""


class SeenLink(NamedTuple):
    """A link as the kernel tells it."""

    number: int  # its index in its network namespace
    name: str
    kind: str  # empty: a device, or the loopback
    group: int
    master: int
    peer: int  # index of a veth's other end, wherever that is
    up: bool
    alias: str
    hairpin: bool
    isolated: bool
    mac: bytes
    per_family: bytes  # IFLA_AF_SPEC, unread
    place: int = NOWHERE  # what the kernel calls, here, the network namespace of a veth's other end (RTM_GETNSID)


class SeenAddress(NamedTuple):
    """An interface address as the kernel tells it."""

    link: int
    address: Prefix
    protocol: int


def links(bodies: Iterable[bytes]) -> Iterator[SeenLink]:
    """Yield the links of a dump."""
    for body in bodies:
        _, _, index, flags, _ = _LINK.unpack_from(body)
        found = chosen(body, _LINK.size, _WANTED)
        info = attributes(found.get(_IFLA_LINKINFO, b""))
        port = attributes(info.get(_IFLA_INFO_SLAVE_DATA, b""))
        yield SeenLink(
            index,
            string(found.get(_IFLA_IFNAME, b"")),
            string(info.get(_IFLA_INFO_KIND, b"")),
            _number(found, _IFLA_GROUP),
            _number(found, _IFLA_MASTER),
            _number(found, _IFLA_LINK),
            bool(flags & _IFF_UP),
            string(found.get(_IFLA_IFALIAS, b"")),
            port.get(_IFLA_BRPORT_MODE) == b"\x01",
            port.get(_IFLA_BRPORT_ISOLATED) == b"\x01",
            found.get(_IFLA_ADDRESS, b""),
            found.get(_IFLA_AF_SPEC, b""),
            _SIGNED.unpack(found[_IFLA_LINK_NETNSID])[0] if _IFLA_LINK_NETNSID in found else NOWHERE,
        )


def carried_sysctls(link: SeenLink) -> Iterator[tuple[str, str]]:
    """Yield key and value of the sysctls of `link` that laneway sets on its bridges and their ports."""
    families = {family: attributes(body) for family, body in attributes(link.per_family).items()}
    for of, key, family, kind, place in _CARRIED:
        if of != link.kind:
            continue
        values = families.get(family, {}).get(kind, b"")
        if place == _WHOLE:
            yield from ((key.format(link.name), str(each)) for each in values[:1])
        elif len(values) >= place * 4 + 4:
            yield key.format(link.name), str(_SIGNED.unpack_from(values, place * 4)[0])


def _number(found: dict[int, bytes], kind: int) -> int:
    value: int = _NUMBER.unpack(found[kind])[0] if kind in found else 0
    return value


def new_bridge(name: str, *, group: int, mac: bytes) -> Request:
    """Return the request for a bridge that carries its mark of ownership from its first moment."""
    given = attribute(_IFLA_ADDRESS, mac) if mac else b""
    info = nested(_IFLA_LINKINFO, text(_IFLA_INFO_KIND, "bridge"))
    return Request(RTM_NEWLINK, CREATE, _LINK.pack(0, 0, 0, 0, 0) + _named(name, group) + given + info)


def new_veth(name: str, peer: str, *, group: int, master: int, peer_netns: int) -> Request:
    """Return the request for a veth pair, the far end born in the network namespace of descriptor `peer_netns`."""
    header = _LINK.pack(0, 0, 0, 0, 0)
    far = header + _named(peer, group) + u32(_IFLA_NET_NS_FD, peer_netns)
    data = nested(_IFLA_INFO_DATA, attribute(_VETH_INFO_PEER, far))
    info = nested(_IFLA_LINKINFO, text(_IFLA_INFO_KIND, "veth"), data)
    port = u32(_IFLA_MASTER, master) if master else b""
    return Request(RTM_NEWLINK, CREATE, header + _named(name, group) + port + info)


def _named(name: str, group: int) -> bytes:
    return text(_IFLA_IFNAME, name) + u32(_IFLA_GROUP, group)


class Change(NamedTuple):
    """What is to change of a link; None: leave it."""

    up: bool | None = None
    alias: str | None = None
    group: int | None = None
    master: int | None = None  # 0: no bridge
    hairpin: bool | None = None  # of a port of a bridge
    isolated: bool | None = None  # as that
    mac: bytes | None = None


def set_link(name: str, change: Change) -> Request:
    """Return the request that changes of the link `name` what `change` says, and nothing else."""
    parts = [text(_IFLA_IFNAME, name)]
    if change.group is not None:
        parts.append(u32(_IFLA_GROUP, change.group))
    if change.master is not None:
        parts.append(u32(_IFLA_MASTER, change.master))
    if change.mac is not None:
        parts.append(attribute(_IFLA_ADDRESS, change.mac))
    if change.alias is not None:
        parts.append(attribute(_IFLA_IFALIAS, change.alias.encode()))
    of_port = ((_IFLA_BRPORT_MODE, change.hairpin), (_IFLA_BRPORT_ISOLATED, change.isolated))
    switches = [attribute(kind, bytes([on])) for kind, on in of_port if on is not None]
    if switches:
        port = nested(_IFLA_INFO_SLAVE_DATA, *switches)
        parts.append(nested(_IFLA_LINKINFO, text(_IFLA_INFO_SLAVE_KIND, "bridge"), port))
    flags, flag_mask = (0, 0) if change.up is None else (_IFF_UP if change.up else 0, _IFF_UP)
    return Request(RTM_NEWLINK, 0, _LINK.pack(0, 0, 0, flags, flag_mask) + b"".join(parts))


def ask_for_index(index: int) -> bytes:
    """Return the body of a request (RTM_GETLINK) for the link of that index."""
    return _LINK.pack(0, 0, index, 0, 0) + u32(_IFLA_EXT_MASK, _RTEXT_FILTER_SKIP_STATS)


def ask_for_place(descriptor: int) -> bytes:
    """Return the body of a request (RTM_GETNSID) for what the kernel calls the network namespace of a descriptor."""
    return bytes(4) + u32(_NETNSA_FD, descriptor)


def place(body: bytes) -> int:
    """Return what the kernel answers that with."""
    answer = attributes(body, 4).get(_NETNSA_NSID)
    return _SIGNED.unpack(answer)[0] if answer else NOWHERE


def dump_addresses(index: int) -> bytes:
    """Return the body of a request for the addresses of the link of that index alone (NETLINK_GET_STRICT_CHK)."""
    return _ADDRESS.pack(0, 0, 0, 0, index)


def ask_for_link(name: str) -> Request:
    """Return the request for what the kernel knows of the link `name`."""
    skipped = u32(_IFLA_EXT_MASK, _RTEXT_FILTER_SKIP_STATS)
    return Request(RTM_GETLINK, 0, _LINK.pack(0, 0, 0, 0, 0) + text(_IFLA_IFNAME, name) + skipped)


def delete_link(name: str) -> Request:
    """Return the request that deletes the link `name`; of a veth pair both ends go."""
    return Request(RTM_DELLINK, 0, _LINK.pack(0, 0, 0, 0, 0) + text(_IFLA_IFNAME, name))


def delete_dying() -> Request:
    """Return the request that deletes every link of the group DYING."""
    return Request(RTM_DELLINK, 0, _LINK.pack(0, 0, 0, 0, 0) + u32(_IFLA_GROUP, DYING))


def address(body: bytes) -> SeenAddress | None:
    """Return the interface address that a message of a dump tells; None: it is of neither IPv4 nor IPv6."""
    family, length, _, _, index = _ADDRESS.unpack_from(body)
    if family not in (socket.AF_INET, socket.AF_INET6):
        return None
    found = attributes(body, _ADDRESS.size)
    # IFA_ADDRESS is the far end of a point-to-point address; the link's own is IFA_LOCAL where there is one.
    packed = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS, b"")
    protocol = found.get(_IFA_PROTO, b"\0")[0]
    return SeenAddress(index, Prefix(packed, length), protocol)


def addresses(
    bodies: list[bytes], read: Callable[[list[bytes]], Iterable[SeenAddress | None]] | None = None
) -> Iterator[SeenAddress]:
    """Yield the interface addresses of a dump."""
    return filter(None, read(bodies) if read else map(address, bodies))


def advertised(bodies: Iterable[bytes]) -> Iterator[int]:
    """Yield the indexes of links with an IPv6 address that the kernel made of a router's advertisement (addrconf.c)."""
    for body in bodies:
        family, _, short, _, index = _ADDRESS.unpack_from(body)
        if family == socket.AF_INET6:
            found = attributes(body, _ADDRESS.size)
            flags = _NUMBER.unpack(found[_IFA_FLAGS])[0] if _IFA_FLAGS in found else short
            if found.get(_IFA_PROTO) == _IFAPROT_KERNEL_RA or flags & (_IFA_F_TEMPORARY | _IFA_F_MANAGETEMPADDR):
                yield index


def address_request(kind: int, address: Prefix, link: int) -> Request:
    """Return the request that adds (RTM_NEWADDR) or deletes (RTM_DELADDR) our `address` on the link of that index."""
    parts = [attribute(_IFA_LOCAL, address.address), attribute(_IFA_ADDRESS, address.address)]
    family, flags = socket.AF_INET, 0
    if address.family != IPV4:
        # Nobody else can have the address on a link of our own: it must be usable at once (RFC 4862, 5.4).
        family, flags = socket.AF_INET6, _IFA_F_NODAD
        parts.append(u32(_IFA_FLAGS, flags))
    parts.append(attribute(_IFA_PROTO, bytes([PROTOCOL])))
    header = _ADDRESS.pack(family, address.length, flags, 0, link)
    # On our own links only: one that is there already was typed by hand, without the mark that ip(8) cannot give
    # before 6.3, and gets it.
    made = NLM_F_CREATE | NLM_F_REPLACE if kind == RTM_NEWADDR else 0
    return Request(kind, made, header + b"".join(parts))
