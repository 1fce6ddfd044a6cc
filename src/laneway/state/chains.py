"""iptables rules as typed data, as far as laneway writes them; `laneway.state.chain_text` has them as text."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from laneway.state.marks import FwMark
from laneway.state.parts import part
from laneway.state.prefix import Prefix


class XtTable(StrEnum):
    """The xt_tables laneway writes to, by the order packets meet them."""

    RAW = "raw"
    MANGLE = "mangle"
    NAT = "nat"
    FILTER = "filter"


# Matches: each is one condition; a rule's matches must all hold.


@part
class InInterface(NamedTuple):
    """`-i NAME`; a plus sign at its end stands for any rest."""

    name: str


@part
class OutInterface(NamedTuple):
    """`-o NAME`."""

    name: str


@part
class FromGroup(NamedTuple):
    """`-m devgroup --src-group N`: the packet came in by a link of the group."""

    group: int


@part
class ToGroup(NamedTuple):
    """`-m devgroup --dst-group N`: the packet leaves by a link of the group."""

    group: int


@part
class FromPrefix(NamedTuple):
    """`-s PREFIX`."""

    prefix: Prefix


@part
class ToPrefix(NamedTuple):
    """`-d PREFIX` or, negated, `! -d PREFIX`."""

    prefix: Prefix
    negated: bool = False


@part
class Protocol(NamedTuple):
    """`-p NUMBER`."""

    number: int


@part
class ToPorts(NamedTuple):
    """`--dport FIRST[:LAST]` of tcp, udp, udplite, sctp or dccp; needs a `Protocol` before it."""

    first: int
    last: int


@part
class Resets(NamedTuple):
    """`-m tcp --tcp-flags RST RST`: a TCP segment that ends a connection at once; needs a `Protocol` before it."""


@part
class IcmpType(NamedTuple):
    """`--icmp-type` or `--icmpv6-type`, whichever the family has; needs a `Protocol` before it."""

    type: int


@part
class Dscp(NamedTuple):
    """`-m dscp --dscp VALUE`."""

    value: int


@part
class Mark(NamedTuple):
    """`-m mark [!] --mark VALUE/MASK`."""

    mark: FwMark
    negated: bool = False


@part
class ConnMark(NamedTuple):
    """`-m connmark [!] --mark VALUE/MASK`."""

    mark: FwMark
    negated: bool = False


@part
class CtState(NamedTuple):
    """`-m conntrack [!] --ctstate A,B`; in the order iptables prints: INVALID, NEW, RELATED, ESTABLISHED, DNAT."""

    states: tuple[str, ...]
    negated: bool = False


@part
class CtDirection(NamedTuple):
    """`-m conntrack --ctdir ORIGINAL`, or REPLY: whether the packet goes the way of its flow's first one."""

    direction: str


@part
class Confirmed(NamedTuple):
    """`-m conntrack [!] --ctstatus CONFIRMED`: a packet of its flow has left the host, or got to it, before.

    Of what has no entry (INVALID, UNTRACKED) neither holds (xt_conntrack.c).
    """

    negated: bool = False


@part
class InSet(NamedTuple):
    """`-m set [!] --match-set NAME DIRECTIONS`."""

    set: str
    directions: str
    negated: bool = False


@part
class FromLocal(NamedTuple):
    """`-m addrtype --src-type LOCAL,ANYCAST`."""


@part
class ToLocal(NamedTuple):
    """`-m addrtype [!] --dst-type LOCAL [--limit-iface-in]`."""

    on_arrival_link: bool = False
    negated: bool = False


@part
class Bridged(NamedTuple):
    """`-m physdev [!] --physdev-is-bridged`."""

    negated: bool = False


_OfPacket = InInterface | OutInterface | FromGroup | ToGroup | FromPrefix | ToPrefix
_OfProtocol = Protocol | ToPorts | Resets | IcmpType | Dscp
_OfFlow = Mark | ConnMark | CtState | CtDirection | Confirmed | InSet | FromLocal | ToLocal | Bridged
Match = _OfPacket | _OfProtocol | _OfFlow


