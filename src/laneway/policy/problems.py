"""What is wrong with a policy, found first and located after: places cost nothing while there is nothing to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.errors import Exit, LanewayError
from laneway.policy.screen import caret_line, shown_line
from laneway.state.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from laneway.policy.model import Path, Source


MANY = 100
"""Problems that a person is shown at once, and for which the likeliest right word is looked for."""


class Span(NamedTuple):
    """A stretch of one line; lines and columns count from 1, columns and length in characters."""

    line: int
    column: int
    length: int


class Note(NamedTuple):
    """A second place that a problem is about."""

    message: str
    file: str
    line: int = 0  # 0: the file as a whole
    column: int = 0
    length: int = 0
    text: str = ""  # the line of the file, as it stands there

    def lines(self) -> Iterator[str]:
        """Yield the place and its line, for a terminal."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        yield f"{visible(place)}: {visible(self.message)}"
        if self.line:
            yield shown_line(self.line, self.text, self.column)
            yield caret_line(self.line, self.text, self.column, self.length)


class Problem(NamedTuple):
    """One thing that is wrong: what, where, and what to do about it."""

    message: str
    file: str
    line: int = 0  # 0: the file as a whole
    column: int = 0
    length: int = 0
    text: str = ""
    hint: str = ""
    notes: tuple[Note, ...] = ()

    def render(self) -> str:
        """Return the problem as people read it: the place, the line with carets below, a hint, other places."""
        lines = list(Note(self.message, self.file, self.line, self.column, self.length, self.text).lines())
        if self.hint:
            lines.append(f"     = hint: {visible(self.hint)}")
        for note in self.notes:
            lines.extend(note.lines())
        return "\n".join(lines)

    @property
    def order(self) -> tuple[str, int, int, str]:
        """Return what problems are sorted by."""
        return self.file, self.line, self.column, self.message


class PolicyError(LanewayError):
    """The policy is not valid; `problems` has every reason, in the order in which they stand in the files."""

    exit_code = Exit.POLICY
    kind = "policy"

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep the problems; the text of the error shows as many of them as a person reads."""
        shown = [problem.render() for problem in problems[:MANY]]
        if len(problems) > MANY:
            left = f"{len(problems) - MANY:,}".replace(",", " ")
            shown.append(f"and {left} more problem{'s' if len(problems) - MANY > 1 else ''}")
        super().__init__("\n\n".join(shown))
        self.problems = tuple(problems)

    @property
    def brief(self) -> str:
        """Return the first problem and its place, and how many more there are."""
        if not self.problems:
            return str(self)
        first = self.problems[0]
        place = f"{first.file}:{first.line}:{first.column}" if first.line else first.file
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        return f"{place}: {first.message}{more}"


class Place(NamedTuple):
    """Something in a file by its path in the document: its value, or with `on_key` the key that names it."""

    file: str
    path: Path
    on_key: bool = False

    @classmethod
    def of(cls, source: Source, *below: str | int, on_key: bool = False) -> Place:
        """Return the place of `source`, or of what lies below it."""
        return cls(source.file, (*source.path, *below), on_key)


class Fault(NamedTuple):
    """A problem that is not located yet."""

    message: str
    place: Place
    hint: str = ""
    notes: tuple[tuple[str, Place], ...] = ()


class Faults:
    """Gathers what is wrong, so that all of it is told at once."""

    def __init__(self) -> None:
        """Begin with nothing wrong."""
        self.found: list[Fault] = []
        self.located: list[Problem] = []  # of files that could not be read as TOML
        self.texts: dict[str, str] = {}  # what was read, by file
        self._last: dict[tuple[str, Path], int] = {}  # the last fault at or below each place

    def __len__(self) -> int:
        return len(self.found) + len(self.located)

    def add(self, message: str, place: Place, *, hint: str = "", notes: Sequence[tuple[str, Place]] = ()) -> None:
        """Add something wrong in a document; each note is what is to be said of another place."""
        for length in range(len(place.path) + 1):
            self._last[place.file, place.path[:length]] = len(self.found)
        self.found.append(Fault(message, place, hint, tuple(notes)))

    def last_below(self, file: str, path: Path) -> int:
        """Return the position of the last fault at or below a place, -1 without one."""
        return self._last.get((file, path), -1)

    def paths(self) -> frozenset[tuple[str, Path]]:
        """Return the file and path of everything that is wrong by itself."""
        return frozenset((fault.place.file, fault.place.path) for fault in self.found)
