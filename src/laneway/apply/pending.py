"""A change that waits for its confirmation, with all that taking it back needs.

The directory `pending` comes in one rename before the first step and goes in one rename when the change is confirmed
or taken back, so at every instant a kill, or a power cut, leaves it whole or not there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from laneway.apply import snapshot
from laneway.apply.about import about_text, read_about
from laneway.apply.boots import boot
from laneway.apply.durable import make_directory, put_in_place, refusals, sweep, write_synced
from laneway.apply.generations import REVERTED, who
from laneway.apply.journal import UNTOUCHED
from laneway.errors import ChangeThatWaits, ChangeWaits, Conflict, HostRefused, NoPrivileges

if TYPE_CHECKING:
    from pathlib import Path

    from laneway.state.facts import Variant
    from laneway.state.host import HostState

_ABOUT = "about.toml"
_SNAPSHOT = "snapshot"
_NUMBERS: dict[str, type] = {"generation": int, "before": int, "seconds": float, "end": float}
_WORDS: dict[str, type] = {"boot": str, "until": datetime, "who": str, "variant": str}


@dataclass(frozen=True, slots=True)
class Pending:
    """A change that waits."""

    path: Path
    generation: int  # the number of the change; 0 while it is being made
    before: int  # the generation that was in force, 0 for none
    seconds: float  # between the change and its end
    end: float  # by the clock that no one can set and that goes on in suspend (CLOCK_BOOTTIME)
    boot: str  # the machine's boot that this clock counts from
    until: datetime  # the same for people
    who: str
    variant: Variant  # of iptables, before

    @property
    def left(self) -> float:
        """Return the seconds until it is taken back; nothing is left after the machine was started anew."""
        return self.end - now() if self.boot == boot() else 0.0

    @property
    def same_boot(self) -> bool:
        """Return whether the machine was not started anew since."""
        return self.boot == boot()

    @property
    def change(self) -> ChangeThatWaits:
        """Return it as errors tell of it."""
        return ChangeThatWaits(self.generation, self.who, self.until.isoformat().replace("+00:00", "Z"))

    def as_json(self) -> dict[str, object]:
        """Return what waits as plain data, with the seconds that are left: none is over."""
        return {**self.change._asdict(), "before": self.before, "seconds": round(max(self.left, 0.0), 1)}

    @property
    def snapshot(self) -> HostState:
        """Return how the host was; raises HostRefused."""
        with refusals("so how the host was is not known"):
            return snapshot.load((self.path / _SNAPSHOT).read_bytes())

    def describe(self) -> str:
        """Return, for a person, what waits."""
        change = f"generation {self.generation}" if self.generation else "a change that was not finished"
        moment = self.until.astimezone().strftime("%H:%M:%S")
        return f"{change}, applied by {self.who}, waits for a confirmation until {moment}"


def now() -> float:
    """Return seconds since the machine was started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def read(path: Path) -> Pending | None:
    """Return the change that waits, None when none does; raises HostRefused for one that cannot be read."""
    try:
        return Pending(path, **read_about(path / _ABOUT, _NUMBERS | _WORDS))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise NoPrivileges(
            "only root may know whether a change waits for its confirmation", "run it as root"
        ) from error
    except (OSError, ValueError) as error:
        message = f"{path / _ABOUT}: {error}"
        raise HostRefused(message, f"if no change waits for a confirmation, remove {path}") from error


def begin(path: Path, before: HostState, *, seconds: float, generation: int, variant: Variant) -> Pending:
    """Write down that a change will wait; raises HostRefused when the disk does not take it."""
    aside = path.with_name(f".{path.name}")
    sweep(aside)
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
    pending = Pending(path, 0, generation, seconds, now() + seconds, boot(), until, who(), variant)
    with refusals(UNTOUCHED):
        try:
            make_directory(path.parent)
            aside.mkdir(mode=0o700)
            write_synced(aside / _SNAPSHOT, snapshot.dump(before))
            write_synced(aside / _ABOUT, _text(pending))
            put_in_place(aside, path)
        except OSError:
            sweep(aside)
            raise
    return pending


def start_counting(pending: Pending, generation: int) -> Pending:
    """Write down that the change is made, as `generation`, and that its time begins now; raises OSError."""
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=pending.seconds)
    counting = Pending(
        pending.path,
        generation,
        pending.before,
        pending.seconds,
        now() + pending.seconds,
        pending.boot,
        until,
        pending.who,
        pending.variant,
    )
    aside = pending.path / f".{_ABOUT}"
    write_synced(aside, _text(counting))
    put_in_place(aside, pending.path / _ABOUT)
    return counting


def _text(pending: Pending) -> bytes:
    values = {name: getattr(pending, name) for name in Pending.__slots__ if name != "path"}
    return about_text(values)


def remove(path: Path) -> None:
    """Take the note away: the change stays, or never was; raises HostRefused."""
    gone = path.with_name(f".{path.name}.gone")
    sweep(gone)
    with refusals("so the change will be reverted"):
        if path.exists():
            put_in_place(path, gone)
    sweep(gone)


def mark_reverted(pending: Pending, generation: Path) -> None:
    """Take the note away and leave a mark at the generation, which is then no longer in force; raises HostRefused."""
    if not generation.is_dir():
        remove(pending.path)
        return
    with refusals(f"the host is as it was before, but that could not be written down: remove {pending.path}"):
        put_in_place(pending.path, generation / REVERTED)
    sweep(generation / REVERTED / _SNAPSHOT)


def refuse_while_waiting(path: Path) -> None:
    """Raise Conflict while a change waits for its confirmation."""
    pending = read(path)
    if pending is None:
        return
    if pending.left > 0:
        hint = f"`laneway confirm {pending.generation}` keeps it, `laneway rollback` reverts it now"
        raise ChangeWaits(pending.describe(), hint).of_change(pending.change)
    raise _over(pending)


def refuse_another(pending: Pending, generation: int | None) -> None:
    """Raise Conflict when the change that waits is not the one that is meant."""
    if generation not in (None, pending.generation):
        message = f"it is not generation {generation} that waits: {pending.describe()}"
        raise Conflict(message, "leave it to the one who applied it, or name it").of_change(pending.change)


def refuse_unless_in_force(path: Path) -> None:
    """Raise Conflict while a change is half made, or is to be taken back; one that waits is the policy in force."""
    pending = read(path)
    if pending is not None and (not pending.generation or pending.left <= 0):
        raise _over(pending)


def _over(pending: Pending) -> ChangeWaits:
    hint = "it should be reverted by now: `laneway rollback --pending` reverts it, unless another laneway already does"
    return ChangeWaits(f"{pending.describe()}, which is over", hint).of_change(pending.change)
