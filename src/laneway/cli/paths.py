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
