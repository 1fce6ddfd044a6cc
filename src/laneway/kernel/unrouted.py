"""What laneway refused to forward for others, as its own rule's counter tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from laneway.kernel.xt_tables import save_output
from laneway.state.diagnosis import Unrouted
from laneway.state.prefix import FAMILIES

if TYPE_CHECKING:
    from laneway.state.facts import Variant

_REFUSES = re.compile(r"(?m)^\[(\d+):\d+\] -A LANEWAY-UNMARKED -m comment --comment \"?lw:-:not-a-router\"? ")
_ALLOWS = re.compile(r"(?m)^\[\d+:\d+\] -A LANEWAY-USER -i (\S+) .*?-j (?:ACCEPT|RETURN)")


def unrouted(variant: Variant | None) -> tuple[Unrouted, ...]:
    """Return it by family, where there was any; raises HostRefused."""
    found = []
    for family in FAMILIES if variant else ():
        saved = save_output(variant, family, counters=True) if variant else ""
        packets = sum(int(count) for count in _REFUSES.findall(saved))
        if packets:
            found.append(Unrouted(family, packets, frozenset(_ALLOWS.findall(saved))))
    return tuple(found)
