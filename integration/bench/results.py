"""What was measured: always a ratio between two things of one run, its median, and how far the single ratios spread."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_PLACES = 3


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table; `measured` and `beside` are of the same rounds, in `unit`."""

    item: str
    case: str
    beside_what: str
    unit: str
    measured: tuple[float, ...]
    beside: tuple[float, ...]
    at_least: float | None = None
    at_most: float | None = None

    @property
    def ratios(self) -> list[float]:
        """Each round's measured divided by what was measured beside it."""
        return [ours / theirs for ours, theirs in zip(self.measured, self.beside, strict=True)]

    @property
    def ratio(self) -> float:
        return median(self.ratios)

    @property
    def goal(self) -> str:
        if self.at_least is not None:
            return f"≥ {self.at_least:g}"
        return "" if self.at_most is None else f"≤ {self.at_most:g}"

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        if self.at_least is not None:
            return self.ratio >= self.at_least
        return None if self.at_most is None else self.ratio <= self.at_most

    def as_json(self) -> dict[str, Any]:
        spread = [round(each, _PLACES) for each in (min(self.ratios), max(self.ratios))]
        return asdict(self) | {"ratio": round(self.ratio, _PLACES), "spread": spread, "met": self.met}


def table(results: Sequence[Result]) -> str:
    """Return the results as a table in Markdown."""
    lines = ["| what | case | measured | beside it | ratio (spread) | goal |", "|---|---|---|---|---|---|"]
    return "\n".join([*lines, *map(_row, results)])


def _row(result: Result) -> str:
    ours, theirs = median(result.measured), median(result.beside)
    spread = f"{result.ratio:.2f} ({min(result.ratios):.2f}-{max(result.ratios):.2f})"
    verdict = {True: f"{result.goal} ✓", False: f"{result.goal} ✗", None: ""}[result.met]
    beside = f"{result.beside_what}: {_number(theirs)} {result.unit}"
    return f"| {result.item} | {result.case} | {_number(ours)} {result.unit} | {beside} | {spread} | {verdict} |"


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
