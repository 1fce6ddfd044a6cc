"""What a class matches, as ranges of numbers: which of two takes more, and whether they meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from laneway.policy.model import ClassMatch, Network

Ranges = tuple[tuple[int, int], ...]
"""Inclusive ranges, sorted, with a gap between any two."""

ICMPV6 = "58"
EVERY_PORT: Ranges = ((0, 65535),)
EVERYWHERE: dict[int, Ranges] = {4: ((0, (1 << 32) - 1),), 6: ((0, (1 << 128) - 1),)}


class Box(NamedTuple):
    """The packets of one family that a class matches."""

    protocol: str | None
    dscp: int | None
    spans: tuple[Ranges, Ranges, Ranges]  # ports, destinations, sources


def box(match: ClassMatch, family: int, subnets: Sequence[Network]) -> Box | None:
    """Return what of a tenant with these subnets is matched in the family; None: nothing can be."""
    home = ranges(subnets, family)
    from_ = common(ranges(match.from_, family), home) if match.from_ else home
    to = ranges(match.to, family) if match.to else EVERYWHERE[family]
    # What stays within the tenant's own subnets stays on its bridge, and meets no class.
    if not from_ or not to or covers(home, to):
        return None
    ports = joined((each.first, each.last) for each in match.ports) if match.ports else EVERY_PORT
    # "icmp" is ICMPv6 there, which can be asked for by its number too.
    protocol = ICMPV6 if family == 6 and match.protocol == "icmp" else match.protocol  # noqa: PLR2004
    return Box(protocol, match.dscp, (ports, to, from_))


def is_everything(one: Box, family: int, subnets: Sequence[Network]) -> bool:
    """Tell whether all of a tenant's packets of the family are in the box."""
    everything = Box(None, None, (EVERY_PORT, EVERYWHERE[family], ranges(subnets, family)))
    return contains(one, everything)


def contains(one: Box, other: Box) -> bool:
    """Tell whether every packet of the other box is in this one."""
    return _same_kind(one, other) and all(covers(a, b) for a, b in zip(one.spans, other.spans, strict=True))


def meets(one: Box, other: Box) -> bool:
    """Tell whether some packet is in both boxes."""
    return (
        (one.protocol is None or other.protocol is None or one.protocol == other.protocol)
        and (one.dscp is None or other.dscp is None or one.dscp == other.dscp)
        and all(common(a, b) for a, b in zip(one.spans, other.spans, strict=True))
    )


def covering(boxes: Sequence[Box], target: Box) -> tuple[int, ...]:
    """Return the positions of boxes that have all packets of `target` among them: one, or several that add up.

    Boxes add up when they differ from the target in one thing: ports, destinations or sources.
    """
    similar = [(number, each) for number, each in enumerate(boxes) if _same_kind(each, target)]
    for number, each in similar:
        if contains(each, target):
            return (number,)
    for field, wanted in enumerate(target.spans):
        parts = [
            (number, each.spans[field])
            for number, each in similar
            if all(covers(each.spans[other], span) for other, span in enumerate(target.spans) if other != field)
            and common(each.spans[field], wanted)
        ]
        if parts and covers(joined(one for _, part in parts for one in part), wanted):
            return tuple(number for number, _ in parts)
    return ()


def _same_kind(one: Box, other: Box) -> bool:
    return one.protocol in (None, other.protocol) and one.dscp in (None, other.dscp)


def ranges(networks: Iterable[Network], family: int) -> Ranges:
    """Return the addresses of the networks of one family as numbers."""
    return joined(_span(each) for each in networks if each.version == family)


def _span(network: Network) -> tuple[int, int]:
    first = int(network.network_address)
    return first, first | (1 << network.max_prefixlen - network.prefixlen) - 1


def joined(parts: Iterable[tuple[int, int]]) -> Ranges:
    """Return ranges sorted, those that touch made one."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(parts):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(found)


def covers(one: Ranges, other: Ranges) -> bool:
    """Tell whether every number of the other ranges is in these."""
    return all(any(first <= low and high <= last for first, last in one) for low, high in other)


def common(one: Ranges, other: Ranges) -> Ranges:
    """Return the numbers that are in both."""
    return tuple(
        (max(first, low), min(last, high))
        for first, last in one
        for low, high in other
        if first <= high and low <= last
    )
