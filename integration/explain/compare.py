"""What the walk says of a probe, in the terms of what the lab saw."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from laneway.explain.hop import Verdict
from laneway.explain.packet import FromHost, FromOutside, FromWorkload, Packet
from laneway.explain.walk import HOST, OUTSIDE, walk
from laneway.lab.judge import BEYOND, protocol_number
from laneway.lab.trial import Outside, Resident
from laneway.policy.names import netns_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.explain.hop import Leg, Walk
    from laneway.explain.packet import Sender
    from laneway.explain.terrain import Terrain
    from laneway.lab.judge import World
    from laneway.lab.trial import Outcome, Probe

CLOSED = "rejected, ECONNREFUSED: Connection refused"
"""What the network stack of the one who gets a packet says when no program listens; laneway never says it."""

TRANSPORTS = {"tcp", "udp", "icmp"}


def packet_of(world: World, probe: Probe) -> Packet:
    """Return the packet that a probe sends."""
    sender: Sender = FromHost()
    if isinstance(probe.sender, Resident):
        sender = FromWorkload(probe.sender.netns)
    elif isinstance(probe.sender, Outside):
        sender = FromOutside(world.topology.provider(probe.sender.uplink).interface)
    source = probe.source.packed if probe.source is not None else None
    number = protocol_number(probe.protocol, probe.family)
    return Packet(sender, probe.to.packed, number, probe.port, source, probe.dscp)


def disagreements(world: World, terrain: Terrain, probe: Probe, outcome: Outcome) -> list[str]:
    """Return in what the kernel did otherwise than the walk says."""
    told = walk(terrain, packet_of(world, probe))
    return list(_differences(_Told(world, probe, told), outcome))


class _Told:
    """The walk's word in the lab's terms."""

    def __init__(self, world: World, probe: Probe, told: Walk) -> None:
        self.world = world
        self.probe = probe
        self.forward = told.forward
        self.reply = told.reply
        self.flow_holds = told.answered
        self.uplinks = {each.interface: each.uplink for each in world.topology.providers}
        self.workloads = {
            netns_name(tenant.name, each.name): f"{tenant.name}/{each.name}"
            for tenant in world.policy.tenants
            for each in tenant.workloads
        }
        self.arrived = self._arrived()
        self.answered = self.arrived and (probe.protocol not in TRANSPORTS or self._comes_back())

    def _arrived(self) -> bool:
        return self.forward.verdict is Verdict.DELIVERED and self._lets_pass(self.forward)

    def _lets_pass(self, leg: Leg) -> bool:
        """Return whether the provider, if the packet comes by one, takes its source for the host's (BCP 38)."""
        if leg.by != OUTSIDE:
            return True
        if leg.link not in self.uplinks:
            return False
        side = self.world.topology.provider(self.uplinks[leg.link]).sides.get(self.probe.family)
        source = ip_address(leg.source)
        return side is not None and any(source in each for each in side.permitted)

    def _comes_back(self) -> bool:
        """Return whether an answer comes: to a TCP connection's first packet one has to be answered in turn."""
        if self.reply is None or self.reply.verdict is not Verdict.DELIVERED or not self._lets_pass(self.reply):
            return False
        return self.flow_holds or self.probe.protocol != "tcp"

    @property
    def by(self) -> str:
        """Who answers."""
        return {HOST: "host", OUTSIDE: BEYOND}.get(self.forward.by, self.workloads.get(self.forward.by, ""))

    @property
    def uplink(self) -> str:
        """The uplink that the packet leaves by."""
        return self.uplinks.get(self.forward.link, "") if self.forward.by == OUTSIDE else ""


def _differences(told: _Told, outcome: Outcome) -> Iterator[str]:
    if told.answered and outcome.how == CLOSED:
        return  # it got there and back: nobody listens, because the lab did not expect it there
    if told.answered != outcome.delivered:
        how = "answered" if told.answered else f"{told.forward.verdict}, {told.reply.verdict if told.reply else '-'}"
        yield f"walk: {how}; kernel: {'answered' if outcome.delivered else outcome.how}"
        return
    # Of a packet from outside, what a provider sees are answers and refusals.
    outward = not isinstance(told.probe.sender, Outside)
    seen = {(each.uplink, each.source) for each in outcome.seen if outward}
    if told.uplink:
        expected = {(told.uplink, ip_address(told.forward.source))}
        if seen and seen != expected:
            yield f"walk: seen {expected}; kernel: {seen}"
        if not seen and outcome.uplink not in ("", told.uplink):
            yield f"walk: by {told.uplink}; kernel: {outcome.uplink}"
    elif seen:
        yield f"walk: leaves by no uplink; kernel: {seen}"
    if not outcome.delivered:
        yield from _refusals(told, outcome)
        return
    if outcome.by != told.by:
        yield f"walk: answered by {told.by}; kernel: {outcome.by}"
    source = ip_address(told.forward.source)
    if outcome.source is not None and outcome.source != source:
        yield f"walk: seen as {source}; kernel: {outcome.source}"


def _refusals(told: _Told, outcome: Outcome) -> Iterator[str]:
    if outcome.reached and not told.arrived:
        yield f"walk: {told.forward.verdict}; kernel: reached {outcome.reached}"
    if told.forward.verdict is Verdict.DROPPED and outcome.how != "silence" and not told.probe.spoofed:
        yield f"walk: dropped in silence; kernel: {outcome.how}"
