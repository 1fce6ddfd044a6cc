"""Where two classes of a tenant would both have a packet: there their order decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from laneway.lab.judge import protocol_number
from laneway.policy.model import ClassMatch, Ports

if TYPE_CHECKING:
    from collections.abc import Callable

    from laneway.policy.model import Network

T = TypeVar("T")


def common(one: ClassMatch, other: ClassMatch, family: int) -> ClassMatch | None:
    """Return what both match in a family, or None if that is nothing."""
    protocols = [each.protocol for each in (one, other) if each.protocol is not None]
    if len({protocol_number(each, family) for each in protocols}) > 1:
        return None
    marks = {each.dscp for each in (one, other) if each.dscp is not None}
    if len(marks) > 1:
        return None
    ports = _both(one.ports, other.ports, _shared_ports)
    to, from_ = (
        _both(_of_family(mine, family), _of_family(theirs, family), _shared_network)
        if _carries(mine, family) and _carries(theirs, family)
        else None
        for mine, theirs in ((one.to, other.to), (one.from_, other.from_))
    )
    if ports is None or to is None or from_ is None:
        return None
    return ClassMatch(next(iter(protocols), None), ports, to, from_, next(iter(marks), None))


def _carries(networks: tuple[Network, ...], family: int) -> bool:
    return not networks or any(each.version == family for each in networks)


def _of_family(networks: tuple[Network, ...], family: int) -> tuple[Network, ...]:
    return tuple(each for each in networks if each.version == family)


def _both(mine: tuple[T, ...], theirs: tuple[T, ...], shared: Callable[[T, T], T | None]) -> tuple[T, ...] | None:
    """Return what two lists of alternatives share, an empty list standing for everything; None: nothing."""
    if not mine or not theirs:
        return mine or theirs
    pairs = (shared(one, other) for one in mine for other in theirs)
    return tuple(dict.fromkeys(each for each in pairs if each is not None)) or None


def _shared_ports(one: Ports, other: Ports) -> Ports | None:
    first, last = max(one.first, other.first), min(one.last, other.last)
    return Ports(first, last) if first <= last else None


def _shared_network(one: Network, other: Network) -> Network | None:
    narrow, wide = (one, other) if one.prefixlen >= other.prefixlen else (other, one)
    return narrow if narrow.overlaps(wide) else None
