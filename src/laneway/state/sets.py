"""ipsets (ipset(8)): which types laneway uses, and their entries."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from laneway.state.prefix import Prefix

MAX_ENTRIES = 1 << 20
"""`maxelem` of every set: a bound, not an allocation."""

ASIDE = "lw-aside"
"""The set that is filled before it is exchanged with a live one; left by a kill, it is ours by its name."""


class SetType(StrEnum):
    """The set types in use, with ipset's own names."""

    NET = "hash:net"
    NET_IFACE = "hash:net,iface"
    NET_PORT = "hash:net,port"
    IP_PORT_NET = "hash:ip,port,net"  # hash:net,port,net is missing from some kernels; this one is older


class IpSet(NamedTuple):
    """A set's header."""

    type: SetType
    family: int
    marks: bool  # created with `skbinfo`: entries carry a mark
    more: str = ""  # what else it was created with, which none of laneway's is, as ipset(8) writes it: "timeout 300"


class SetEntry(NamedTuple):
    """One entry's identity; the parts its set's type does not have stay empty."""

    set: str
    net: Prefix
    iface: str = ""
    protocol: int = 0  # IP protocol number
    port: int = 0  # of ICMP: type << 8 | code
    net2: Prefix | None = None
    more: str = ""  # what makes it another one than laneway's, as ipset(8) names it: "nomatch", "physdev", "wildcard"
