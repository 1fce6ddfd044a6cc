"""What the kernel told that somebody changed on the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection


class Event(NamedTuple):
    """One change that may concern laneway."""

    what: str  # in words: "link eth1 changed"
    of_uplink: bool = False  # of an uplink's link or address: what the kernel takes away with it was undone by nobody
    by: str = ""  # the program that did it, where the kernel or the process table tells


UNSEEN = Event("more was changed at once than could be told")
"""The socket's buffer was full (ENOBUFS, netlink(7)): whatever it was, it is looked for."""


def cause(events: Collection[Event]) -> str:
    """Return, for a person, what a look at the host was for."""
    told = list(dict.fromkeys(each.what for each in events))
    return "; ".join(told[:2]) + (f" and {len(told) - 2} more" if len(told) > 2 else "")  # noqa: PLR2004  two are told


def programs(events: Collection[Event]) -> tuple[str, ...]:
    """Return the programs that are known to have changed something."""
    return tuple(sorted({each.by for each in events if each.by}))
