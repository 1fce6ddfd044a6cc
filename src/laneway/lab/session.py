"""Sends all probes of a run at the same time, with those who answer them, and tells what became of each."""

from __future__ import annotations

import os
import resource
import secrets
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from laneway.lab.judge import BEYOND, World, judge, target
from laneway.lab.reactor import Reactor
from laneway.lab.responders import Place, Responders
from laneway.lab.senders import Answer, Attempt, Desk
from laneway.lab.syscalls import inside
from laneway.lab.topology import INTERNET
from laneway.lab.trial import Outcome, Outside, Resident, Sighting, TheHost
from laneway.lab.wire import TCP
from laneway.lab.wiring import ENTRY_PORT, OUTER, entrance
from laneway.lab.world import open_netns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from laneway.lab.trial import Party, Probe

PATIENCE = 1.5
"""Seconds until no answer means there is none, where one is due: TCP repeats a lost first packet after one."""

QUIET = 0.7
"""Seconds to wait for an answer that should not come."""

SETTLING = 3.0
"""Seconds that IPv6 addresses may take to become usable (RFC 4862)."""

STRIDE = 40
"""Probes started at once: more would overflow the queue of a neighbour not yet resolved."""

INTERVAL = 0.004
"""Seconds between one stride and the next."""

LINGER = 0.1
"""Seconds after the last answer, for what may still be on a wire."""


