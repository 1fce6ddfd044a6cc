"""The `[host]` table: what laneway may use on this host."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, cast

from laneway.policy.fields import Invalid, quoted, type_name
from laneway.policy.model import HostSettings
from laneway.policy.values import bounds

if TYPE_CHECKING:
    from laneway.policy.fields import Table

KEYS = frozenset({"marks", "max_uplinks", "tables", "priorities", "iptables"})
VARIANTS = ("auto", "legacy", "nft")

MARK_BITS = 32
FEWEST_MARK_BITS = 6
MOST_UPLINKS = 255
FEWEST_OWNER_BITS = 2
"""Owners are numbered from 1, the host itself, so that two bits are the least that leave room for tenants."""

LARGEST_TABLE = 0xFFFFFFFF
KERNEL_TABLES = (253, 255)
"""default, main and local (ip-route(8))."""

LARGEST_PRIORITY = 32765
"""The last before the kernel's own rules for main and default, 32766 and 32767."""

FEWEST_PRIORITIES = 100


def host_settings(table: Table | None, base: HostSettings) -> HostSettings:
    """Return the settings of a `[host]` table; those it does not name are as in `base`."""
    if table is None:
        return base
    table.only(KEYS)
    variant = table.choice("iptables", VARIANTS) or base.iptables
    settings = HostSettings(
        marks=_marks(table) or base.marks,
        max_uplinks=table.integer("max_uplinks", 1, MOST_UPLINKS) or base.max_uplinks,
        tables=table.parsed("tables", _tables) or base.tables,
        priorities=table.parsed("priorities", _priorities) or base.priorities,
        iptables=cast("Literal['auto', 'legacy', 'nft']", variant),
    )
    if not table.has_faults():
        _check_sizes(table, settings)
    return settings


def max_owner(settings: HostSettings) -> int:
    """Return the largest owner number that the mark field holds."""
    return (1 << max(settings.marks.bit_count() - settings.max_uplinks.bit_length(), 0)) - 1


def _marks(table: Table) -> int | None:
    value = table.values.get("marks")
    if value is None:
        return None
    try:
        return _field(value)
    except Invalid as error:
        table.wrong(str(error), "marks", hint=error.hint)
        return None


def _field(value: object) -> int:
    if type(value) is str and re.fullmatch(r"0[xX][0-9a-fA-F]{1,16}", value):
        bits = int(value, 16)
    elif type(value) is int:
        bits = value
    elif type(value) is str:
        raise Invalid(f"marks {quoted(value)} is not a hexadecimal number", 'marks are written as "0xffff0000"')
    else:
        raise Invalid(f"marks must be a string or an integer, not {type_name(value)}")
    if not 0 < bits < 1 << MARK_BITS:
        raise Invalid(f"marks {quoted(value)} is not a field of the 32 bits of a packet mark")
    if bits & (bits + (bits & -bits)):
        raise Invalid(f"marks {bits:#x} is not one contiguous field", "its bits must stand together, as in 0xffff0000")
    if bits.bit_count() < FEWEST_MARK_BITS:
        raise Invalid(f"marks {bits:#x} has {bits.bit_count()} bits", f"the field needs {FEWEST_MARK_BITS} at least")
    return bits


def _tables(text: str) -> tuple[int, int]:
    first, last = bounds(text, least=1, most=LARGEST_TABLE, example="20000-85535")
    if first <= KERNEL_TABLES[1] and last >= KERNEL_TABLES[0]:
        raise Invalid(f"tables {text} holds the kernel's own tables 253 to 255", "begin at 256 or above")
    return first, last


def _priorities(text: str) -> tuple[int, int]:
    first, last = bounds(text, least=1, most=LARGEST_PRIORITY, example="10000-19999")
    if last - first + 1 < FEWEST_PRIORITIES:
        count = last - first + 1
        raise Invalid(f"priorities {text} has room for {count} rules", f"{FEWEST_PRIORITIES} are needed at least")
    return first, last


def _check_sizes(table: Table, settings: HostSettings) -> None:
    """Note where the settings do not fit each other."""
    width = settings.marks.bit_count()
    spare = width - settings.max_uplinks.bit_length()
    if spare < FEWEST_OWNER_BITS:
        key = "max_uplinks" if "max_uplinks" in table else "marks"
        message = f"{width} bits of marks with {settings.max_uplinks} uplinks leave no room for tenants"
        table.wrong(message, key, hint="give marks more bits, or max_uplinks fewer")
    first, last = settings.tables
    if last - first + 1 < 1 << width:
        key = "tables" if "tables" in table else "marks"
        message = f"{width} bits of marks need {1 << width} routing tables, and {first}-{last} are {last - first + 1}"
        table.wrong(message, key, hint=f'write tables = "{first}-{first + (1 << width) - 1}", or give marks fewer bits')
