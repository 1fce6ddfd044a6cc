"""Spans of time as people type them."""

from __future__ import annotations

import re

from laneway.errors import UsageError

_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}
_LONGEST = 366 * 24 * 3600  # seconds
_SPAN = re.compile(r"(\d+(?:\.\d+)?) ?(s|m|min|h|)")


def seconds_of(text: str) -> float:
    """Return the seconds of `90`, `60s`, `5m` or `1h`; raises UsageError for other text, 0, and more than a year."""
    match = _SPAN.fullmatch(text.strip())
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if seconds <= 0:
        message = f"{text!r} is not a duration"
        raise UsageError(message, "for example 60s, 5m or 1h")
    if seconds > _LONGEST:
        message = f"{text!r} is more than a year"
        raise UsageError(message, "for example 60s, 5m or 1h")
    return seconds
