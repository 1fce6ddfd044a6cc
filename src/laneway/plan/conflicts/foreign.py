"""What on the host belongs to others and stands where the policy wants to be."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from laneway.lanes.leases import PATH
from laneway.plan.conflicts.collision import Collision
from laneway.plan.likely import likely_owner
from laneway.state.links import HOST
from laneway.state.marks import OTHERS
from laneway.state.routing import MAIN_PRIORITY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.lanes.field import MarkField
    from laneway.policy.model import HostSettings
    from laneway.state.facts import Foreign, MarkUse
    from laneway.state.host import HostState

ALL_BITS = 0xFFFFFFFF


def outside_lanes(foreign: Foreign, observed: HostState) -> Foreign:
    """Return what is of others' but for routes in tables that are laneway's: that is drift, and apply mends it."""
    ours = {key.table for key in observed.routes if key.netns == HOST}
    return foreign._replace(routes=tuple(each for each in foreign.routes if each.table not in ours))


def collisions(desired: HostState, foreign: Foreign, settings: HostSettings, field: MarkField) -> Iterator[Collision]:
    """Yield what of others' the desired state would run into; an empty desired state runs into nothing."""
    if not desired.fib_rules:
        return
    yield from _names(desired, foreign)
    yield from _routing(desired, foreign, settings)
    for use in foreign.marks:
        if _bits(use) & field.mask:
            owner = likely_owner(use.where, use.mark)
            what = f"mark bits {field.mask:#010x} (host.marks) are in use{owner}: {use.where}"
            yield Collision("mark-in-use", what, _let_marks_be(use, foreign, field))


def _names(desired: HostState, foreign: Foreign) -> Iterator[Collision]:
    for key in sorted(desired.links):
        if key.netns == HOST and key in foreign.links:
            yield Collision(
                "link-exists",
                f"link {key.name} exists and is not laneway's (its group is not ours)",
                f"rename or remove it: ip link set {key.name} name …",
            )
    for name in sorted(set(desired.netns) & foreign.netns):
        yield Collision(
            "netns-exists",
            f"network namespace {name} exists and is not laneway's{likely_owner(name)}",
            f"rename the workload, or remove it: ip netns del {name}",
        )


def _routing(desired: HostState, foreign: Foreign, settings: HostSettings) -> Iterator[Collision]:
    first, last = settings.priorities
    for rule in foreign.fib_rules:
        if first <= rule.priority <= last:
            owner = likely_owner(rule.text)
            what = f"ip rule priorities {first}-{last} (host.priorities) are in use{owner}: {rule.text}"
            yield Collision("priority-in-use", what, _free_priorities(foreign, last - first + 1), rule.text)
    tables = {key.table for key in desired.routes if key.netns == HOST}
    free = _free_tables(foreign, settings.tables[1] - settings.tables[0] + 1)
    for route in foreign.routes:
        if route.table in tables:
            owner = likely_owner(route.text)
            what = f"routing table {route.table} (host.tables) holds a route of another's{owner}: {route.text}"
            yield Collision("table-in-use", what, free)
    for line in foreign.table_names:
        if line.table in tables:
            what = f"{line.file}: table {line.table} (host.tables) is named {line.name} there{likely_owner(line.name)}"
            yield Collision("table-named", what, f"take the line out, laneway's names are in {PATH}; or {free}")


def _free_priorities(foreign: Foreign, size: int) -> str:
    """Return the remedy: the first range of that size, before main's rule, in which nobody has a rule."""
    taken = sorted({rule.priority for rule in foreign.fib_rules if 0 < rule.priority < MAIN_PRIORITY})
    for before, after in pairwise([0, *taken, MAIN_PRIORITY]):
        if after - before - 1 >= size:
            return f'host.priorities = "{before + 1}-{before + size}" is free'
    return "no range of that size is free below main's rule: give host.marks fewer bits, or move others' rules"


def _free_tables(foreign: Foreign, size: int) -> str:
    """Return the remedy: a range of that size, counted in its own size, in which nobody has a table."""
    taken = {route.table for route in foreign.routes} | {line.table for line in foreign.table_names}
    candidates = (number * size for number in range(1, len(taken) + 3))
    base = next(each for each in candidates if not any(each <= table < each + size for table in taken))
    return f'host.tables = "{base}-{base + size - 1}" is free'


def _bits(use: MarkUse) -> int:
    """Return the bits of a mark in use that laneway's marks would disturb, or be disturbed in.

    A match on the whole mark, such as `--mark 0x1`, asks for our bits to be zero: it stays true for what is not ours.
    """
    return use.mark.mask if use.mark.mask != ALL_BITS or use.writes else use.mark.value


def _let_marks_be(use: MarkUse, foreign: Foreign, field: MarkField) -> str:
    """Return the remedy: for a rule that writes more than it means to, the form that does not."""
    if use.writes and use.masked and not use.mark.value & field.mask:
        form = use.masked.replace(OTHERS, f"{ALL_BITS & ~field.mask:#x}")
        return f"it writes all 32 bits, laneway's too: let it write its own alone, {form}"
    return _free_marks(foreign, field)


def _free_marks(foreign: Foreign, field: MarkField) -> str:
    used = 0
    for use in foreign.marks:
        used |= _bits(use)
    for width in range(field.width, field.uplink_bits + 2, -1):
        for shift in range(32 - width, -1, -1):
            candidate = ((1 << width) - 1) << shift
            if not candidate & used:
                return f'host.marks = "{candidate:#010x}" is free ({width} bits)'
    return "no contiguous field of marks is free on this host: the other software must let go of some bits"