def ask(world: World, probes: Sequence[Probe], *, patience: float | None = None) -> tuple[Outcome, ...]:
    """Send `probes`, and return what became of each; the caller is in the lab's host.

    `patience` is how many seconds each answer may take, in place of what the policy lets one expect.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, hard), hard))
    with ExitStack() as stack:
        places = Places(world)
        stack.callback(places.close)
        reactor = Reactor()
        stack.callback(reactor.close)
        responders = Responders(reactor)
        populate(world, responders, places, listeners(world, probes))
        for provider in world.topology.providers:
            responders.tap(places.netns(provider.netns), provider.uplink, OUTER)
        places.settle()
        # Not the numbers of an earlier run: connection tracking would take its echo requests for known flows.
        first = secrets.randbelow(1 << 30)
        attempts = [_attempt(reactor, places, probe, token) for token, probe in enumerate(probes, first)]
        _run(reactor, [(each, patience or _patience(world, each)) for each in attempts if each is not None])
        outward = _Wires(responders)
        absent = Outcome(delivered=False, how="the sender is not on the host")
        return tuple(absent if each is None else outward.outcome(world, each) for each in attempts)


def _patience(world: World, attempt: Attempt) -> float:
    return PATIENCE if judge(world, attempt.probe).delivered else QUIET


def _run(reactor: Reactor, attempts: list[tuple[Attempt, float]]) -> None:
    for number, (attempt, patience) in enumerate(attempts):
        start = partial(attempt.start, patience)
        reactor.after(number // STRIDE * INTERVAL, start)
    waiting = [attempt for attempt, _ in reversed(attempts)]

    def done() -> bool:
        while waiting and waiting[-1].answer is not None:
            waiting.pop()
        return not waiting

    reactor.run(done)
    end = time.monotonic() + LINGER
    reactor.after(LINGER, lambda: None)
    reactor.run(lambda: time.monotonic() >= end)


class Places:
    """The network namespaces of a lab, opened as they are asked for."""

    def __init__(self, world: World) -> None:
        """Keep the world; open nothing yet."""
        self._world = world
        self._open: dict[str, int] = {}

    def netns(self, name: str) -> int:
        """Return a descriptor of a network namespace ("" is the host's); raises OSError where there is none."""
        if name not in self._open:
            self._open[name] = open_netns(name)
        return self._open[name]

    def close(self) -> None:
        """Close all of them."""
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()

    def desk(self, sender: Party) -> Desk:
        """Return where a party's packets are sent from; raises OSError where it does not exist."""
        match sender:
            case Outside(uplink):
                provider = self._world.topology.provider(uplink)
                return Desk(self.netns(INTERNET), entrance(provider), provider.number)
            case TheHost():
                return Desk(self.netns(""))
            case Resident():
                return Desk(self.netns(sender.netns))

    def victim(self, probe: Probe) -> int | None:
        """Return the netns of the workload whose address a probe forges."""
        owner = self._world.resident(probe.source) if probe.spoofed and probe.source is not None else None
        try:
            return None if owner is None else self.desk(owner).netns
        except OSError:
            return None

    def settle(self) -> None:
        """Wait until no IPv6 address is tentative."""
        end = time.monotonic() + SETTLING
        while time.monotonic() < end and any(_tentative(each) for each in self._open.values()):
            time.sleep(0.05)


def _tentative(netns: int) -> bool:
    with inside(netns):
        try:
            lines = [line.split() for line in Path("/proc/thread-self/net/if_inet6").read_text().splitlines()]
        except FileNotFoundError:  # a kernel without IPv6
            return False
    # IFA_F_TENTATIVE, and not a link-local one: a workload does without that.
    return any(int(line[4], 16) & 0x40 and line[3] != "20" for line in lines)


def _attempt(reactor: Reactor, places: Places, probe: Probe, token: int) -> Attempt | None:
    try:
        desk = places.desk(probe.sender)
    except OSError:
        return None
    return Attempt(reactor, desk, probe=probe, token=token, victim=places.victim(probe))


def listeners(world: World, probes: Iterable[Probe]) -> dict[Resident | TheHost, set[tuple[str, int]]]:
    """Return where somebody must listen so that the policy alone can be why a probe gets no answer."""
    wanted: dict[Resident | TheHost, set[tuple[str, int]]] = {}
    for probe in probes:
        found = target(world, probe)
        if found is not None and probe.protocol in {"tcp", "udp"}:
            wanted.setdefault(found[0], set()).add((probe.protocol, found[1]))
    return wanted


def populate(
    world: World, responders: Responders, places: Places, wanted: dict[Resident | TheHost, set[tuple[str, int]]]
) -> None:
    """Have the internet and the named parties listen."""
    for provider in world.topology.providers:
        place = Place(places.netns(INTERNET), BEYOND, provider.uplink, entrance(provider), provider.number)
        for protocol in ("tcp", "udp"):
            responders.listen(place, protocol, ENTRY_PORT)
    for party in sorted(wanted, key=str):
        try:
            place = Place(places.desk(party).netns, str(party))
        except OSError:  # a workload that is not there answers nobody
            continue
        for protocol, port in sorted(wanted[party]):
            responders.listen(place, protocol, port)


class _Wires:
    """What was seen on the providers' wires and at those who listen, by probe."""

    def __init__(self, responders: Responders) -> None:
        self._by_token: dict[int, list[Sighting]] = {}
        self._opened: dict[tuple[object, int], list[tuple[int, Sighting]]] = {}
        for uplink, packet in responders.seen:
            sighting = Sighting(uplink, packet.source)
            if packet.token >= 0:
                self._by_token.setdefault(packet.token, []).append(sighting)
            elif packet.protocol == TCP:
                self._opened.setdefault((packet.to, packet.port), []).append((packet.source_port, sighting))
        self._arrived: dict[int, str] = {each.token: each.by for each in responders.arrivals}

    def _seen(self, attempt: Attempt) -> tuple[Sighting, ...]:
        found = list(self._by_token.get(attempt.token, ()))
        if attempt.probe.protocol == "tcp":
            same = self._opened.get((attempt.probe.to, attempt.probe.port), [])
            own = [each for port, each in same if port == attempt.source_port]
            found += own
        return tuple(dict.fromkeys(found))

    def outcome(self, world: World, attempt: Attempt) -> Outcome:
        """Return what became of a probe, from its answer and from what was seen of it."""
        answer = attempt.answer or Answer()
        # The internet's own questions come back from the host as its answers to echo requests, and to nothing else.
        outside = isinstance(attempt.probe.sender, Outside) and attempt.probe.protocol != "udp"
        seen = () if outside else self._seen(attempt)
        first = seen[0] if seen else None
        if attempt.probe.protocol not in {"tcp", "udp", "icmp"} and first is not None:
            sides = world.topology.provider(first.uplink).sides.get(attempt.probe.family)
            passes = sides is not None and any(first.source in each for each in sides.permitted)
            return Outcome(passes, BEYOND if passes else "", first.uplink, first.source, seen, "")
        if answer.by == "echo":
            found = target(world, attempt.probe)
            by = BEYOND if found is None else str(found[0])
            return Outcome(True, by, first.uplink if first else "", first.source if first else None, seen)  # noqa: FBT003
        if answer.by:
            return Outcome(True, answer.by, answer.provider, answer.source, seen)  # noqa: FBT003
        how = f"rejected, {answer.refusal}" if answer.refusal else "silence"
        reached = self._arrived.get(attempt.token)
        return Outcome(delivered=False, seen=seen, reached=reached or "", how=how)
