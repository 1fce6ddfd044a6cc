"""`laneway schema`: the JSON Schema of policy files, for editors, and of answers, for programs."""

from typing import TYPE_CHECKING, Annotated

from laneway.cli import output
from laneway.cli.app import finish
from laneway.errors import Exit, UsageError

if TYPE_CHECKING:
    from typer import Typer


def register(app: "Typer") -> None:
    """Add the verb to the application."""
    import typer

    @app.command(short_help="Print the JSON Schema of policy files, or of a command's answer.")
    def schema(
        *,
        output_of: Annotated[
            str | None,
            typer.Option("--output", metavar="COMMAND", help="Of what this command answers with --json instead."),
        ] = None,
    ) -> None:
        """Print the JSON Schema of policy files, for editors and other programs.

        With --output it is that of a command's answer with --json: `laneway schema --output plan`.
        """
        finish(lambda: run(output_of))


def run(verb: str | None = None) -> Exit:
    """Print the schema of policy files, or of the answer of a command."""
    from laneway.policy.schema import schema

    output.data(output.json_text(schema() if verb is None else _of_answer(verb)))
    return Exit.DONE


def _of_answer(verb: str) -> dict[str, object]:
    from laneway.cli.answer_schema import ANSWERS, answer_schema

    if verb not in ANSWERS:
        raise UsageError(f"no command {verb} answers with JSON", f"those that do: {', '.join(sorted(ANSWERS))}")
    return answer_schema(verb)
