"""The lease file: `/etc/iproute2/rt_tables.d/laneway.conf`, which is also what names the tables for `ip route`.

A line per lane, `20057 lw.acme.north`; owner and uplink numbers are read back out of the table ids, for which the
header keeps how they were made. Tenant names cannot hold an underscore, so `_host` and `_crossing` are no tenants.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from laneway.lanes.field import FIRST_TENANT, HOST_OWNER

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH = "/etc/iproute2/rt_tables.d/laneway.conf"
PROTOCOLS_PATH = "/etc/iproute2/rt_protos.d/laneway.conf"
HEADER = "# laneway: lane tables. The numbers are leases, kept for a tenant's life; `laneway apply` writes this file."
CROSSING_NAME = "lw._crossing"
REVERSE_PATH_NAME = "lw._reverse-path"
HOST_NAME = "_host"

_MOST_BITS = 32  # of a mark: a damaged file must not have a number shifted by more
_SETTINGS = re.compile(r"^# base (\d{1,10}) uplink-bits (\d{1,10}) next-owner (\d{1,10})$", re.MULTILINE)
_LINE = re.compile(r"^(\d{1,10}) lw\.([a-z0-9_-]+)\.([a-z0-9-]+)$", re.MULTILINE)


class Leases(NamedTuple):
    """Numbers that names already have; `next_owner` is the first that no tenant had yet."""

    owners: Mapping[str, int] = {}
    uplinks: Mapping[str, int] = {}
    next_owner: int = FIRST_TENANT


def table_name(tenant: str, uplink: str) -> str:
    """Return the name of a tenant's lane table."""
    return f"lw.{tenant}.{uplink}"


def host_table_name(uplink: str) -> str:
    """Return the name of the table by which the host's own services answer."""
    return table_name(HOST_NAME, uplink)


def parse(text: str) -> Leases:
    """Return the leases a file holds; lines that are not laneway's form are passed over."""
    settings = _SETTINGS.search(text)
    if settings is None:
        return Leases()
    base, bits, next_owner = (int(group) for group in settings.groups())
    if bits > _MOST_BITS:
        return Leases()
    owners: dict[str, int] = {}
    uplinks: dict[str, int] = {}
    for table, owner, uplink in _LINE.findall(text):
        lane = int(table) - base
        if lane <= 0:
            continue
        uplinks.setdefault(uplink, lane & ((1 << bits) - 1))
        if lane >> bits != HOST_OWNER:
            owners.setdefault(owner, lane >> bits)
    return Leases(owners, uplinks, next_owner)


def holders(text: str) -> dict[int, str]:
    """Return whose each lane number is, as a lease file says; `HOST_NAME` is the host."""
    settings = _SETTINGS.search(text)
    base = int(settings[1]) if settings else 0
    return {int(table) - base: owner for table, owner, _ in _LINE.findall(text)}


def render(tables: Mapping[int, str], *, base: int, uplink_bits: int, next_owner: int) -> str:
    """Return the file that names `tables` and keeps the leases."""
    settings = f"# base {base} uplink-bits {uplink_bits} next-owner {next_owner}"
    return "\n".join([HEADER, settings, *(f"{table} {name}" for table, name in sorted(tables.items())), ""])
