"""What laneway remembers of its own doing, below /var/lib/laneway: generations, the journal, what waits.

Nothing there is needed to know what on the host is laneway's: that is read from the kernel.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from laneway.apply import generations
from laneway.errors import HostRefused, UsageError
from laneway.policy.load import PolicyError, load, load_besides
from laneway.policy.model import PolicySet

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from laneway.apply.generations import Generation

DIRECTORY = Path("/var/lib/laneway")


def directory() -> Path:
    """Return where laneway keeps its memory: `$LANEWAY_STATE_DIR`, or /var/lib/laneway."""
    return Path(os.environ.get("LANEWAY_STATE_DIR") or DIRECTORY)


def history() -> Path:
    """Return the directory of the generations."""
    return directory() / "generations"


def journal() -> Path:
    """Return the file of the change that is being made."""
    return directory() / "journal"


def pending() -> Path:
    """Return the directory of the change that waits for its confirmation."""
    return directory() / "pending"


def memory() -> Path:
    """Return the file of what the host was before laneway."""
    return directory() / "before"


def path() -> Path:
    """Return the file of the policy in force; it is not there when there is none, or nobody knows."""
    try:
        generation = generations.in_force(history())
    except HostRefused:
        generation = None
    return generation.policy if generation else history() / generations.POLICY


def applied() -> PolicySet | None:
    """Return the policy in force, or None when there is none, or one that is no policy to this laneway.

    Raises HostRefused when which is in force cannot be told.
    """
    return _in_force(lambda path: load([path]))


def known_ground() -> PolicySet:
    """Return the host and its uplinks in force, or the usual host where nobody knows; to remove things it will do."""
    try:
        stored = applied()
    except HostRefused:
        stored = None
    return PolicySet(stored.host, stored.uplinks) if stored else PolicySet()


def applied_besides(tenants: Collection[str]) -> PolicySet | None:
    """Return as `applied` what a new policy builds on that says all of these `tenants` anew: they are not read."""
    return _in_force(lambda path: load_besides(path, tenants))


def _in_force(read: Callable[[Path], PolicySet]) -> PolicySet | None:
    generation = generations.in_force(history())
    try:
        return read(generation.policy) if generation and not generation.destroyed else None
    except (PolicyError, OSError):
        return None


def policy_of(generation: Generation) -> PolicySet:
    """Return the policy of a generation; raises PolicyError when it is not a policy to this laneway."""
    return load([generation.policy])


def find(number: int | None) -> Generation:
    """Return the generation of that number, None for the last one of another policy; raises UsageError."""
    every = generations.every(history())
    if number is None:
        found = generations.previous(history())
        message = "there is no earlier generation with another policy than the one in force"
    else:
        found = next((each for each in every if each.number == number), None)
        message = f"there is no generation {number}"
    if found is None:
        numbers = ", ".join(str(each.number) for each in every if not each.reverted)
        raise UsageError(
            message, f"generations that can be restored: {numbers or 'none'}; `laneway history` shows them"
        )
    return found


def ground(stored: PolicySet | None, *, prune: bool) -> PolicySet | None:
    """Return what a new policy builds on: with `prune` the host and its uplinks alone, without the tenants."""
    if stored is None or not prune:
        return stored
    return stored._replace(tenants=(), expects=())
