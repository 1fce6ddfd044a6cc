"""Where the policy is when the command line does not say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from laneway.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


def policy_paths(given: Sequence[str | Path]) -> list[Path]:
    """Return the paths given, or else `$LANEWAY_POLICY`, or else `/etc/laneway`; raises UsageError on an empty one.

    To pathlib an empty path is the working directory, and to an operator a variable that was not set.
    """
    if not all(map(str, given)):
        raise UsageError("a path is empty", "write . for this directory")
    return [Path(each) for each in given] or [Path(os.environ.get("LANEWAY_POLICY") or "/etc/laneway")]
