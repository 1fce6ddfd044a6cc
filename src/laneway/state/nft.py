"""The native table of nftables, as far as laneway writes one; `laneway.state.nft_text` has it as text (nft(8))."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from laneway.state.parts import part
from laneway.state.prefix import IPV4, IPV6

TABLE = "laneway"
"""The name, in family inet, by which the table is laneway's."""

SAME_BRIDGE = "same_bridge"
"""The set of tenants' bridges, each with itself: what a tenant sends from one of its subnets to another."""

HOST_PORTS = "host_ports"
HOST_PING = "host_ping"
"""The sets of what each tenant may reach on the host."""

GATEWAYS = {IPV4: "gateways4", IPV6: "gateways6"}
"""The sets of the host's addresses on tenants' bridges."""

UNCHANGED = {IPV4: "unchanged4", IPV6: "unchanged6"}
"""The sets of source addresses that may leave by an uplink as they are: NAT calls no flow translated that keeps one."""


class Column(StrEnum):
    """What a part of a set's key is, with nft's names of its types."""

    LINK = "ifname"
    PROTOCOL = "inet_proto"
    PORT = "inet_service"
    ADDRESS4 = "ipv4_addr"
    ADDRESS6 = "ipv6_addr"


SETS: dict[str, tuple[Column, ...]] = {
    SAME_BRIDGE: (Column.LINK, Column.LINK),
    HOST_PORTS: (Column.LINK, Column.PROTOCOL, Column.PORT),
    HOST_PING: (Column.LINK,),
    GATEWAYS[IPV4]: (Column.ADDRESS4,),
    GATEWAYS[IPV6]: (Column.ADDRESS6,),
    UNCHANGED[IPV4]: (Column.LINK, Column.ADDRESS4),
    UNCHANGED[IPV6]: (Column.LINK, Column.ADDRESS6),
}
"""The sets of laneway's table, and what their keys are made of."""


class Field(StrEnum):
    """What of a packet is looked at, in nft's words."""

    IIF = "meta iif"
    IIFGROUP = "iifgroup"
    OIFGROUP = "oifgroup"
    IIFNAME = "iifname"
    OIFNAME = "oifname"
    MARK = "meta mark"
    FAMILY = "meta nfproto"
    PROTOCOL = "meta l4proto"
    CT_STATE = "ct state"
    CT_STATUS = "ct status"
    SOURCE4 = "ip saddr"
    SOURCE6 = "ip6 saddr"
    TO4 = "ip daddr"
    TO6 = "ip6 daddr"
    ICMP_TYPE = "icmp type"
    ICMP6_TYPE = "icmpv6 type"
    PORT = "th dport"
    TO_ON_ARRIVAL_LINK = "fib daddr . iif type"


@part
class Compare(NamedTuple):
    """`FIELD [& MASK] VALUE`, or with `!=`; of bits, with a mask and `any`, that one of them is set."""

    field: Field
    value: int
    mask: int = 0  # 0: all of it
    negated: bool = False


@part
class AnyBit(NamedTuple):
    """`ct state A,B`: one of these bits is set."""

    field: Field
    bits: int


@part
class Named(NamedTuple):
    """`iifname NAME` or `oifname NAME`."""

    field: Field
    name: str


@part
class Member(NamedTuple):
    """`FIELD . FIELD @SET`."""

    fields: tuple[Field, ...]
    set: str


@part
class Unread(NamedTuple):
    """What laneway writes in no rule, and does not read."""

    text: str  # the expressions by their names
    raw: bytes  # as the kernel has them


NftMatch = Compare | AnyBit | Named | Member | Unread


@part
class NftRule(NamedTuple):
    """One rule."""

    matches: tuple[NftMatch, ...]
    verdict: str  # "accept", "drop", "goto CHAIN"; empty for what is not read


class NftChain(NamedTuple):
    """A chain; one with a hook is where packets enter the table."""

    name: str
    rules: tuple[NftRule, ...] = ()
    hook: str = ""
    priority: int = 0
    base_policy: str = ""  # of a chain with a hook: "accept" or "drop"


class NftTable(NamedTuple):
    """A table of family inet, without what is in its sets."""

    chains: tuple[NftChain, ...] = ()  # by their names
    sets: tuple[tuple[str, tuple[Column, ...]], ...] = tuple(sorted(SETS.items()))
    flags: int = 0  # NFT_TABLE_F_…: 1 is dormant


class NftElement(NamedTuple):
    """One element's identity; the parts that its set's key does not have stay empty."""

    set: str
    link: str = ""
    to: str = ""
    protocol: int = 0
    port: int = 0
    address: bytes = b""
