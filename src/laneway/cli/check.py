"""`laneway check`: whether a policy is valid, and whether it is meant, without looking at the host."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from laneway.cli import output
from laneway.cli.app import finish
from laneway.cli.paths import in_its_place, policy_paths
from laneway.errors import Exit, UsageError
from laneway.state.visible import visible

if TYPE_CHECKING:
    from typer import Typer

    from laneway.cli.validity import Warnings
    from laneway.explain.expect import Failure
    from laneway.policy.load import PolicyError
    from laneway.policy.model import PolicySet


class Format(StrEnum):
    """How to answer."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


class Manner(NamedTuple):
    """What becomes of warnings, and how all is told."""

    form: Format = Format.TEXT
    place: Path | None = None  # where the file is to be put
    strict: bool = False  # a warning is as bad as an error
    ignored: tuple[str, ...] = ()  # rules whose warnings are not wanted


def register(app: "Typer") -> None:
    """Add the verb to the application."""
    import typer

    @app.command(short_help="Validate policy files: each mistake with its line and a hint.")
    def check(  # noqa: PLR0913  a parameter for each option
        paths: Annotated[list[str] | None, typer.Argument(metavar="PATH", help="Files or directories.")] = None,
        *,
        place: Annotated[
            Path | None,
            typer.Option("--with", metavar="PLACE", help="Judge the file beside the others of its directory."),
        ] = None,
        strict: Annotated[bool, typer.Option("--strict", help="Take warnings for errors.")] = False,
        ignore: Annotated[list[str] | None, typer.Option(metavar="RULE", help="Leave out a rule's warnings.")] = None,
        form: Annotated[Format, typer.Option("--format", help="How to answer.")] = Format.TEXT,
        as_json: Annotated[bool, typer.Option("--json", help="As --format json.")] = False,
    ) -> None:
        """Say whether the policy is valid: every problem with its place, and what to do about it.

        A warning is valid policy that is probably a mistake: an unreachable class, an uplink nobody uses. Warnings
        do not change the exit code, unless --strict is given. --format sarif is for the code scanning of CI services.
        The packets of every [[expect]] are followed through the host that `laneway lab` would make.

        --with judges one file, or -, before it is put into a directory: PLACE is that directory, or the name in it that
        the file will have. Of a configuration management: validate: laneway check --with /etc/laneway/shop.toml %s

        Several paths are read as one policy, - is standard input. Without a path it is the one of $LANEWAY_POLICY, or
        /etc/laneway.
        """
        manner = Manner(Format.JSON if as_json else form, place, strict=strict, ignored=tuple(ignore or ()))
        finish(lambda: run(paths or [], manner), as_json=manner.form is Format.JSON)


def run(paths: Sequence[str | Path], manner: Manner) -> Exit:
    """Check the policy that the paths are, and say what came of it; raises PolicyError where that is the answer."""
    from laneway.policy.lint import lint, located
    from laneway.policy.load import PolicyError, load

    _refuse_unknown_rules(manner.ignored)
    chosen = policy_paths(paths) if manner.place is None else in_its_place(paths, manner.place)
    try:
        policy = load(chosen)
    except PolicyError as error:
        if manner.form is Format.TEXT:
            raise
        _report(error, (), manner)
        return Exit.POLICY
    found = lint(policy, manner.ignored)
    warnings = located(found) if found else []
    failures = _failures(policy)
    if manner.form is Format.TEXT:
        _tell(policy, chosen, warnings, failures)
    else:
        _report(None, warnings, manner, failures if policy.expects else None)
    if failures:
        return Exit.EXPECTATION
    return Exit.POLICY if warnings and manner.strict else Exit.DONE


def _failures(policy: "PolicySet") -> "list[Failure]":
    """Return the expectations that do not hold; a policy without any costs no time."""
    if not policy.expects:
        return []
    from laneway.explain.expect import failed

    return failed(policy)


def _tell(policy: "PolicySet", paths: Sequence[Path], warnings: "Warnings", failures: "list[Failure]") -> None:
    from laneway.policy.problems import MANY

    for rule, warning in warnings[:MANY]:
        output.note(f"{warning._replace(message=f'warning: {warning.message} [{rule}]').render()}\n")
    if len(warnings) > MANY:
        output.note(f"and {_counted(len(warnings) - MANY, 'more warning')}\n")
    more = f", {_counted(len(warnings), 'warning')}" if warnings else ""
    if policy.expects:
        from laneway.cli.expectations import tell

        more += f"; {tell(policy, failures)}"
    output.data(f"{' '.join(visible(str(each)) for each in paths)}: valid: {summary(policy)}{more}")


def _refuse_unknown_rules(ignored: Sequence[str]) -> None:
    from laneway.policy.lint import RULES

    for rule in ignored:
        if rule not in RULES:
            raise UsageError(f"there is no rule {rule}", f"the rules are {', '.join(RULES)}")


def _report(
    error: "PolicyError | None", warnings: "Warnings", manner: Manner, failures: "list[Failure] | None" = None
) -> None:
    from laneway.cli import expectations
    from laneway.cli.validity import MOST, validity

    if manner.form is Format.SARIF:
        from laneway import __version__
        from laneway.cli.sarif import log
        from laneway.policy.lint import RULES

        wrong = error.problems if error else expectations.problems(failures or [])
        output.data(output.json_text(log(wrong[:MOST], warnings[:MOST], RULES, __version__)))
        return
    failed = {} if failures is None else {"failed": expectations.as_json(failures)}
    output.answer({**validity(error, warnings), **failed})


def summary(policy: "PolicySet") -> str:
    """Return how much there is of what."""
    workloads = sum(len(tenant.workloads) for tenant in policy.tenants)
    counts = ((len(policy.uplinks), "uplink"), (len(policy.tenants), "tenant"), (workloads, "workload"))
    return ", ".join(_counted(count, noun) for count, noun in counts)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
