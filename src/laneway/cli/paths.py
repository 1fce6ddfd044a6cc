"""Where the policy is when the command line does not say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from laneway.errors import UsageError
from laneway.policy.documents import STANDARD_INPUT

if TYPE_CHECKING:
    from collections.abc import Sequence


def is_named(given: Sequence[str | Path]) -> bool:
    """Return whether somebody named a policy: on the command line, or in `$LANEWAY_POLICY`."""
    return bool(given or os.environ.get("LANEWAY_POLICY"))


def in_its_place(given: Sequence[str | Path], place: Path) -> list[Path]:
    """Return the one file given, and beside it the others of the directory that it is to be put into.

    The place is that directory, where a file of the same name is left out, or the name in it that the file will have.
    Raises UsageError where not one file is given.
    """
    if len(given) != 1:
        raise UsageError("--with judges one file in its place", "name that one: laneway check --with DIR FILE")
    (file,) = policy_paths(given)
    directory, name = (place, file.name) if place.is_dir() else (place.parent, place.name)
    try:
        found = sorted(each for each in directory.iterdir() if each.name.endswith(".toml") and each.name[0] != ".")
    except OSError as error:
        raise UsageError(f"{directory}: {error.strerror}", "name the directory, or the file's place in it") from error
    return [*(each for each in found if each.name != name), file]


def policy_paths(given: Sequence[str | Path]) -> list[Path]:
    """Return the paths given, "-" for standard input, or else `$LANEWAY_POLICY`, or else `/etc/laneway`.

    Raises UsageError on an empty one, and on standard input twice.

    To pathlib an empty path is the working directory, and to an operator a variable that was not set.
    """
    if not all(map(str, given)):
        raise UsageError("a path is empty", "write . for this directory")
    if sum(str(each) == "-" for each in given) > 1:
        raise UsageError("standard input is named twice", "name it once, with the whole of it behind it")
    chosen = [STANDARD_INPUT if str(each) == "-" else Path(each) for each in given]
    return chosen or [Path(os.environ.get("LANEWAY_POLICY") or "/etc/laneway")]
