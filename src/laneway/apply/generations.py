"""Generations: every policy that was put in force on this host, with who did it, when, and what it changed.

A directory each, `generations/7`, with `policy.toml` and `about.toml`. It gets its name in one rename when its
change is done, and the file `reverted` when the change was taken back for want of a confirmation.
"""

from __future__ import annotations

import os
import pwd
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from laneway.apply.about import about_text, read_about
from laneway.apply.boots import boot
from laneway.apply.durable import make_directory, put_in_place, sweep, write_synced
from laneway.errors import HostRefused, NoPrivileges
from laneway.plan.steps import touched
from laneway.policy.write import to_toml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from laneway.plan.steps import Step
    from laneway.policy.model import PolicySet

KEPT = 100
"""Generations that are kept; older ones are removed."""

POLICY = "policy.toml"
ABOUT = "about.toml"
REVERTED = "reverted"
REPAIRS = "repairs.toml"
"""The file of a generation that tells how often the host was brought back to it."""

BOOT = "boot"
"""The file with the start of the machine in which a generation was last applied."""

_KINDS: dict[str, type] = {"when": datetime, "who": str, "command": str}
_MAY_BE: dict[str, type] = {"changes": dict, "restores": int, "destroyed": bool}
_OF_REPAIRS: dict[str, type] = {"times": int, "when": datetime, "who": str, "changes": dict}
_UNREADABLE = (OSError, ValueError)  # UnicodeDecodeError is a ValueError, as tomllib's error is


class Repairs(NamedTuple):
    """How often, and when last, the host was brought back to a generation that it did not hold any more."""

    times: int
    when: datetime
    who: str
    changes: Mapping[str, int]  # the last time


@dataclass(frozen=True, slots=True)
class Generation:
    """One policy that was in force."""

    number: int
    path: Path
    when: datetime
    who: str
    command: str
    changes: Mapping[str, int]  # how many objects of which kind; empty: none
    restores: int | None = None  # the generation that it brought back
    destroyed: bool = False  # nothing of laneway's was left on the host
    reverted: bool = False
    repairs: Repairs | None = None
    boot: str = ""  # the start of the machine in which it was last applied; empty: not known

    @property
    def is_of_an_earlier_boot(self) -> bool:
        """Return whether the host was started anew since it was applied."""
        return self.boot not in ("", boot())

    @property
    def policy(self) -> Path:
        """Return the file with the policy."""
        return self.path / POLICY


def every(directory: Path) -> tuple[Generation, ...]:
    """Return all generations below `directory`, the oldest first; what cannot be read as one is passed over.

    Raises NoPrivileges for whoever may not look.
    """
    found = (_read(directory / str(number), number) for number in _numbers(directory))
    return tuple(each for each in found if each is not None)


def _numbers(directory: Path) -> list[int]:
    try:
        return sorted(int(each.name) for each in directory.iterdir() if each.name.isdecimal())
    except PermissionError as error:
        raise NoPrivileges("only root may know what is in force on this host", "run it as root") from error
    except OSError:
        return []


def in_force(directory: Path) -> Generation | None:
    """Return the newest generation that was not taken back.

    Raises HostRefused when a newer one cannot be read: with the one before it in its place, what tenants were given
    since would be taken from them.
    """
    found = next((each for each in reversed(every(directory)) if not each.reverted), None)
    for number in reversed(_numbers(directory)):
        path = directory / str(number)
        if found is not None and number <= found.number:
            break
        if not (path / REVERTED).exists():
            _demand_readable(path, number, found)
    return found


def _demand_readable(path: Path, number: int, older: Generation | None) -> None:
    try:
        _load(path, number)
    except _UNREADABLE as error:
        instead = f"generation {older.number}" if older else "none"
        hint = f"restore it from a backup, or remove {path}: in force is then {instead}"
        raise HostRefused(f"the generation in force cannot be read: {path / ABOUT}: {error}", hint) from error


def previous(directory: Path) -> Generation | None:
    """Return the last generation before the one in force with another policy; a copy counts as what it brought back.

    Raises HostRefused as `in_force`.
    """
    known = {each.number: each for each in every(directory) if not each.reverted}
    present = in_force(directory)
    number = present.number if present else 0
    while number in known and known[number].restores in known:
        number = known[number].restores or 0
    earlier = (known[each] for each in sorted(known, reverse=True) if each < number)
    said = _said(present) if present else None
    return next((each for each in earlier if said is None or _said(each) != said), None)


