"""A flow's first packet and its answer, from who sends to who gets it, as the kernel takes them.

Not walked: what others have put into the host's base chains and FIB rules. `laneway explain --live` asks the kernel
itself for its routing, and says where it differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.explain.chains import Hook, tables
from laneway.explain.hop import Leg, Trail, Verdict, Walk
from laneway.explain.native import NativeHook
from laneway.explain.packet import ECHO, ICMP, TCP, Flow, FromHost, FromOutside, FromWorkload, Packet, Skb
from laneway.explain.reach import EVERYBODY, stays_on_link
from laneway.explain.routing import LOCAL, Decision, route, source_is_valid
from laneway.explain.translation import own_address
from laneway.explain.workload import leave
from laneway.state.chains import XtTable
from laneway.state.prefix import address_text
from laneway.state.routing import RouteKind

if TYPE_CHECKING:
    from laneway.explain.packet import Sender
    from laneway.explain.terrain import Terrain

HOST = "host"
OUTSIDE = "outside"

REFUSALS = {RouteKind.UNREACHABLE.value, RouteKind.PROHIBIT.value, "none"}
"""Routing results that the sender is told of with an ICMP error."""


def walk(terrain: Terrain, packet: Packet) -> Walk:
    """Return what becomes of a packet, of the answer of whoever gets it, and of what the sender says to that."""
    skb = _asked(packet)
    forward = _Journey(terrain, skb).go(packet.sender)
    if forward.verdict is not Verdict.DELIVERED or skb.flow is None:
        return Walk(forward)
    answer = _answer(terrain, forward, skb)
    reply = _Journey(terrain, answer).go(_answerer(forward))
    if reply.verdict is not Verdict.DELIVERED:
        return Walk(forward, reply)
    later = _asked(packet)
    later.known, later.flow, later.source = not answer.unasked, skb.flow, skb.flow.source
    return Walk(forward, reply, _Journey(terrain, later).go(packet.sender))


def _asked(packet: Packet) -> Skb:
    skb = Skb(packet.family, packet.protocol, packet.source or b"", packet.to, port=packet.port, dscp=packet.dscp)
    if packet.protocol == ICMP[packet.family]:
        skb.icmp_type = ECHO[packet.family][0]
    return skb


def _answer(terrain: Terrain, forward: Leg, asked: Skb) -> Skb:
    """Return the first packet of the way back; marks are the host's alone, and end with the packet."""
    answer = Skb(asked.family, asked.protocol, forward.to, forward.source, forward.port, forward.source_port)
    answer.reply, answer.flow = True, asked.flow
    if asked.protocol == ICMP[asked.family]:
        answer.icmp_type = ECHO[asked.family][1]
        if forward.by == HOST and terrain.is_anycast(forward.to):
            # From an address that is the host's alone, which is chosen for the link that it was asked by: without
            # a source a lookup for a link is strict (icmpv6_echo_reply; ip6_route_output_flags, any_src).
            answer.source, answer.bound = b"", asked.arrives
            answer.reply, answer.flow, answer.unasked = False, None, True
    return answer


def _answerer(forward: Leg) -> Sender:
    if forward.by == HOST:
        return FromHost()
    return FromOutside(forward.link) if forward.by == OUTSIDE else FromWorkload(forward.by)


