"""One loop over many sockets: all probes and all who answer them run side by side in one thread."""

from __future__ import annotations

import heapq
import itertools
import selectors
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE


class Reactor:
    """Calls back when a socket is ready, or when a time has come."""

    def __init__(self) -> None:
        """Make an empty loop."""
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def watch(self, sock: socket.socket, events: int, callback: Callable[[], None]) -> None:
        """Call `callback` whenever `sock` is ready for `events`, in place of what was called before."""
        if sock.fileno() in self._selector.get_map():
            self._selector.modify(sock, events, callback)
        else:
            self._selector.register(sock, events, callback)

    def drop(self, sock: socket.socket) -> None:
        """Forget a socket and close it."""
        if sock.fileno() >= 0 and sock.fileno() in self._selector.get_map():
            self._selector.unregister(sock)
        sock.close()

    def after(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call `callback` once, in `seconds`."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), callback))

    def run(self, done: Callable[[], bool]) -> None:
        """Run until `done` says so; it is asked after each round."""
        while not done():
            for key, _ in self._selector.select(self._pause()):
                if key.fd in self._selector.get_map():  # an earlier callback of the round may have dropped it
                    key.data()
            while self._timers and self._timers[0][0] <= time.monotonic():
                heapq.heappop(self._timers)[2]()

    def _pause(self) -> float:
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else 0.2

    def close(self) -> None:
        """Close every socket."""
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]  # sockets are all that was registered
        self._selector.close()
