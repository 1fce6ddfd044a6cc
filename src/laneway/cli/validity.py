"""Whether a policy is valid, as JSON: the same keys from every command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from laneway.cli.output import of_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from laneway.policy.problems import PolicyError, Problem

    Warnings = Sequence[tuple[str, Problem]]

MOST: Final = 1000
"""Problems, and warnings, of a JSON answer; how many more there are it says as `left_out`."""

PROBLEM: Final = ("file", "line", "column", "message", "hint")


def validity(error: PolicyError | None, warnings: Warnings = ()) -> dict[str, object]:
    """Return what is wrong with a policy, in the order in which it stands in the files, and what is hardly meant."""
    problems = error.problems if error else ()
    left_out = max(len(problems) - MOST, 0) + max(len(warnings) - MOST, 0)
    return {
        **(of_error(error) if error else {}),
        "valid": error is None,
        "problems": [_as_json(each) for each in problems[:MOST]],
        "warnings": [{"rule": rule, **_as_json(each)} for rule, each in warnings[:MOST]],
        **({"left_out": left_out} if left_out else {}),
    }


def _as_json(problem: Problem) -> dict[str, object]:
    return {part: getattr(problem, part) for part in PROBLEM}
