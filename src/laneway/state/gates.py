"""Chains of others that may refuse a packet, of iptables or native nftables: as much as it takes to say whether."""

from __future__ import annotations

from typing import NamedTuple

from laneway.state.prefix import Prefix


class GateTest(NamedTuple):
    """One condition of a rule: that a property of the packet is one of some values."""

    # "mark" is a lane's, of the packet or its flow, as VALUE/MASK.
    of: str  # "iif", "oif", "source", "to", "family", "protocol", "state", "port", "type" (of ICMP) or "mark"
    values: tuple[str, ...] = ()  # of links patterns
    prefixes: tuple[Prefix, ...] = ()  # of addresses
    negated: bool = False


UNKNOWN = GateTest("")
"""A condition that nobody can judge beforehand."""


class GateRule(NamedTuple):
    """A rule that decides, or leads to one that may."""

    tests: tuple[GateTest, ...]
    verdict: str  # "accept", "drop" (and reject), "return", "jump", "goto" or "unknown"
    target: str  # the chain that is jumped to
    text: str  # as its own tool prints it


class GateChain(NamedTuple):
    """A chain; of a base chain, where the kernel sends packets to it."""

    name: str
    rules: tuple[GateRule, ...] = ()
    hook: str = ""  # "prerouting", "input", "forward", "output", "postrouting", "ingress" or "egress"
    drops: bool = False  # its policy
    devices: tuple[str, ...] = ()  # of an ingress or egress chain: whose packets it sees, where that is known


class GateTable(NamedTuple):
    """A table with its chains, and whose tool shows it."""

    program: str  # "nft", "iptables-legacy", "ip6tables-nft", …
    name: str  # "inet fw", "filter"
    families: tuple[int, ...]
    chains: tuple[GateChain, ...]
