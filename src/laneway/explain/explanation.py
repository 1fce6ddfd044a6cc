"""A walk in the words of the policy: which uplink, which lane, seen as whom, refused by what."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.explain.hop import InChain, Verdict
from laneway.explain.origin import REFUSED
from laneway.explain.packet import FromOutside, FromWorkload
from laneway.explain.walk import HOST, OUTSIDE, walk
from laneway.state.chains import ChainRule, Masquerade

if TYPE_CHECKING:
    from laneway.explain.hop import Hop, Leg, Walk
    from laneway.explain.origin import LaneName, Origins
    from laneway.explain.packet import Packet
    from laneway.explain.terrain import Terrain


class Ground(NamedTuple):
    """A host to ask about packets, and the policy behind what it holds."""

    terrain: Terrain
    origins: Origins


class Explanation(NamedTuple):
    """What becomes of a packet, and why."""

    ground: Ground
    packet: Packet
    walk: Walk

    @property
    def verdict(self) -> Verdict:
        """Return what becomes of the packet itself."""
        return self.walk.forward.verdict

    @property
    def uplink(self) -> str | None:
        """Return the uplink that the packet leaves or, from outside, comes in by."""
        sender = self.packet.sender
        return self._uplink(sender.link) if isinstance(sender, FromOutside) else self._left_by(self.walk.forward)

    @property
    def reply_uplink(self) -> str | None:
        """Return the uplink that the answer leaves by."""
        return self._left_by(self.walk.reply) if self.walk.reply else None

    def _left_by(self, leg: Leg) -> str | None:
        return self._uplink(leg.link) if leg.by == OUTSIDE else None

    def _uplink(self, link: str) -> str | None:
        uplink = self.ground.origins.uplink_of(link)
        return uplink.name if uplink else None

    @property
    def lane(self) -> LaneName | None:
        """Return the flow's lane: the packet's, or of what reaches the host itself the answer's; None: it has none."""
        reply = self.walk.reply
        lane = self.ground.origins.lane(self.walk.forward.mark or (reply.mark if reply else 0))
        return None if lane is not None and lane.uplink == REFUSED else lane

    @property
    def source_seen(self) -> bytes | None:
        """Return the source address that whoever gets the packet sees."""
        return self.walk.forward.source if self.verdict is Verdict.DELIVERED else None

    @property
    def masqueraded(self) -> bool:
        """Return whether the source outside is an address of the host's that nobody wrote down."""
        rules = (hop.thing.rule for hop in self.walk.forward.hops if isinstance(hop.thing, InChain))
        return any(isinstance(rule, ChainRule) and isinstance(rule.target, Masquerade) for rule in rules)

    @property
    def by(self) -> str:
        """Return who gets the packet: "host", "internet" for anybody outside, "tenant/workload", or nobody."""
        leg = self.walk.forward
        if leg.by == OUTSIDE:
            return "internet" if self._left_by(leg) else f"outside, by {leg.link}"
        return leg.by if leg.by in {"", HOST} else self.name_of(leg.by)

    def name_of(self, netns: str) -> str:
        """Return a workload's name as the policy has it."""
        found = self.ground.origins.workload(netns)
        return f"{found[0].name}/{found[1].name}" if found else netns

    @property
    def sender(self) -> str:
        """Return who sends the packet."""
        match self.packet.sender:
            case FromWorkload(netns):
                return self.name_of(netns)
            case FromOutside():
                return "internet"
            case _:
                return HOST

    @property
    def stopped_by(self) -> Hop | None:
        """Return what refused or dropped the packet, or else its answer."""
        legs = (self.walk.forward, self.walk.reply, self.walk.later)
        return next((leg.hops[-1] for leg in legs if leg and leg.verdict is not Verdict.DELIVERED and leg.hops), None)


def explain(ground: Ground, packet: Packet) -> Explanation:
    """Return what becomes of `packet`."""
    return Explanation(ground, packet, walk(ground.terrain, packet))
