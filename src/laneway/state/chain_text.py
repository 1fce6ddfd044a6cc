"""ChainRules as the text iptables-restore reads, in the form in which iptables-save prints them back (iptables(8)).

Reading that text is in `laneway.state.chain_parse`; what is written here and read there comes back as the same value,
given that it is canonical: iptables keeps some conditions apart from the others, so their order is not the rule's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.state.chain_parse import CT_STATES, MULTIPORT_ONLY, PORT_PROTOCOLS, parse_rule
from laneway.state.chains import (
    BaseJump,
    Bridged,
    ChainRule,
    Confirmed,
    ConnMark,
    CtDirection,
    CtState,
    Dnat,
    Dscp,
    ForeignRule,
    FromGroup,
    FromLocal,
    FromPrefix,
    IcmpType,
    InInterface,
    InSet,
    Jump,
    JumpKey,
    MapMark,
    Mark,
    Masquerade,
    NoTarget,
    OutInterface,
    Protocol,
    Reject,
    Resets,
    RestoreMark,
    SaveMark,
    SetConnMark,
    SetMark,
    Snat,
    ToGroup,
    ToLocal,
    ToPorts,
    ToPrefix,
    Verdict,
    XorMark,
    XtTable,
)
from laneway.state.prefix import IPV4, IPV6, Prefix, address_text

if TYPE_CHECKING:
    from laneway.state.chains import Match, Target
    from laneway.state.marks import FwMark

__all__ = [
    "MADE_CHAIN",
    "PRIOR_CHAIN",
    "PRIOR_COMMENT",
    "PRIOR_TABLE",
    "canonical",
    "canonical_matches",
    "jump_text",
    "parse_rule",
    "prior_rule",
    "rule_text",
]

MADE_CHAIN = "LANEWAY-MADE"
"""An empty chain in each nftables table that laneway was the first to write to: the table goes with our last chain."""

PRIOR_CHAIN = "LANEWAY-PRIOR"
"""Nothing jumps to it: its rules remember, in their comments, what sysctls were before laneway."""

PRIOR_TABLE = XtTable.MANGLE
PRIOR_COMMENT = "lw:prior:"

_ALL_BITS = 0xFFFFFFFF

_HEADER_RANK: dict[type, int] = {FromPrefix: 0, ToPrefix: 1, InInterface: 2, OutInterface: 3, Protocol: 4}
"""Conditions that iptables keeps in a rule's header and prints first, in this order; the others follow as written."""

_ALWAYS_NAMED = {1: "icmp", 6: "tcp", 17: "udp", 50: "esp", 51: "ah", 58: "ipv6-icmp", 132: "sctp", 136: "udplite"}
"""Protocols whose name iptables knows without /etc/protocols, which a small host may not have."""


def rule_text(rule: ChainRule | ForeignRule, *, family: int) -> str:
    """Return what follows `-A CHAIN ` for `rule`."""
    if isinstance(rule, ForeignRule):
        return rule.text
    words = _matches_text(canonical_matches(rule.matches), family)
    if rule.comment:
        words.append(f'-m comment --comment "{rule.comment}"')
    if target := _target_text(rule.target):
        words.append(target)
    return " ".join(words)


def jump_text(key: JumpKey, jump: BaseJump, *, family: int) -> str:
    """Return what follows `-A BASE ` for the jump to a chain of ours."""
    return rule_text(ChainRule(jump.matches, Jump(key.chain)), family=family)


def prior_rule(key: str, value: str) -> ChainRule:
    """Return the rule that remembers what sysctl `key` was."""
    return ChainRule((), NoTarget(), f"{PRIOR_COMMENT}{key}={value}")


def canonical(rule: ChainRule) -> ChainRule:
    """Return the rule with its matches in the one form that the kernel gives back."""
    matches = canonical_matches(rule.matches)
    return rule if matches == rule.matches else rule._replace(matches=matches)


def canonical_matches(matches: tuple[Match, ...]) -> tuple[Match, ...]:
    """Return the matches in the order iptables prints, less those that are always true, which it does not keep."""
    kept = [_plain(match) for match in matches if not _always_true(match)]
    return tuple(sorted(kept, key=lambda match: _HEADER_RANK.get(type(match), 5)))


def _always_true(match: Match) -> bool:
    match match:
        case FromPrefix(prefix) | ToPrefix(prefix, False):
            return prefix.length == 0
        case ToPorts(first, last):
            return (first, last) == (0, 0xFFFF)
        case Protocol(number):
            return number == 0
        case _:
            return False


def _plain(match: Match) -> Match:
    match match:
        case FromPrefix(prefix):
            return FromPrefix(_network(prefix))
        case ToPrefix(prefix, negated):
            return ToPrefix(_network(prefix), negated)
        case CtState(states, negated):
            return CtState(tuple(name for name in CT_STATES if name in states), negated)
        case _:
            return match


