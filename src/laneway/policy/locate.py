"""From what is wrong to where: faults by document path become problems by line and column."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from laneway.policy.documents import decoded, read_bytes
from laneway.policy.problems import Note, Problem
from laneway.policy.spans import Spans

if TYPE_CHECKING:
    from collections.abc import Mapping

    from laneway.policy.problems import Fault, Faults, Place


def located(faults: Faults) -> tuple[Problem, ...]:
    """Return every problem with its place, sorted by file and line."""
    atlas = Atlas(faults.texts)
    problems = [*faults.located, *(atlas.problem(fault) for fault in faults.found)]
    return tuple(sorted(dict.fromkeys(problems), key=lambda problem: problem.order))


class Atlas:
    """The places of several files, each read when it is first asked about."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        """Begin with the texts that were loaded; other files are read from disk as they are now."""
        self._texts = texts
        self._spans: dict[str, Spans | None] = {}

    def problem(self, fault: Fault) -> Problem:
        """Return the fault with its place."""
        main = self.note("", fault.place)
        notes = tuple(self.note(message, place) for message, place in fault.notes)
        return Problem(
            fault.message, main.file, main.line, main.column, main.length, main.text, hint=fault.hint, notes=notes
        )

    def note(self, message: str, place: Place) -> Note:
        """Return something said of a place; without a line when its file cannot be read."""
        spans = self._of(place.file)
        if spans is None:
            return Note(message, place.file)
        span = spans.key(place.path) if place.on_key else spans.value(place.path)
        return Note(message, place.file, span.line, span.column, span.length, spans.line(span.line))

    def _of(self, file: str) -> Spans | None:
        if file not in self._spans:
            text = self._texts.get(file)
            if text is None:
                text = _read(file)
            self._spans[file] = None if text is None else Spans(text)
        return self._spans[file]


def _read(file: str) -> str | None:
    try:
        return decoded(read_bytes(Path(file)))
    except (OSError, ValueError):
        return None
