"""Warnings about expectations that contradict or repeat each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.policy.problems import Fault, Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from laneway.policy.model import Expect


def lint_expects(expects: Iterable[Expect]) -> Iterator[tuple[str, Fault]]:
    """Yield warnings about every expectation that cannot hold with an earlier one, or says the same."""
    seen: dict[tuple[object, ...], list[Expect]] = {}
    for each in expects:
        packet = (each.from_, each.to, each.protocol, each.port, each.arrives)
        earlier = seen.setdefault(packet, [])
        rival = next((other for other in earlier if _contradicts(other, each)), None)
        twin = next((other for other in earlier if _outcome(other) == _outcome(each)), None)
        if rival is not None:
            yield "expect-contradiction", _contradiction(rival, each)
        elif twin is not None:
            notes = (("note: first here", Place.of(twin.source, "from")),)
            message = f"{_packet(each)} is expected to be {_words(each)} already"
            yield "expect-duplicate", Fault(message, Place.of(each.source, "from"), "take one of them out", notes)
        if twin is None:  # what says the same contradicts the same
            earlier.append(each)


def _outcome(each: Expect) -> tuple[str, str | None]:
    return each.result, each.uplink


def _contradicts(one: Expect, other: Expect) -> bool:
    # One that names no uplink is content with any.
    return one.result != other.result or (
        one.uplink != other.uplink and one.uplink is not None and other.uplink is not None
    )


def _contradiction(first: Expect, second: Expect) -> Fault:
    message = f"{_packet(second)} is expected to be {_words(second)} here, and {_words(first)} elsewhere"
    place = Place.of(second.source, "uplink" if second.uplink is not None else "result")
    note = Place.of(first.source, "uplink" if first.uplink is not None else "result")
    return Fault(message, place, "one of the two can never hold", (("note: elsewhere is here", note),))


def _packet(each: Expect) -> str:
    port = "" if each.port is None else f" port {each.port}"
    by = f" by {each.arrives}" if each.arrives else ""
    return f"{each.protocol} from {each.from_}{by} to {each.to}{port}"


def _words(each: Expect) -> str:
    return f"{each.result} by {each.uplink}" if each.uplink is not None else each.result
