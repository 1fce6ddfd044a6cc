"""What waits for its confirmation, told by every command that reports on the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.cli import output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.apply.pending import Pending


def pending_now() -> Pending | None:
    """Return the change that waits on this host, None when none does; raises HostRefused, NoPrivileges."""
    from laneway.apply import pending, store

    return pending.read(store.pending())


def as_json(waiting: Pending | None) -> dict[str, object]:
    """Return the key that every JSON answer about the host has for it."""
    return {"pending": waiting.as_json() if waiting else None}


def lines(waiting: Pending | None) -> Iterator[str]:
    """Yield, for a person, what waits and what to do about it."""
    if waiting is None:
        return
    number = waiting.generation or ""
    if waiting.left > 0:
        keep = f"`laneway confirm {number}`".replace(" `", "`")
        yield f"{waiting.describe()} ({waiting.left:.0f} s left): {keep} keeps it, `laneway rollback` reverts it now"
    else:
        revert = "it is being reverted; if this line stays, `laneway rollback --pending` reverts it"
        yield f"{waiting.describe()}, and that time is over: {revert}"


def note(waiting: Pending | None) -> None:
    """Say it to a person beside the answer."""
    for line in lines(waiting):
        output.note(line)
