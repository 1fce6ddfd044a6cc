"""Errors by what an operator can do about them; each knows the exit code of the command it ends."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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


class LanewayError(Exception):
    """An error with a remedy: `str()` says what and where, `hint` what to do."""

    exit_code = Exit.BUG

    def __init__(self, message: str, hint: str = "") -> None:
        """Keep what happened, and what the operator can do about it."""
        super().__init__(message)
        self.hint = hint
        self.commands: tuple[str, ...] = ()  # what a person can type where laneway could go no further


class UsageError(LanewayError):
    """The command line, or the way laneway was started, asks for what cannot be."""

    exit_code = Exit.USAGE


class HostRefused(LanewayError):  # noqa: N818  the host refused; it is a fact, not an error of ours
    """The host would not do, or could not tell, something; nothing is left half done."""

    exit_code = Exit.REFUSED


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
