"""What messages of the kernel say, kept by their bytes: of a second dump nearly all are those of the first.

Everything is dumped again; what is saved is to parse the same bytes twice. Only what follows from the bytes alone may
be kept: no name of a link for its index, and of a set's entry no mark that the set's header may deny. Links are not
kept: their messages carry timers and counters, and two are hardly ever alike.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from laneway.kernel.link_messages import SeenAddress, address
from laneway.kernel.route_messages import SeenRoute, SeenRule, route, rule
from laneway.kernel.set_messages import SeenEntry, entry

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Memo(Generic[T]):
    """Messages and what they say: those read while it is `open` are not parsed again when they are read later."""

    def __init__(self, parse: Callable[[bytes], T], *, open_: bool = True) -> None:
        """Take what parses a message; it must look at nothing else."""
        self._parse = parse
        self._lots: list[tuple[list[bytes], list[T]]] = []
        self._said: dict[bytes, T] = {}
        self.open = open_

    def read(self, bodies: list[bytes]) -> list[T]:
        """Return what each message says."""
        if self.open:
            said = [*map(self._parse, bodies)]
            self._lots.append((bodies, said))
            return said
        while self._lots:  # only now: many a first reading is the only one
            self._said.update(zip(*self._lots.pop(), strict=True))
        known = self._said
        return [known[body] if body in known else self._parse(body) for body in bodies]


class Known:
    """The messages of one reading of the host, for the reading after a change."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.addresses: Memo[SeenAddress | None] = Memo(address)
        self.routes: Memo[SeenRoute | None] = Memo(route)
        self.rules: Memo[SeenRule | None] = Memo(rule)
        self._entries: dict[str, Memo[SeenEntry]] = {}
        self._open = True

    def entries(self, name: str) -> Memo[SeenEntry]:
        """Return those of the entries of one set, whose name is part of what they are."""
        if name not in self._entries:
            self._entries[name] = Memo(partial(entry, name), open_=self._open)
        return self._entries[name]

    def close(self) -> None:
        """Take no more in: what another reading finds anew is not asked for again."""
        self._open = False
        memos: tuple[Memo[Any], ...] = (self.addresses, self.routes, self.rules, *self._entries.values())
        for each in memos:
            each.open = False
