"""`laneway schema`: the JSON Schema of policy files, for editors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.cli import output
from laneway.cli.app import finish
from laneway.errors import Exit

if TYPE_CHECKING:
    from typer import Typer


def register(app: Typer) -> None:
    """Add the verb to the application."""

    @app.command(short_help="Print the JSON Schema of policy files.")
    def schema() -> None:
        """Print the JSON Schema of policy files, for editors and other programs."""
        finish(run)


def run() -> Exit:
    """Print the schema."""
    from laneway.policy.schema import schema

    output.data(output.json_text(schema()))
    return Exit.DONE
