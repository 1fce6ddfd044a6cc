"""What laneway left in the variant of iptables that is not in use."""

from __future__ import annotations

from typing import Any, NamedTuple


class LeftoverKey(NamedTuple):
    """Something of ours in the variant of iptables that is not in use: never wanted, and removed."""

    variant: str
    kind: str  # the mapping of `HostState` that it would be in: "priors", "chains" or "jumps"
    key: Any