def _said(generation: Generation) -> tuple[bool, bytes] | None:
    """Return what a generation asks of the host, None where that cannot be read."""
    try:
        return generation.destroyed, generation.policy.read_bytes()
    except OSError:
        return None


def _read(path: Path, number: int) -> Generation | None:
    try:
        return _load(path, number)
    except _UNREADABLE:
        return None


def _load(path: Path, number: int) -> Generation:
    about = read_about(path / ABOUT, _KINDS, may_be=_MAY_BE)
    if not all(isinstance(each, int) for each in about.setdefault("changes", {}).values()):
        raise ValueError("changes are no numbers")
    reverted = (path / REVERTED).exists()
    return Generation(number, path, **about, reverted=reverted, repairs=_repairs_of(path), boot=_boot_of(path))


def _repairs_of(path: Path) -> Repairs | None:
    try:
        return Repairs(**read_about(path / REPAIRS, _OF_REPAIRS))
    except _UNREADABLE:
        return None


def note_repair(generation: Generation, steps: Sequence[Step]) -> None:
    """Write down that the host was brought back to a generation, which makes no new one; raises OSError."""
    times = generation.repairs.times + 1 if generation.repairs else 1
    repairs = Repairs(times, datetime.now(UTC).replace(microsecond=0), who(), dict(touched(steps)))
    aside = generation.path / f".{REPAIRS}"
    write_synced(aside, about_text(repairs._asdict()))
    put_in_place(aside, generation.path / REPAIRS)


def _boot_of(path: Path) -> str:
    try:
        return (path / BOOT).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def note_boot(generation: Generation) -> None:
    """Write down that a generation is applied in this start of the machine; raises OSError."""
    if generation.boot != boot():
        aside = generation.path / f".{BOOT}"
        write_synced(aside, boot().encode())
        put_in_place(aside, generation.path / BOOT)


@dataclass(frozen=True, slots=True)
class Draft:
    """A generation to be: on disk as a whole, but without its number."""

    directory: Path
    aside: Path

    def keep(self) -> int:
        """Give it the next number, which puts it in force, and return that; raises OSError."""
        numbers = [int(each.name) for each in self.directory.iterdir() if each.name.isdecimal()]
        number = max(numbers, default=0) + 1
        put_in_place(self.aside, self.directory / str(number))
        for old in sorted(numbers)[: -KEPT + 1]:
            sweep(self.directory / str(old))
        return number

    def drop(self) -> None:
        """Remove it."""
        sweep(self.aside)


def draft(
    directory: Path, policy: PolicySet, steps: Sequence[Step], *, restores: int | None = None, destroyed: bool = False
) -> Draft:
    """Write down a generation without putting it in force; raises OSError, and leaves nothing of it then."""
    make_directory(directory)
    for old in directory.glob(".draft-*"):  # of processes that were killed
        sweep(old)
    aside = directory / f".draft-{os.getpid()}"
    about = {
        "when": datetime.now(UTC).replace(microsecond=0),
        "who": who(),
        "command": " ".join(["laneway", *sys.argv[1:]]),
        "destroyed": destroyed,
        **({"restores": restores} if restores is not None else {}),
        "changes": dict(touched(steps)),
    }
    try:
        aside.mkdir(mode=0o700)
        write_synced(aside / POLICY, to_toml(policy).encode())
        write_synced(aside / ABOUT, about_text(about))
        write_synced(aside / BOOT, boot().encode())
    except OSError:
        sweep(aside)
        raise
    return Draft(directory, aside)


def who() -> str:
    """Return the name of the person behind this process: who called sudo, or logged in."""
    return os.environ.get("SUDO_USER") or _login() or _name(os.getuid())


def _login() -> str:
    try:
        with open("/proc/self/loginuid", encoding="ascii") as file:  # noqa: PTH123  a number the kernel keeps
            number = int(file.read())
    except (OSError, ValueError):
        return ""
    return "" if number == 0xFFFFFFFF else _name(number)  # noqa: PLR2004  (uid_t) -1: nobody logged in


def _name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