# Targets: what becomes of a packet that matches.


class Verdict(StrEnum):
    """The targets that take no argument and end the walk of a chain."""

    ACCEPT = "ACCEPT"
    DROP = "DROP"
    RETURN = "RETURN"


@part
class Reject(NamedTuple):
    """`-j REJECT --reject-with …`: `tcp-reset`, or an ICMP error of the family's."""

    with_: str


@part
class Jump(NamedTuple):
    """`-j CHAIN`, or with `goto` `-g CHAIN`."""

    chain: str
    goto: bool = False


@part
class SetMark(NamedTuple):
    """`-j MARK --set-xmark VALUE/MASK`."""

    mark: FwMark


@part
class SetConnMark(NamedTuple):
    """`-j CONNMARK --set-xmark VALUE/MASK`."""

    mark: FwMark


@part
class RestoreMark(NamedTuple):
    """`-j CONNMARK --restore-mark --nfmask MASK --ctmask MASK`."""

    mask: int


@part
class XorMark(NamedTuple):
    """`-j CONNMARK --restore-mark --nfmask 0 --ctmask MASK`: where packet and flow differ (xt_connmark.c)."""

    mask: int


@part
class SaveMark(NamedTuple):
    """`-j CONNMARK --save-mark --nfmask MASK --ctmask MASK`."""

    mask: int


@part
class MapMark(NamedTuple):
    """`-j SET --map-set NAME DIRECTIONS --map-mark`: the mark the set's entry carries."""

    set: str
    directions: str


@part
class Dnat(NamedTuple):
    """`-j DNAT --to-destination ADDRESS[:PORT]`; port 0 keeps the packet's."""

    address: bytes
    port: int = 0


@part
class Snat(NamedTuple):
    """`-j SNAT --to-source ADDRESS`, or `ADDRESS:FIRST-LAST`, of TCP and UDP alone: with a source port of these."""

    address: bytes
    first: int = 0  # 0: the port stays, if it can
    last: int = 0


@part
class Masquerade(NamedTuple):
    """`-j MASQUERADE`, or `--to-ports FIRST-LAST`, of TCP and UDP alone: with a source port of these."""

    first: int = 0  # 0: the port stays, if it can
    last: int = 0


@part
class NoTarget(NamedTuple):
    """A rule without a target: a note, or a counter."""


Target = (
    Verdict
    | Reject
    | Jump
    | SetMark
    | SetConnMark
    | RestoreMark
    | XorMark
    | SaveMark
    | MapMark
    | Dnat
    | Snat
    | Masquerade
    | NoTarget
)


@part
class ChainRule(NamedTuple):
    """One rule of a chain.

    Matches stand in the order in which iptables prints them: prefixes, interfaces, protocol, then what needs `-m`.
    """

    matches: tuple[Match, ...]
    target: Target
    comment: str = ""  # "lw:<tenant or ->:<what>": whose it is, and what for; ASCII without quotes, at most 255


@part
class ForeignRule(NamedTuple):
    """A rule in a chain of ours that laneway did not write, or cannot read: as `iptables-save` has it."""

    text: str  # without "-A CHAIN"


class ChainKey(NamedTuple):
    """A chain's identity."""

    family: int
    table: XtTable
    name: str


Chain = tuple[ChainRule | ForeignRule, ...]


class JumpKey(NamedTuple):
    """The rule of a base chain that sends packets to a chain of ours."""

    family: int
    table: XtTable
    base: str  # PREROUTING, INPUT, FORWARD, OUTPUT or POSTROUTING
    chain: str


class BaseJump(NamedTuple):
    """How the jump is written, and whether it stands where it must."""

    matches: tuple[Match, ...] = ()
    first: bool = True  # no rule of anyone else's stands before it
