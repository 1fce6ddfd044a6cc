"""The packet that is asked about, and the one under way."""

from __future__ import annotations

from typing import NamedTuple

from laneway.state.prefix import IPV4, family_of

TCP, UDP = 6, 17
ICMP = {IPV4: 1, 6: 58}
ECHO = {IPV4: (8, 0), 6: (128, 129)}
"""ICMP types of an echo request and its reply, by family (RFC 792, RFC 4443)."""


class FromWorkload(NamedTuple):
    """The packet is sent inside a workload's network namespace."""

    netns: str


class FromOutside(NamedTuple):
    """The packet comes in by a link of the host."""

    link: str


class FromHost(NamedTuple):
    """The packet is sent by a program of the host's own."""


Sender = FromWorkload | FromOutside | FromHost


class Packet(NamedTuple):
    """The first packet of a flow; the walk follows it and its answer."""

    sender: Sender
    to: bytes
    protocol: int
    port: int = 0  # of the destination; 0 where the protocol has none
    source: bytes | None = None  # None: the one that the sender's network would choose
    dscp: int = 0

    @property
    def family(self) -> int:
        """Return 4 or 6."""
        return family_of(self.to)


class Flow:
    """What connection tracking keeps of a flow."""

    new_to: tuple[bytes, int] | None = None  # DNAT
    new_source: bytes | None = None  # SNAT or masquerading

    def __init__(self, source: bytes, to: bytes, port: int, *, mark: int = 0) -> None:
        """Begin as the first packet's sender and what it is for say."""
        self.source = source
        self.to = to
        self.port = port
        self.mark = mark

    @property
    def translations(self) -> frozenset[str]:
        """Return the states that `--ctstate` knows besides, in both directions (xt_conntrack)."""
        found = [("DNAT", self.new_to), ("SNAT", self.new_source)]
        return frozenset(name for name, value in found if value is not None)


class Skb:
    """A packet in the kernel: what rules look at and change on its way."""

    icmp_type: int = 0
    mark: int = 0
    arrives: str = ""  # the link it came in by
    leaves: str = ""  # the link it goes out by
    bridged: bool = False  # a frame between two ports of a bridge
    reply: bool = False  # it goes from who was asked to who asked
    known: bool = False  # both directions have been seen before it
    bound: str = ""  # the only link that it may leave by
    unasked: bool = False  # an answer in which connection tracking sees none to anything
    flow: Flow | None = None  # None: connection tracking has not seen it yet, or cannot place it

    def __init__(  # noqa: PLR0913, PLR0917  what a header has
        self, family: int, protocol: int, source: bytes, to: bytes, source_port: int = 0, port: int = 0, dscp: int = 0
    ) -> None:
        """Have these headers; source port 0 is some port that nobody has a rule about."""
        self.family = family
        self.protocol = protocol
        self.source = source
        self.to = to
        self.source_port = source_port
        self.port = port
        self.dscp = dscp

    @property
    def is_first(self) -> bool:
        """Return whether it opens its flow: only then the rules of nat are asked."""
        return not self.reply and not self.known

    @property
    def states(self) -> frozenset[str]:
        """Return the connection states that `--ctstate` matches."""
        if self.flow is None:
            return frozenset({"INVALID"})
        return self.flow.translations | {"NEW" if self.is_first else "ESTABLISHED"}
