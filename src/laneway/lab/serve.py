"""Everybody who answers, for as long as the lab's shell is open."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from laneway.lab.reactor import Reactor
from laneway.lab.responders import Place, Responders
from laneway.lab.session import Places, populate
from laneway.lab.trial import Resident, TheHost
from laneway.lab.world import NETNS, open_netns

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from laneway.lab.judge import World

INTERVAL = 0.5
"""Seconds between looks at which workloads are there: the operator may apply and destroy."""


def serve(world: World, wanted: dict[Resident | TheHost, set[tuple[str, int]]], ready: Callable[[], object]) -> None:
    """Answer for ever; `ready` is called once, when everybody who is there listens."""
    reactor = Reactor()
    responders = Responders(reactor)
    populate(world, responders, Places(world), {TheHost(): wanted.get(TheHost(), set())})
    residents = {party: ports for party, ports in wanted.items() if isinstance(party, Resident)}
    crew = _Crew(reactor, responders, residents)

    def look() -> None:
        crew.refresh()
        reactor.after(INTERVAL, look)

    look()
    ready()
    reactor.run(lambda: False)


class _Crew:
    """The workloads that answer; one whose namespace is gone lets go of it, so that it can vanish."""

    def __init__(self, reactor: Reactor, responders: Responders, wanted: dict[Resident, set[tuple[str, int]]]) -> None:
        self._reactor = reactor
        self._responders = responders
        self._wanted = wanted
        self._present: dict[Resident, tuple[int, list[socket.socket]]] = {}

    def refresh(self) -> None:
        """Follow the namespaces that came or went."""
        for party in sorted(self._wanted):
            inode = _inode(party)
            known, sockets = self._present.get(party, (0, []))
            if inode != known:
                for each in sockets:
                    self._reactor.drop(each)
                self._present[party] = (inode, self._listen(party) if inode else [])

    def _listen(self, party: Resident) -> list[socket.socket]:

        try:
            place = Place(open_netns(party.netns), str(party))
        except OSError:
            return []
        opened: list[socket.socket] = []
        for protocol, port in sorted(self._wanted[party]):
            opened += self._responders.listen(place, protocol, port)
        os.close(place.netns)
        return opened


def _inode(party: Resident) -> int:
    try:
        return (NETNS / party.netns).stat().st_ino
    except OSError:
        return 0
