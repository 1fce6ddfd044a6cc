"""The Typer application, and how every command ends: its exit code, and what an operator reads when it fails."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from laneway.cli import output
from laneway.cli.completion import demand_shell
from laneway.errors import EXIT_STATUS, Exit, Interrupted, LanewayError, UsageError
from laneway.state.visible import visible_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Final, NoReturn

    from typer import Typer

VERBS: Final = (
    *("check", "compile", "plan", "apply", "confirm", "rollback", "history", "run", "destroy"),
    *("status", "verify", "explain", "map", "doctor", "exec", "lab", "schema", "service", "help", "version"),
)
"""The commands in the order of `--help`; each is a module of this package with a function `register(app)`."""

FIRST_STEPS: Final = (
    "First: `laneway lab FILE` tries a policy without touching the host. Then: doctor, check, plan, "
    "`apply --confirm-within 60s`, confirm, status. `laneway help` lists the pages of the manual, the keys of a policy "
    "among them."
)
JSON_ANSWERS: Final = "With --json an answer has `ok`, and a failure `error` with its kind."

INTERRUPTED: Final = 128 + 2  # as a shell reports SIGINT
BROKEN_PIPE: Final = 128 + 13  # and SIGPIPE


def command_line(arguments: Sequence[str]) -> int:
    """Let Typer read the arguments and run the verb they name; returns or exits with the command's code."""
    demand_shell(os.environ)
    app = build(arguments[:1] if arguments and arguments[0] in VERBS else VERBS)
    import typer

    misuse: Any = typer.BadParameter.__base__  # UsageError: of click, or of the copy of it inside newer Typers
    try:
        with output.told():  # the help; commands end with `finish`, so that no error of theirs comes as far as this
            return int(app(arguments, prog_name="laneway", standalone_mode=False) or Exit.DONE)
    except typer.Abort:
        return INTERRUPTED
    except misuse as error:
        error.message = visible_lines(error.message)  # it repeats what was typed, or what a script put in
        error.show()
        if asks_for_json(arguments):
            with output.told():
                output.answer(output.of_error(UsageError(error.format_message())))
        return int(error.exit_code)


def asks_for_json(arguments: Sequence[str]) -> bool:
    """Return whether an answer is to be JSON, of arguments that Typer may not have understood."""
    from itertools import pairwise, takewhile

    ours = list(takewhile(lambda each: each != "--", arguments))  # behind it are another command's
    return "--json" in ours or "--format=json" in ours or ("--format", "json") in pairwise(ours)


def build(verbs: Sequence[str]) -> Typer:
    """Return the application with these verbs alone, so that one command does not wait for the others' imports."""
    from importlib import import_module

    import typer

    codes = "; ".join(f"{code.value} {said}" for code, said in EXIT_STATUS.items())
    app = typer.Typer(
        help="Keep every tenant of this host in its own lane.",
        epilog=f"{FIRST_STEPS}\n\nExit codes: {codes}. {JSON_ANSWERS}",
        no_args_is_help=True,
        rich_markup_mode=None,  # plain help: rich takes longer to load than the rest of the help to show
        pretty_exceptions_enable=False,  # `finish` has them
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def options(*, version: bool = typer.Option(False, "--version", "-V", help="Say which laneway this is.")) -> None:
        # Reached with other options beside it; `main` answers `--version` alone.
        if version:
            from laneway import __version__

            output.data(f"laneway {__version__}")
            raise typer.Exit

    for verb in verbs:
        import_module(f"laneway.cli.{verb}").register(app)
    return app


def _flush() -> None:
    with output.told():
        sys.stdout.flush()


def _answered(command: Callable[[], int]) -> int:
    """Run a command that was asked for JSON: that the policy is invalid is an answer then, as of `check`."""
    from laneway.policy.problems import PolicyError

    try:
        return command()
    except PolicyError as error:
        from laneway.cli.validity import validity

        output.answer(validity(error))
        return error.exit_code


def _failed(error: LanewayError, *, as_json: bool) -> int:
    output.failure(error)
    if as_json:
        _answer_error(error)
    return error.exit_code


def _answer_error(error: LanewayError) -> None:
    """Answer that there is no answer, where that can be told."""
    try:
        output.answer(output.of_error(error))
        sys.stdout.flush()
    except (UsageError, OSError):  # what it is was told on standard error
        output.give_up(sys.stdout)


def _unexpected(error: Exception, *, as_json: bool) -> int:
    from laneway.cli.want import want

    wanting = want(error)
    if wanting is not None:
        return _failed(wanting, as_json=as_json)
    from laneway.cli.bug import report

    report(error)
    if as_json:
        _answer_error(LanewayError(f"{type(error).__name__}: {error}", "it is a bug of laneway's: please report it"))
    return Exit.BUG


def finish(command: Callable[[], int], *, as_json: bool = False) -> NoReturn:
    """Run the command and exit with its code; whatever goes wrong is told in words, never as a traceback."""
    try:
        code = _answered(command) if as_json else command()
        _flush()
    except LanewayError as error:
        code = _failed(error, as_json=as_json)
    except KeyboardInterrupt:
        code = INTERRUPTED
        if as_json:
            _answer_error(Interrupted("interrupted"))
    except BrokenPipeError:
        # Whoever read has gone: `laneway schema | head`. What is still buffered would complain at exit.
        output.give_up(sys.stdout)
        code = BROKEN_PIPE
    except Exception as error:  # noqa: BLE001  the one place: nobody above could tell it better
        code = _unexpected(error, as_json=as_json)
    sys.exit(code)
