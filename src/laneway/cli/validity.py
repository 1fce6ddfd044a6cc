"""Whether a policy is valid, as JSON: the same keys from every command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from laneway.policy.problems import PolicyError, Problem

    Warnings = Sequence[tuple[str, Problem]]

PROBLEM: Final = ("file", "line", "column", "message", "hint")


def validity(error: PolicyError | None, warnings: Warnings = ()) -> dict[str, object]:
    """Return what is wrong with a policy, in the order in which it stands in the files, and what is hardly meant."""
    return {
        "valid": error is None,
        "problems": [_as_json(each) for each in error.problems] if error else [],
        "warnings": [{"rule": rule, **_as_json(each)} for rule, each in warnings],
    }


def _as_json(problem: Problem) -> dict[str, object]:
    return {part: getattr(problem, part) for part in PROBLEM}
