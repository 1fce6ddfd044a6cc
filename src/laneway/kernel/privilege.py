"""Whether this process may change the network at all."""

from __future__ import annotations

from pathlib import Path

from laneway.errors import NoPrivileges

_NET_ADMIN = 12
"""CAP_NET_ADMIN (linux/capability.h)."""


def demand_net_admin() -> None:
    """Raise NoPrivileges, before anything is read or changed, unless this process may administer the network."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:") and int(line.split()[1], 16) >> _NET_ADMIN & 1:
            return
    message = "this needs the right to change the network (CAP_NET_ADMIN)"
    raise NoPrivileges(message, "run it as root; `laneway check`, `compile` and `lab` need no rights")
