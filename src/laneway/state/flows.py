"""Flows as connection tracking tells them apart, and which of them have lost what let them begin."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.state.prefix import leading

if TYPE_CHECKING:
    from laneway.state.marks import FwMark
    from laneway.state.prefix import Prefix

PORTED = frozenset({6, 17})
"""TCP and UDP; of ICMP a flow has an identifier, and no port."""


class Ends(NamedTuple):
    """Whom a flow is between: its first packet as it was sent, and who answers it."""

    source: bytes
    to: bytes
    answers: bytes  # not `to` when the destination is translated
    protocol: int
    port: int
    mark: int = 0
    seen_as: bytes = b""  # the source that whoever answers sees; empty when it is the sender's own
    seen_port: int = 0  # and the port
    expected: bool = False  # a protocol's helper foretold it, and it has the mark of the flow that it belongs to
    answered: bool = False
    assured: bool = False  # of TCP: it is established, or was


class Closed(NamedTuple):
    """Flows that may not go on: those that are all this; what is None may be anything."""

    source: Prefix | None = None
    to: Prefix | None = None
    answers: Prefix | None = None
    protocol: int | None = None
    ports: tuple[int, int] | None = None  # first and last
    mark: FwMark | None = None
    direct: bool | None = None  # neither source nor destination is translated


class Doors:
    """Many `Closed` at once; a flow is looked up in each shape they have, not compared with each."""

    def __init__(self, closed: tuple[Closed, ...]) -> None:
        """Sort them by what they say at all."""
        self._shapes: dict[tuple[object, ...], dict[tuple[object, ...], list[tuple[int, int] | None]]] = {}
        for each in closed:
            prefixes = (each.source, each.to, each.answers)
            shape = (*(part and part.length for part in prefixes), each.protocol is None, each.mark and each.mark.mask)
            key = (*(part and leading(part.address, part.length) for part in prefixes), each.protocol)
            key = (*key, each.mark and each.mark.value, each.direct)
            self._shapes.setdefault((*shape, each.direct is None), {}).setdefault(key, []).append(each.ports)

    def lead(self, flow: Ends) -> bool:
        """Return whether the flow goes through one of them."""
        direct = flow.answers == flow.to and not flow.seen_as
        for shape, doors in self._shapes.items():
            *lengths, any_protocol, mask, any_way = shape
            addresses = zip((flow.source, flow.to, flow.answers), lengths, strict=True)
            parts = [None if length is None else leading(address, length) for address, length in addresses]  # type: ignore[arg-type]
            protocol = None if any_protocol else flow.protocol
            mark = None if mask is None else flow.mark & mask  # type: ignore[operator]
            ranges = doors.get((*parts, protocol, mark, None if any_way else direct), ())
            if any(
                ports is None or flow.protocol not in PORTED or ports[0] <= flow.port <= ports[1] for ports in ranges
            ):
                return True
        return False
