"""What becomes of an exception that nobody expected."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback

from laneway import __version__
from laneway.cli import output


def report(error: Exception) -> None:
    """Tell the operator in words, and keep the traceback in a file; with `LANEWAY_DEBUG` set, show it instead."""
    trace = "".join(traceback.format_exception(error))
    output.note(f"laneway has a bug: {type(error).__name__}: {error}")
    if os.environ.get("LANEWAY_DEBUG"):
        output.note(trace)
        return
    try:
        path = _keep(trace)
    except OSError as refusal:
        output.note(
            f"What happened could not be kept ({refusal}); please run it again with LANEWAY_DEBUG=1 and report it."
        )
    else:
        output.note(f"Please report it with what is in {path}")


def _keep(trace: str) -> str:
    about = f"laneway {__version__}, Python {platform.python_version()}, {platform.system()} {platform.release()}\n"
    with tempfile.NamedTemporaryFile("w", prefix="laneway-bug-", suffix=".txt", delete=False, encoding="utf-8") as file:
        file.write(f"{about}{' '.join(sys.argv)}\n\n{trace}")
    return file.name
