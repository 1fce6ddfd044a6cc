"""What a workload's end of its pair takes from whoever speaks on its link, nothing, and what it says (ip-sysctl.rst).

All workloads of a tenant share one link. With the kernel's own settings a sibling's router advertisement, or a redirect
in the gateway's name, would become the way out of every other one.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from laneway.kernel.netlink import attributes
from laneway.state.links import ADVICE, NOTICES

if TYPE_CHECKING:
    from laneway.kernel.link_messages import SeenLink

_ROOT = Path("/proc/sys/net")

# Where a link's message carries them: family, attribute and place (linux/ip.h, linux/ipv6.h).
_PLACES = {
    "ipv4/accept_redirects": (socket.AF_INET, 1, 3),
    "ipv6/accept_ra": (socket.AF_INET6, 2, 3),
    "ipv6/accept_redirects": (socket.AF_INET6, 2, 4),
}


def heeded(link: SeenLink) -> str:
    """Return the kinds of advice that the link takes, in words."""
    families = {family: attributes(body) for family, body in attributes(link.per_family).items()}
    found = []
    for advice in ADVICE:
        family, kind, place = _PLACES[advice]
        values = families.get(family, {}).get(kind, b"")
        if any(values[place * 4 : place * 4 + 4]):
            found.append(advice)
    return " ".join(found)


def believe_nobody(link: str = "") -> None:
    """Have `link`, and what is made from now on, take no advice in the network namespace that this thread is in."""
    for advice in ADVICE:
        family, _, name = advice.partition("/")
        for conf in ("all", "default", *([link] if link else ())):
            with suppress(OSError):  # without IPv6; what is read back tells whether it mattered
                (_ROOT / family / "conf" / conf / name).write_text("0", encoding="ascii")


def speak_up() -> None:
    """Have the links of the network namespace that this thread is in tell their neighbours when their MAC is set."""
    for notice in NOTICES:
        family, _, name = notice.partition("/")
        for conf in ("all", "default"):
            with suppress(OSError):  # without IPv6
                (_ROOT / family / "conf" / conf / name).write_text("1", encoding="ascii")
