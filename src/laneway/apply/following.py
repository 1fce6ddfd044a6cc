"""What `laneway run` tells others of itself: that it runs, and what it repaired last."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

DIRECTORY = Path("/run/laneway")
LOCK = DIRECTORY / "run.lock"
_TOLD = DIRECTORY / "run.json"
KEPT = 20
"""Repairs that are remembered."""


class Repair(NamedTuple):
    """One repair of the host."""

    when: str  # as RFC 3339 writes it
    what: str  # "4 routes"
    after: str  # "link eth1 is up"
    seconds: float


class Following(NamedTuple):
    """What is known of the process that follows the host."""

    pid: int
    since: str
    generation: int | None = None  # 0: nothing is in force; None: that is not known yet
    repairs: tuple[Repair, ...] = ()  # the last of them, the newest last
    waits: str = ""  # for what, and since whom it undoes
    trouble: str = ""  # why the host is not as the policy in force says

    def as_json(self) -> dict[str, object]:
        """Return it as plain data."""
        repairs = [each._asdict() for each in self.repairs]
        return {**self._asdict(), "generation": self.generation or 0, "repairs": repairs}


def write(told: Following) -> None:
    """Replace what is told; raises OSError."""
    aside = _TOLD.with_name(f".{_TOLD.name}.{os.getpid()}")
    aside.write_text(json.dumps(told.as_json(), indent=1), encoding="utf-8")
    aside.replace(_TOLD)


def read() -> Following | None:
    """Return what the process that follows this host tells, None where none runs."""
    if not _runs():
        return None
    try:
        told: dict[str, Any] = json.loads(_TOLD.read_bytes())
        return Following(**{**told, "repairs": tuple(Repair(**each) for each in told["repairs"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _runs() -> bool:
    """Tell whether somebody holds the lock: it goes with the process, however that ends."""
    try:
        descriptor = os.open(LOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False
