"""Where the policy is when the command line does not say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def policy_paths(given: Sequence[str | Path]) -> list[Path]:
    """Return the paths given, or else `$LANEWAY_POLICY`, or else `/etc/laneway`."""
    return [Path(each) for each in given] or [Path(os.environ.get("LANEWAY_POLICY") or "/etc/laneway")]
