"""`laneway lab`: a policy on a throw-away host, shown with real packets."""

import sys
from typing import TYPE_CHECKING, Annotated, Final

from laneway.cli import output
from laneway.cli.app import finish
from laneway.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typer import Typer

    from laneway.policy.model import PolicySet


WIDE: Final = 160
"""Columns of the table where there is no terminal to ask."""


def register(app: "Typer") -> None:
    """Add the verb to the application."""
    import typer

    @app.command(
        context_settings={"ignore_unknown_options": True},
        short_help="Apply the policy to a throw-away host, and send real packets.",
    )
    def lab(
        path: Annotated[str | None, typer.Argument(metavar="[PATH]", help="A file or a directory.")] = None,
        command: Annotated[
            list[str] | None, typer.Argument(metavar="[-- COMMAND...]", help="Run this on the host instead of probing.")
        ] = None,
        *,
        shell: Annotated[bool, typer.Option("--shell", help="Leave a prompt on the host.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    ) -> None:
        """Apply the policy to a throw-away host with its providers and an internet, and send real packets.

        It needs no root. A table says who reached whom, by which uplink, seen as which address, and what was
        refused. Exit code 0: every expectation of the policy holds; 8: one fails.
        """
        finish(lambda: run(path, command or [], shell=shell, as_json=as_json), as_json=as_json)


def run(path: str | None, command: "Sequence[str]", *, shell: bool, as_json: bool) -> int:
    """Try the policy at `path`."""
    from laneway.cli.paths import policy_paths
    from laneway.cli.wire import carry_out, look_at
    from laneway.lab.report import as_json as report_json
    from laneway.lab.report import table
    from laneway.lab.run import run_lab
    from laneway.lab.sandbox import working_directory
    from laneway.policy.load import load

    working_directory()  # first: of a relative path the loader would say only that nothing is there
    paths = policy_paths([path] if path else [])
    policy = load(paths)
    result = run_lab(policy, apply=lambda: carry_out(look_at(policy)), shell=shell, command=command, say=output.note)
    if isinstance(result, int):
        return result
    report, topology = result
    if as_json:
        output.answer(report_json(report))
    else:
        from rich.console import Console

        # A pipe has no width: the table then takes what it needs.
        with output.told():
            Console(width=None if sys.stdout.isatty() else WIDE).print(table(report, topology))
        if report.failed:
            _explain(policy)
    return Exit.DONE if not report.failed else Exit.EXPECTATION


def _explain(policy: "PolicySet") -> None:
    """Say of each expectation that the policy itself does not hold where its packet goes, and why."""
    from laneway.cli.expectations import tell
    from laneway.explain.expect import failed

    failures = failed(policy)
    if failures:
        output.note(f"\n{tell(policy, failures)}")