class _Journey:
    """One packet under way; each step returns the leg when the packet's way ends there."""

    def __init__(self, terrain: Terrain, skb: Skb) -> None:
        self.terrain = terrain
        self.skb = skb
        self.trail = Trail()

    def go(self, sender: Sender) -> Leg:
        """Send the packet on its way."""
        match sender:
            case FromHost():
                return self._originate()
            case FromOutside(link):
                self.trail.add("arrives", f"from outside by {link}")
                return self._receive(link)
            case FromWorkload(netns):
                departure = leave(self.terrain, self.skb, netns, self.trail)
                if departure.verdict is not None:
                    by = netns if departure.verdict is Verdict.DELIVERED else ""
                    if by:
                        self._track()
                    return self._end(departure.verdict, by=by)
                return (
                    self._bridge(departure.bridge, departure.to_netns)
                    if departure.to_netns
                    else (self._receive(departure.bridge))
                )

    def _end(self, verdict: Verdict, *, by: str = "", link: str = "") -> Leg:
        skb = self.skb
        return Leg(
            verdict,
            tuple(self.trail.hops),
            tuple(self.trail.queries),
            by=by,
            link=link,
            source=skb.source,
            source_port=skb.source_port,
            to=skb.to,
            port=skb.port,
            mark=skb.mark,
        )

    def _hooks(self, base: str, *only: XtTable, nexthop: bytes = b"") -> Verdict | None:
        """Take the packet through xt_tables of a hook; None: it goes on."""
        for table in only:
            hook = Hook(self.terrain, self.skb, self.trail, table, base, nexthop)
            verdict = hook.passes()
            if verdict is not None:
                return verdict
        return None

    def _track(self) -> None:
        """Have connection tracking look at the packet: what is known has its flow already."""
        if self.skb.flow is None and not self.skb.unasked:
            self.skb.flow = Flow(self.skb.source, self.skb.to, self.skb.port)

    def _prerouting(self) -> Verdict | None:
        known, self.skb.flow = self.skb.flow, None  # raw comes before connection tracking
        verdict = self._hooks("PREROUTING", XtTable.RAW)
        self.skb.flow = known
        self._track()
        verdict = verdict or self._hooks("PREROUTING", XtTable.MANGLE)
        return verdict or self._new_destination("PREROUTING")

    def _new_destination(self, base: str) -> Verdict | None:
        """Translate the destination: a first packet's by the rules of nat, later ones' as it was then."""
        skb, flow = self.skb, self.skb.flow
        if skb.is_first or flow is None:
            return self._hooks(base, XtTable.NAT)
        if skb.reply and flow.new_source is not None and skb.to == flow.new_source:
            skb.to = flow.source
            self.trail.add("conntrack", f"reply: the destination becomes {address_text(flow.source)}")
        elif not skb.reply and flow.new_to is not None:
            skb.to, skb.port = flow.new_to
            self.trail.add("conntrack", f"DNAT to {address_text(skb.to)}, as before")
        return None

    def _new_source(self, nexthop: bytes = b"") -> Verdict | None:
        """Translate the source in the same way."""
        skb, flow = self.skb, self.skb.flow
        if skb.is_first or flow is None:
            return self._hooks("POSTROUTING", XtTable.NAT, nexthop=nexthop)
        if skb.reply and flow.new_to is not None and skb.source == flow.new_to[0]:
            skb.source, skb.source_port = flow.to, flow.port
            self.trail.add("conntrack", f"reply: the source becomes {address_text(flow.to)}")
        elif not skb.reply and flow.new_source is not None:
            skb.source = flow.new_source
            self.trail.add("conntrack", f"SNAT to {address_text(skb.source)}, as before")
        return None

    def _receive(self, link: str) -> Leg:
        """Take a packet that came in by a link of the host."""
        self.skb.arrives = link
        verdict = self._prerouting()
        if verdict is not None:
            return self._end(verdict)
        if self.skb.to == EVERYBODY:
            self.trail.add("route", "is for everybody on the link")
            return self._deliver()
        own = self.terrain.is_local(self.skb.to) or self.terrain.is_anycast(self.skb.to)
        if stays_on_link(self.skb.to) and not own:
            self.trail.add("route", f"drops it: what is for {address_text(self.skb.to)} stays on its link")
            return self._end(Verdict.DROPPED)
        if not source_is_valid(self.terrain, self.skb, self.trail):
            return self._end(Verdict.DROPPED)
        decision = route(self.terrain, self.skb, self.trail)
        if decision.kind == LOCAL:
            return self._deliver()
        return self._forward(decision)

    def _deliver(self) -> Leg:
        """Give the packet to the host's own programs."""
        verdict = self._hooks("INPUT", *tables("INPUT")) or self._second_layer("input")
        if verdict is not None:
            return self._end(verdict)
        if self.skb.reply:
            self._new_source()
        return self._arrive()

    def _arrive(self) -> Leg:
        """End at the host's own programs, if the protocol has any for such an address."""
        if self.skb.protocol == TCP and not self.terrain.is_local(self.skb.to):
            # tcp_v4_conn_request and tcp_v6_conn_request, for broadcast and anycast.
            self.trail.add("host", f"drops it: TCP does not connect to {address_text(self.skb.to)}, which is of many")
            return self._end(Verdict.DROPPED)
        self.trail.add("host", "gets it")
        return self._end(Verdict.DELIVERED, by=HOST)

    def _forward(self, decision: Decision) -> Leg:
        if self.skb.family not in self.terrain.underlay.forwards:
            self.trail.add("route", f"drops it: the host does not forward IPv{self.skb.family}")
            return self._end(Verdict.DROPPED)
        stopped = self._stopped(decision)
        if stopped is not None:
            return self._end(stopped)
        self.skb.leaves = decision.dev
        verdict = self._hooks("FORWARD", *tables("FORWARD"))
        return self._send(decision) if verdict is None else self._end(verdict)

    def _stopped(self, decision: Decision) -> Verdict | None:
        if decision.kind in REFUSALS:
            return Verdict.REFUSED
        return Verdict.DROPPED if decision.kind == RouteKind.BLACKHOLE.value else None

    def _send(self, decision: Decision) -> Leg:
        """Send the packet out by the link that routing chose."""
        skb = self.skb
        nexthop = decision.nexthop(skb.to)
        verdict = self._postrouting(nexthop)
        if verdict is not None:
            return self._end(verdict)
        if not self.terrain.is_bridge(skb.leaves):
            self.trail.add("out", f"leaves by {skb.leaves} as {address_text(skb.source)}")
            return self._end(Verdict.DELIVERED, by=OUTSIDE, link=skb.leaves)
        found = self.terrain.neighbour(skb.leaves, nexthop)
        if found and nexthop == skb.to:
            self.trail.add("workload", f"{found} gets it")
            return self._end(Verdict.DELIVERED, by=found, link=skb.leaves)
        if decision.via:
            self.trail.add("out", f"goes to the router {address_text(nexthop)} on {skb.leaves}")
            return self._end(Verdict.DELIVERED, by=OUTSIDE, link=skb.leaves)
        self.trail.add("out", f"nobody on {skb.leaves} has {address_text(nexthop)}")
        return self._end(Verdict.DROPPED, link=skb.leaves)

    def _postrouting(self, nexthop: bytes) -> Verdict | None:
        verdict = self._hooks("POSTROUTING", XtTable.MANGLE) or self._new_source(nexthop)
        return verdict or self._second_layer("postrouting")

    def _second_layer(self, hook: str) -> Verdict | None:
        return NativeHook(self.terrain, self.skb, self.trail, hook).passes()

    def _bridge(self, bridge: str, netns: str) -> Leg:
        """Pass a frame from one port of a bridge to another."""
        skb = self.skb
        skb.arrives = skb.leaves = bridge
        if skb.family in self.terrain.underlay.filters_bridged:
            skb.leaves = ""
            verdict = self._prerouting()
            skb.leaves, skb.bridged = bridge, True
            verdict = verdict or self._hooks("FORWARD", *tables("FORWARD")) or self._postrouting(skb.to)
            if verdict is not None:
                return self._end(verdict)
        else:
            self._track()
        self.trail.add("workload", f"{netns} gets it")
        return self._end(Verdict.DELIVERED, by=netns, link=bridge)

    def _originate(self) -> Leg:
        """Send a packet of the host's own: routed, marked, and routed again when that changed anything."""
        skb = self.skb
        decision = route(self.terrain, skb, self.trail)
        stopped = self._stopped(decision)
        if stopped is not None:
            return self._end(stopped)
        if not skb.source:
            found = own_address(self.terrain, link=decision.dev, nexthop=decision.nexthop(skb.to), to=skb.to)
            if found is None:
                self.trail.add("host", f"has no IPv{skb.family} address to send from")
                return self._end(Verdict.REFUSED)
            skb.source = found
        skb.leaves = "lo" if decision.kind == LOCAL else decision.dev
        self._track()
        before = (skb.mark, skb.to)
        verdict = self._hooks("OUTPUT", XtTable.RAW, XtTable.MANGLE)
        verdict = verdict or self._new_destination("OUTPUT")
        if verdict is not None:
            return self._end(verdict)
        if (skb.mark, skb.to) != before:
            decision = route(self.terrain, skb, self.trail)
            stopped = self._stopped(decision)
            if stopped is not None:
                return self._end(stopped)
        return self._leave_host(decision)

    def _leave_host(self, decision: Decision) -> Leg:
        self.skb.leaves = "lo" if decision.kind == LOCAL else decision.dev
        verdict = self._hooks("OUTPUT", XtTable.FILTER)
        if verdict is not None:
            return self._end(verdict)
        if decision.kind != LOCAL:
            return self._send(decision)
        return self._arrive()
