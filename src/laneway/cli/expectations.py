"""The policy's own tests, told by `laneway check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.cli import output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from laneway.explain.expect import Failure
    from laneway.policy.model import PolicySet
    from laneway.policy.problems import Problem


def tell(policy: PolicySet, failures: Sequence[Failure]) -> str:
    """Print where the packets of the failed tests go instead; return the tally."""
    if failures:  # only then is there something to load the words for
        _show(failures)
    count, wrong = len(policy.expects), len(failures)
    noun = "expectation" if count == 1 else "expectations"
    if wrong:
        return f"{wrong} of {count} {noun} fail{'s' * (wrong == 1)}"
    return f"{count} {noun} hold{'s' * (count == 1)}"


def _show(failures: Sequence[Failure]) -> None:
    from laneway.cli.explain import show
    from laneway.explain.places import Places
    from laneway.explain.report import lines

    places = Places()
    for each in failures:
        output.data(f"{places.text(each.expect.source)}: {each.reason}")
        show(lines(each.explanation, places))
        output.data("")


def as_json(failures: Sequence[Failure]) -> list[dict[str, object]]:
    """Return the failed tests as data, each with its packet's way."""
    from laneway.explain.places import Places
    from laneway.explain.report import as_json as told

    places = Places()
    return [
        {
            "policy": places.text(each.expect.source),
            "reason": each.reason,
            "explanation": told(each.explanation, places),
        }
        for each in failures
    ]


def problems(failures: Sequence[Failure]) -> list[Problem]:
    """Return the failed tests as problems of the policy, for tools that know nothing else."""
    from laneway.policy.locate import Atlas
    from laneway.policy.problems import Fault, Place

    atlas = Atlas({})
    return [atlas.problem(Fault(each.reason, Place.of(each.expect.source))) for each in failures]
