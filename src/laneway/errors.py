"""Errors by what an operator can do about them; each knows the exit code of the command it ends."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from laneway.plan.steps import Step


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    BUG = 1
    USAGE = 2
    POLICY = 3
    PENDING = 4
    REFUSED = 5
    INCOMPLETE = 6
    CONFLICT = 7
    EXPECTATION = 8
    BUSY = 9
    DENIED = 10
    UNREACHABLE = 11


EXIT_STATUS = {
    Exit.DONE: "done, nothing to do, or holds",
    Exit.BUG: "a bug",
    Exit.USAGE: "usage, a file that others may write, or nothing waits",
    Exit.POLICY: "the policy is invalid",
    Exit.PENDING: "changes are pending, or drift",
    Exit.REFUSED: "the host refused, and is as it was; or too late to confirm",
    Exit.INCOMPLETE: "rollback failed in part: the remaining commands are printed",
    Exit.CONFLICT: "a conflict with something of others, or with another change",
    Exit.EXPECTATION: "an expectation failed",
    Exit.BUSY: "try again later: locked, or a change waits for its confirmation",
    Exit.DENIED: "root is needed",
    Exit.UNREACHABLE: "another host could not be reached or read",
}
"""What each code says, for --help and the manual page."""


class ChangeThatWaits(NamedTuple):
    """A change that waits for its confirmation, as far as an error tells of it."""

    generation: int
    by: str
    until: str


class LanewayError(Exception):
    """An error with a remedy: `str()` says what and where, `hint` what to do."""

    exit_code = Exit.BUG
    kind = "bug"
    """What programs tell errors apart by, in the JSON answer: it never changes."""

    def __init__(self, message: str, hint: str = "") -> None:
        """Keep what happened, and what the operator can do about it."""
        super().__init__(message)
        self.hint = hint
        self.commands: tuple[str, ...] = ()  # what a person can type where laneway could go no further
        self.collisions: tuple[Mapping[str, str], ...] = ()  # what of others' is in the way
        self.by: str | None = None  # who is at work, or made the change that waits
        self.generation: int | None = None  # the change that waits, or did
        self.until: str | None = None  # the moment, as RFC 3339 writes it, at which it is taken back

    @property
    def brief(self) -> str:
        """Return what happened, for an answer that has the details elsewhere."""
        return str(self)

    def of_change(self, change: ChangeThatWaits) -> Self:
        """Return the error, of a change that waits for its confirmation."""
        self.by, self.generation, self.until = change.by, change.generation, change.until
        return self


class Interrupted(LanewayError):  # noqa: N818  as Conflict
    """Somebody ended the command."""

    kind = "interrupted"


class UsageError(LanewayError):
    """The command line, or the way laneway was started, asks for what cannot be."""

    exit_code = Exit.USAGE
    kind = "usage"


class NoPrivileges(UsageError):  # noqa: N818  as Conflict
    """Whoever asks may not do that, or may not know it."""

    exit_code = Exit.DENIED
    kind = "privileges"


class Untrusted(UsageError):  # noqa: N818  as Conflict
    """Others could have written what root is to believe."""

    kind = "untrusted"


class NothingPending(UsageError):  # noqa: N818  as Conflict
    """No change waits for a confirmation."""

    kind = "nothing-pending"


class HostRefused(LanewayError):  # noqa: N818  the host refused; it is a fact, not an error of ours
    """The host would not do, or could not tell, something; nothing is left half done."""

    exit_code = Exit.REFUSED
    kind = "refused"


class TooLate(HostRefused):
    """The change was taken back, or is to be: it cannot be confirmed any more."""

    kind = "too-late"


class Unreachable(HostRefused):
    """Another host could not be reached, or not be read."""

    exit_code = Exit.UNREACHABLE
    kind = "unreachable"


class StepFailed(HostRefused):
    """One step of a plan failed in the kernel or in a tool."""

    def __init__(self, step: Step, reason: str, hint: str = "") -> None:
        """Keep the step and the reason the kernel or the tool gave."""
        super().__init__(reason, hint)
        self.step = step
        self.reason = reason


class Conflict(LanewayError):  # noqa: N818  as above
    """Something on the host belongs to others, or another laneway is at work."""

    exit_code = Exit.CONFLICT
    kind = "conflict"


class Locked(Conflict):
    """Another laneway is at work; later it may not be."""

    exit_code = Exit.BUSY
    kind = "locked"


class ChangeWaits(Conflict):
    """A change waits for its confirmation, and no other is made until then."""

    exit_code = Exit.BUSY
    kind = "pending"
