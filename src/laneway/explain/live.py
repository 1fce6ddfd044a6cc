"""Where the kernel's own routing says otherwise than the walk."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from laneway.explain.routing import NO_ROUTE
from laneway.state.prefix import address_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from laneway.explain.explanation import Explanation
    from laneway.explain.hop import Query


class Answer(Protocol):
    """What the kernel says of one query (`laneway.kernel.lookups`)."""

    @property
    def kind(self) -> str:
        """Return "local", or a route's kind."""

    @property
    def dev(self) -> str:
        """Return the link that the packet leaves by."""

    @property
    def via(self) -> str:
        """Return the gateway."""


class Difference(NamedTuple):
    """One routing decision, as a command that asks for it, and both words on it."""

    command: str
    walk: str
    kernel: str

    @property
    def differs(self) -> bool:
        """Return whether they are not the same."""
        return self.walk != self.kernel


def queries(told: Explanation) -> list[Query]:
    """Return the routing decisions on the packet's way there and back, each once."""
    legs = [told.walk.forward, *([told.walk.reply] if told.walk.reply else [])]
    return list(dict.fromkeys(query for leg in legs for query in leg.queries))


def compared(asked: Sequence[Query], answers: Sequence[Answer]) -> list[Difference]:
    """Return both words on each decision."""
    return [_compared(query, answer) for query, answer in zip(asked, answers, strict=True)]


def _compared(query: Query, answer: Answer) -> Difference:
    via = address_text(query.via) if query.via else ""
    # Without a route and with one that says so, the sender is told the same.
    kind = "unreachable" if query.answer == NO_ROUTE else query.answer
    return Difference(command(query), _words(kind, query.dev, via), _words(answer.kind, answer.dev, answer.via))


def _words(kind: str, dev: str, via: str) -> str:
    if kind != "unicast":
        return kind
    return f"dev {dev} via {via}" if via else f"dev {dev}"


def command(query: Query) -> str:
    """Return what a person would type to ask."""
    source = f" from {address_text(query.source)}" if query.source else ""
    mark = f" mark {query.mark:#x}" if query.mark else ""
    link = f" iif {query.arrives}" if query.arrives else ""
    return f"ip route get {address_text(query.to)}{source}{mark}{link}"
