"""What tells one start of the machine from another."""

from __future__ import annotations

from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot() -> str:
    """Return the id of this start of the machine."""
    return _BOOT.read_text(encoding="ascii").strip()
