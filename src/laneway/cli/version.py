"""`laneway version`: which laneway this is; `main` answers it alone, without Typer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.cli import output
from laneway.cli.app import finish
from laneway.errors import Exit

if TYPE_CHECKING:
    from typer import Typer


def register(app: Typer) -> None:
    """Add the verb to the application."""

    @app.command(short_help="Print the version.")
    def version() -> None:
        """Say which laneway this is."""
        finish(run)


def run() -> Exit:
    """Print the version."""
    from laneway import __version__

    output.data(f"laneway {__version__}")
    return Exit.DONE
