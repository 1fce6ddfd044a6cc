"""Routing decisions, asked of the kernel itself: `ip route get TO from SOURCE mark MARK iif LINK`."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, NamedTuple

from laneway.errors import HostRefused
from laneway.state.prefix import address_text, family_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_REFUSALS = {
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTUNREACH: "unreachable",
    errno.EACCES: "prohibit",
    errno.EINVAL: "blackhole",
}
"""What a lookup fails with, by the kind of route or rule that it ended at."""

_TYPES = {1: "unicast", 2: "local", 3: "broadcast", 4: "anycast", 6: "blackhole", 7: "unreachable", 8: "prohibit"}


class Question(NamedTuple):
    """A packet as routing sees it."""

    source: bytes
    to: bytes
    mark: int
    arrives: str  # the link it came in by; "": the host's own


class Answer(NamedTuple):
    """What the kernel does with it."""

    kind: str  # "local", or a route's kind
    dev: str = ""
    via: str = ""


def ask(questions: Iterable[Question]) -> tuple[Answer, ...]:
    """Return the kernel's answers, in order; raises HostRefused when it gives one that means nothing here."""
    from pyroute2 import IPRoute

    with IPRoute() as kernel:
        names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in kernel.get_links()}
        return tuple(_ask(kernel, names, each) for each in questions)


def _ask(kernel: Any, names: dict[int, str], question: Question) -> Answer:
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        found = kernel.route("get", **dict(_request(names, question)))
    except NetlinkError as error:
        kind = _REFUSALS.get(error.code)
        if kind is None:
            message = f"ip route get {address_text(question.to)}: {error}"
            raise HostRefused(message, "see whether ip(8) says the same") from error
        return Answer(kind)
    return _answer(found[0], names)


def _request(names: dict[int, str], question: Question) -> Iterator[tuple[str, Any]]:
    yield "family", 2 if family_of(question.to) == 4 else 10  # noqa: PLR2004  AF_INET, AF_INET6
    yield "dst", address_text(question.to)
    if question.source:
        yield "src", address_text(question.source)
    if question.mark:
        yield "mark", question.mark
    index = next((number for number, name in names.items() if name == question.arrives), 0)
    if index:
        yield "iif", index


def _answer(found: Any, names: dict[int, str]) -> Answer:
    kind = _TYPES.get(found["type"], str(found["type"]))
    if kind != "unicast":
        return Answer("local" if kind in {"broadcast", "anycast"} else kind)
    other = found.get_attr("RTA_VIA") or {}  # a gateway of the other family (RFC 8950)
    via = found.get_attr("RTA_GATEWAY") or other.get("addr", "")
    return Answer(kind, names.get(found.get_attr("RTA_OIF"), ""), via)
