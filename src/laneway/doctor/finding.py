"""One thing about a host that an operator should know before, or while, it carries tenants."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

APPLY = "laneway apply PATH"
"""Stands, in commands and hints, for what applies the policy on this host: `judge` puts that in its place."""

APPLY_IN_FORCE = "laneway apply --in-force"
"""What applies the policy on a host that has one in force."""


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"  # the policy does not work, or is not safe
    WARNING = "warning"  # it works now, or for most
    INFO = "info"  # good to know; nothing is to be done


class Finding(NamedTuple):
    """What is found, why it matters, and what mends it."""

    rule: str  # its name, which stays
    severity: Severity
    what: str
    why: str
    commands: tuple[str, ...] = ()  # run in this order, they mend it; words in capitals are to be filled in
    hint: str = ""  # what to do where no command does it

    @property
    def text(self) -> str:
        """Return what is found and why it matters, in one line."""
        return f"{self.what} [{self.rule}]: {self.why}"

    def with_apply(self, command: str) -> Finding:
        """Return it with the command that applies the policy on this host."""
        commands = tuple(command if each == APPLY else each for each in self.commands)
        return self._replace(commands=commands, hint=self.hint.replace(APPLY, command))


ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


def error(rule: str, what: str, why: str, *commands: str, hint: str = "") -> Finding:
    """Return a finding that breaks the policy."""
    return Finding(rule, Severity.ERROR, what, why, commands, hint)


def warning(rule: str, what: str, why: str, *commands: str, hint: str = "") -> Finding:
    """Return a finding that may break it."""
    return Finding(rule, Severity.WARNING, what, why, commands, hint)


def info(rule: str, what: str, why: str, *commands: str, hint: str = "") -> Finding:
    """Return a finding that breaks nothing."""
    return Finding(rule, Severity.INFO, what, why, commands, hint)


def sysctl(key: str, value: object) -> str:
    """Return the command that sets a sysctl, named by its path under /proc/sys: a link's name may have a dot in it."""
    return f"sysctl -w {key}={value}"
