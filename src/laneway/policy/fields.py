"""Typed reading of TOML tables: every getter returns the value, or notes what is wrong and returns none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from laneway.policy.model import Source
from laneway.policy.names import MAX_NAME, NAME
from laneway.policy.problems import MANY, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from laneway.policy.problems import Faults

T = TypeVar("T")

SHOWN = 60
"""Characters of a wrong value that an error repeats."""

DID_YOU_MEAN = "did you mean {}?"

HUGE = 128
"""Bits of the largest integer that an error repeats."""

NAME_RULE = "a name has a to z, 0 to 9 and -, and neither begins nor ends with -"

_TYPE_NAMES = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a float",
    list: "an array",
    dict: "a table",
}


class Invalid(ValueError):  # noqa: N818  it never leaves this package
    """A value that is not what it should be: `str()` says why, `hint` what to write instead."""

    def __init__(self, message: str, hint: str = "") -> None:
        """Keep the reason and the hint."""
        super().__init__(message)
        self.hint = hint


def type_name(value: object) -> str:
    """Return what TOML calls the type of a value, with its article."""
    return _TYPE_NAMES.get(type(value), "a date or time")


def quoted(value: object) -> str:
    """Return a wrong value for an error: as written, but never long."""
    if isinstance(value, int) and value.bit_length() > HUGE:  # Python refuses to write out the longest
        return "of this size"
    text = value if isinstance(value, str) else repr(value)
    text = text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
    return text if text and text == text.strip() else f'"{text}"'


def suggestion(word: str, known: Collection[str]) -> str:
    """Return a hint that names the likeliest of the known words, or all of a few."""
    from difflib import get_close_matches

    close = get_close_matches(word[:MAX_NAME], known, n=1)
    if close:
        return DID_YOU_MEAN.format(close[0])
    few = 12
    return f"known here: {', '.join(sorted(known))}" if 0 < len(known) <= few else ""


def name_problem(name: str) -> str:
    """Return why `name` is not a name, or nothing."""
    if len(name) > MAX_NAME:
        return f"{quoted(name)} is longer than {MAX_NAME} characters"
    return "" if NAME.fullmatch(name) else f"{quoted(name)} is not a name"


class Table:
    """A table of a document: its values, where it stands, and what errors call it."""

    __slots__ = ("_before", "_faults", "_label", "_meant", "file", "path", "values")

    def __init__(
        self, values: dict[str, Any], *, file: str, path: tuple[str | int, ...], label: str, faults: Faults
    ) -> None:
        """Stand for `values`, found at `path` of `file`; `label` begins each error."""
        self.values = values
        self.file = file
        self.path = path
        self._label = label
        self._faults = faults
        self._before = len(faults.found)
        self._meant: frozenset[str] = frozenset()

    def __contains__(self, key: str) -> bool:
        """Tell whether a key is there, or was meant to be: a misspelt one is not missing as well."""
        return key in self.values or key in self._meant

    @property
    def source(self) -> Source:
        """Return where this table was written."""
        return Source(self.file, self.path)

    def at(self, *below: str | int) -> Source:
        """Return where something in this table was written."""
        return Source(self.file, (*self.path, *below))

    def wrong(
        self,
        message: str,
        *below: str | int,
        hint: str = "",
        on_key: bool = False,
        notes: Sequence[tuple[str, Place]] = (),
    ) -> None:
        """Note that something in this table, or without `below` the table itself, is wrong."""
        place = Place(self.file, (*self.path, *below), on_key=on_key or not below)
        self._faults.add(f"{self._label}: {message}" if self._label else message, place, hint=hint, notes=notes)

    def has_faults(self, *below: str | int) -> bool:
        """Tell whether anything was found wrong at or below a place since this table was opened."""
        if len(self._faults.found) == self._before:
            return False
        return self._faults.last_below(self.file, (*self.path, *below)) >= self._before

    def only(self, known: frozenset[str]) -> None:
        """Note every key that has no meaning here."""
        if self.values.keys() <= known:
            return
        for key in self.values:
            if key not in known:
                hint = suggestion(key, known) if len(self._faults) < MANY else ""
                self.wrong(f"unknown key {quoted(key)}", key, hint=hint, on_key=True)
                self._meant |= {each for each in known if hint == DID_YOU_MEAN.format(each)}

    def require(self, *keys: str, hint: str = "") -> None:
        """Note every key that is missing."""
        for key in keys:
            if key not in self:
                self.wrong(f"{key} is missing", hint=hint)

    def get(self, key: str, kind: type[T]) -> T | None:
        """Return the value of a key if it is there and of this type."""
        value = self.values.get(key)
        if value is None:
            return None
        if type(value) is not kind:  # exactly: a boolean is no integer
            self.wrong(f"{key} must be {_TYPE_NAMES[kind]}, not {type_name(value)}", key)
            return None
        return value

    def parsed(self, key: str, parse: Callable[[str], T]) -> T | None:
        """Return what `parse` makes of a string, if it is there and right."""
        text = self.get(key, str)
        if text is None:
            return None
        try:
            return parse(text)
        except Invalid as error:
            self.wrong(str(error), key, hint=error.hint)
            return None

    def integer(self, key: str, least: int, most: int) -> int | None:
        """Return an integer within these limits, if it is there and right."""
        value = self.get(key, int)
        if value is not None and not least <= value <= most:
            self.wrong(f"{key} {quoted(value)} is not within {least} to {most}", key)
            return None
        return value

    def choice(self, key: str, known: Sequence[str]) -> str | None:
        """Return one of the known words, if it is there and right."""
        value = self.get(key, str)
        if value is not None and value not in known:
            self.wrong(f"{key} {quoted(value)} is none of {', '.join(known)}", key, hint=_did_you_mean(value, known))
            return None
        return value

    def array(self, key: str) -> list[Any]:
        """Return the elements of an array, none if it is not there or no array."""
        return self.get(key, list) or []

    def each(self, key: str, parse: Callable[[str], T]) -> list[T]:
        """Return what `parse` makes of the strings of an array; elements that are wrong are left out."""
        return [value for _, value in self.numbered(key, parse)]

    def numbered(self, key: str, parse: Callable[[str], T]) -> list[tuple[int, T]]:
        """Return as `each`, each value with its position in the file."""
        found = []
        for index, text in enumerate(self.array(key)):
            if type(text) is not str:
                self.wrong(f"each of {key} must be a string, not {type_name(text)}", key, index)
                continue
            try:
                found.append((index, parse(text)))
            except Invalid as error:
                self.wrong(str(error), key, index, hint=error.hint)
        return found

    def unique(self, key: str, parse: Callable[[str], T]) -> list[tuple[int, T]]:
        """Return as `numbered`, and note every value that is there twice."""
        found = self.numbered(key, parse)
        first: dict[T, int] = {}
        if len(found) <= 1:
            return found
        for index, value in found:
            if first.setdefault(value, index) != index:
                before = Place(self.file, (*self.path, key, first[value]))
                self.wrong(f"{quoted(str(value))} is in {key} twice", key, index, notes=[("note: first here", before)])
        return [(index, value) for index, value in found if first[value] == index]

    def table(self, key: str, label: str = "") -> Table | None:
        """Return the table below a key, if there is one."""
        values = self.get(key, dict)
        if values is None:
            return None
        path = (*self.path, key)
        return Table(values, file=self.file, path=path, label=label or self._label, faults=self._faults)

    def tables(self, key: str, noun: str) -> Iterator[Table]:
        """Yield the tables of an array; in errors each is called by its name, or else its number."""
        for index, values in enumerate(self.array(key)):
            if type(values) is not dict:
                self.wrong(f"each of {key} must be a table, not {type_name(values)}", key, index)
                continue
            name = values.get("name")
            called = quoted(name) if isinstance(name, str) else str(index + 1)
            label = f"{self._label}, {noun} {called}" if self._label else f"{noun} {called}"
            yield Table(values, file=self.file, path=(*self.path, key, index), label=label, faults=self._faults)

    def named(self, key: str, noun: str) -> Iterator[tuple[str, Table]]:
        """Yield the tables below a key by their names, a wrong name noted."""
        parent = self.table(key)
        for name, values in parent.values.items() if parent else ():
            called = name
            if problem := name_problem(name):
                called = quoted(name)
                self.wrong(f"{noun} {problem}", key, name, hint=_name_hint(name), on_key=True)
            if type(values) is not dict:
                self.wrong(f"{noun} {quoted(name)} must be a table, not {type_name(values)}", key, name)
                continue
            label = f"{self._label}, {noun} {called}" if self._label else f"{noun} {called}"
            yield name, Table(values, file=self.file, path=(*self.path, key, name), label=label, faults=self._faults)


def _name_hint(name: str) -> str:
    return NAME_RULE if len(name) <= MAX_NAME else ""


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    hint = suggestion(word, known)
    return hint if hint.startswith("did") else ""
