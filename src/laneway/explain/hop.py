"""One step of a packet, and all of them: what it met, and what that did."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from laneway.state.chains import ChainKey, ChainRule, ForeignRule, JumpKey
from laneway.state.links import LinkKey
from laneway.state.nft import NftRule
from laneway.state.routing import FibRule, Route, RouteKey
from laneway.state.sets import SetEntry
from laneway.state.underlay import MainRoute


class Verdict(StrEnum):
    """What becomes of a packet."""

    DELIVERED = "delivered"
    REFUSED = "refused"  # and the sender is told at once
    DROPPED = "dropped"  # in silence


class InChain(NamedTuple):
    """A rule and where it stands; rules of a chain count from 1."""

    key: ChainKey
    number: int
    rule: ChainRule | ForeignRule


class InTable(NamedTuple):
    """A rule of laneway's native table of nftables, and where it stands; rules of a chain count from 1."""

    chain: str
    number: int
    rule: NftRule


class OnWay(NamedTuple):
    """A route of a table of laneway's or of a workload's."""

    key: RouteKey
    route: Route


Thing = InChain | InTable | JumpKey | FibRule | OnWay | MainRoute | LinkKey


class Hop(NamedTuple):
    """One step: where on the way, the kernel's object, what it did to the packet."""

    stage: str
    effect: str
    thing: Thing | None = None
    entry: SetEntry | None = None  # of a set, when that decided
    mark: int | None = None  # the packet's mark from here on, when it changed
    minor: bool = False  # it leads on and decides nothing: told only in full


class Query(NamedTuple):
    """A routing decision as the kernel can be asked for it (RTM_GETROUTE), and what the walk says of it."""

    source: bytes
    to: bytes
    mark: int
    arrives: str  # "": the host's own packet
    answer: str  # "local", "unicast", "unreachable", "prohibit", "blackhole" or "none"
    dev: str = ""
    via: bytes = b""


class Trail:
    """What a packet has met so far."""

    def __init__(self) -> None:
        """Begin with nothing met."""
        self.hops: list[Hop] = []
        self.queries: list[Query] = []

    def add(self, stage: str, effect: str, thing: Thing | None = None, **more: object) -> None:
        """Note a step."""
        self.hops.append(Hop(stage, effect, thing, **more))  # type: ignore[arg-type]


class Leg(NamedTuple):
    """One direction of a flow, from its sender to where it ended."""

    verdict: Verdict
    hops: tuple[Hop, ...]
    queries: tuple[Query, ...]
    by: str = ""  # who got it: "host", "outside", a workload's netns, or "" for nobody
    link: str = ""  # the link of the host that it left by
    source: bytes = b""  # as who got it sees it
    source_port: int = 0
    to: bytes = b""
    port: int = 0
    mark: int = 0  # when it was last looked at


class Walk(NamedTuple):
    """A flow's first three packets, as far as they come: what is asked, the answer, and what is said next."""

    forward: Leg
    reply: Leg | None = None
    later: Leg | None = None  # like the first, but known, and with the mark that the flow has by now

    @property
    def answered(self) -> bool:
        """Return whether the packet arrives, its answer too, and what follows as well."""
        legs = (self.forward, self.reply, self.later)
        return all(leg is not None and leg.verdict is Verdict.DELIVERED for leg in legs)