def _network(prefix: Prefix) -> Prefix:
    """Return the prefix with its host bits cleared."""
    below = len(prefix.address) * 8 - prefix.length
    if below == 0:
        return prefix
    number = int.from_bytes(prefix.address, "big")
    return Prefix((number >> below << below).to_bytes(len(prefix.address), "big"), prefix.length)


def _matches_text(matches: tuple[Match, ...], family: int) -> list[str]:
    protocol = next((match.number for match in matches if isinstance(match, Protocol)), 0)
    return [_match_text(match, protocol, family) for match in matches]


def _match_text(match: Match, protocol: int, family: int) -> str:  # noqa: C901, PLR0911, PLR0912  one case a kind
    match match:
        case InInterface(name):
            return f"-i {name}"
        case OutInterface(name):
            return f"-o {name}"
        case FromGroup(group):
            return f"-m devgroup --src-group {group:#x}"
        case ToGroup(group):
            return f"-m devgroup --dst-group {group:#x}"
        case FromPrefix(prefix):
            return f"-s {prefix}"
        case ToPrefix(prefix, negated):
            return f"{_no(negated)}-d {prefix}"
        case Protocol(number):
            return f"-p {_ALWAYS_NAMED.get(number, number)}"
        case ToPorts():
            return _ports_text(match, protocol)
        case Resets():
            return "-m tcp --tcp-flags RST RST"
        case IcmpType(number):
            return f"-m icmp6 --icmpv6-type {number}" if family == IPV6 else f"-m icmp --icmp-type {number}"
        case Dscp(value):
            return f"-m dscp --dscp {value:#04x}"
        case Mark(mark, negated):
            return f"-m mark {_no(negated)}--mark {_mark_text(mark)}"
        case ConnMark(mark, negated):
            return f"-m connmark {_no(negated)}--mark {_mark_text(mark)}"
        case CtState(states, negated):
            return f"-m conntrack {_no(negated)}--ctstate {','.join(states)}"
        case CtDirection(direction):
            return f"-m conntrack --ctdir {direction}"
        case Confirmed(negated):
            return f"-m conntrack {_no(negated)}--ctstatus CONFIRMED"
        case InSet(name, directions, negated):
            return f"-m set {_no(negated)}--match-set {name} {directions}"
        case FromLocal():
            return "-m addrtype --src-type LOCAL,ANYCAST"
        case ToLocal(on_arrival_link, negated):
            return f"-m addrtype {_no(negated)}--dst-type LOCAL{' --limit-iface-in' * on_arrival_link}"
        case Bridged(negated):
            return f"-m physdev {_no(negated)}--physdev-is-bridged"


def _no(negated: bool) -> str:  # noqa: FBT001
    return "! " if negated else ""


def _mark_text(mark: FwMark) -> str:
    return f"{mark.value:#x}" if mark.mask == _ALL_BITS else str(mark)


def _ports_text(ports: ToPorts, protocol: int) -> str:
    if protocol not in PORT_PROTOCOLS:
        msg = f"destination ports need a protocol that has ports, not {protocol}"
        raise ValueError(msg)
    name = PORT_PROTOCOLS[protocol]
    span = str(ports.first) if ports.first == ports.last else f"{ports.first}:{ports.last}"
    return f"-m multiport --dports {span}" if name in MULTIPORT_ONLY else f"-m {name} --dport {span}"


def _target_text(target: Target) -> str:  # noqa: C901, PLR0911, PLR0912  one case a kind
    match target:
        case Verdict():
            return f"-j {target.value}"
        case Reject(with_):
            return f"-j REJECT --reject-with {with_}"
        case Jump(chain, goto):
            return f"-{'g' if goto else 'j'} {chain}"
        case SetMark(mark):
            return f"-j MARK --set-xmark {mark}"
        case SetConnMark(mark):
            return f"-j CONNMARK --set-xmark {mark}"
        case RestoreMark(mask):
            return f"-j CONNMARK --restore-mark --nfmask {mask:#x} --ctmask {mask:#x}"
        case XorMark(mask):
            return f"-j CONNMARK --restore-mark --nfmask 0x0 --ctmask {mask:#x}"
        case SaveMark(mask):
            return f"-j CONNMARK --save-mark --nfmask {mask:#x} --ctmask {mask:#x}"
        case MapMark(name, directions):
            return f"-j SET --map-set {name} {directions} --map-mark"
        case Dnat(address, port):
            return f"-j DNAT --to-destination {_destination(address, port)}"
        case Snat(address, first, last):
            return f"-j SNAT --to-source {_destination(address, first)}{f'-{last}' if last else ''}"
        case Masquerade(first, last):
            return f"-j MASQUERADE --to-ports {first}-{last}" if last else "-j MASQUERADE"
        case NoTarget():
            return ""


def _destination(address: bytes, port: int) -> str:
    text = address_text(address)
    if not port:
        return text
    return f"{text}:{port}" if len(address) == IPV4 else f"[{text}]:{port}"
