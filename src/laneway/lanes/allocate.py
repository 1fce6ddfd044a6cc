"""Giving every tenant and uplink its number: the one it has, else a new one."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from laneway.errors import Conflict
from laneway.lanes.field import FIRST_TENANT, HOST_OWNER, NO_UPLINK, MarkField
from laneway.lanes.leases import CROSSING_NAME, REVERSE_PATH_NAME, Leases, host_table_name, render, table_name

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from laneway.policy.model import PolicySet, Tenant
    from laneway.state.marks import FwMark

_BUCKETS = 256
_LOCAL_MAIN_DEFAULT = 253
"""The least of the ids of the kernel's own three tables, which end where a byte does (rtnetlink(7))."""


class Lanes(NamedTuple):
    """The numbers of one policy on one host."""

    field: MarkField
    table_base: int
    owners: Mapping[str, int]
    uplinks: Mapping[str, int]
    next_owner: int

    def mark(self, tenant: str, uplink: str) -> FwMark:
        """Return the mark of a tenant's lane."""
        return self.field.mark(self.owners[tenant], self.uplinks[uplink])

    def refusal(self, tenant: str) -> FwMark:
        """Return the mark of what a class of the tenant's refuses."""
        return self.field.mark(self.owners[tenant], NO_UPLINK)

    def host_mark(self, uplink: str) -> FwMark:
        """Return the mark of the host's own lane by `uplink`."""
        return self.field.mark(HOST_OWNER, self.uplinks[uplink])

    @property
    def reverse_path(self) -> int:
        """Return the table id of no lane, in which is looked up whether there is a way back to who sent a packet."""
        return self.table_base

    def table(self, mark: FwMark) -> int:
        """Return the table id of a lane."""
        return self.table_base + (mark.value >> self.field.shift)


def allocate(policy: PolicySet, leases: Leases) -> Lanes:
    """Return the numbers of `policy`: those leased stay, new ones are given in the order of the names.

    Raises Conflict when a pinned id is another tenant's for life, or when the mark field is full.
    """
    host = policy.host
    field = MarkField.of(host.marks, host.max_uplinks)
    uplinks = _uplink_numbers([uplink.name for uplink in policy.uplinks], leases.uplinks, host.max_uplinks)
    owners, next_owner = _owner_numbers(policy.tenants, leases, _Numbers(field, host.tables[0]))
    return Lanes(field, host.tables[0], owners, uplinks, next_owner)


def _uplink_numbers(names: Sequence[str], leased: Mapping[str, int], most: int) -> dict[str, int]:
    numbers = {name: leased[name] for name in names if 0 < leased.get(name, 0) <= most}
    # Those of uplinks that go come last: flows that are known have their marks.
    unused, late = set(range(1, most + 1)) - set(numbers.values()), set(leased.values())
    free = iter([*sorted(unused - late), *sorted(unused & late)])
    for name in sorted(set(names) - set(numbers)):
        number = next(free, None)
        if number is None:
            message = f"uplink {name}: all {most} uplink numbers are taken"
            raise Conflict(message, "raise host.max_uplinks")
        numbers[name] = number
    return numbers


class _Numbers(NamedTuple):
    """The owner numbers there are."""

    field: MarkField
    table_base: int

    @property
    def most(self) -> int:
        return self.field.max_owner

    def free(self, holders: Container[int], start: int) -> int | None:
        """Return the first free number from `start` on; numbers that were somebody's come last.

        Those that would slow down every packet are taken when no other is left.
        """
        slow = None
        for number in chain(range(start, self.most + 1), range(FIRST_TENANT, min(start, self.most + 1))):
            if number not in holders:
                if not self._slows(number):
                    return number
                slow = slow or number
        return slow

    def _slows(self, owner: int) -> bool:
        """Return whether a table of this owner's would stand before `local`, `main` or `default`.

        The kernel finds a table by the last eight bits of its id and a list, the newest first (ip_fib.h and ip6_fib.h:
        FIB_TABLE_HASHSZ, FIB6_TABLE_HASHSZ), and every packet, of whomever, asks for `local` and most for `main`.
        """
        first, beyond = self.field.lane(owner, NO_UPLINK + 1), self.field.lane(owner + 1, NO_UPLINK)
        return any((self.table_base + lane) % _BUCKETS >= _LOCAL_MAIN_DEFAULT for lane in range(first, beyond))


def _owner_numbers(tenants: Sequence[Tenant], leases: Leases, numbers: _Numbers) -> tuple[dict[str, int], int]:
    pinned = {tenant.name: tenant.id for tenant in tenants if tenant.id is not None}
    holders = {number: name for name, number in pinned.items()}
    given = dict(pinned)
    for tenant in tenants:
        number = leases.owners.get(tenant.name)
        if tenant.name in pinned or number is None or not FIRST_TENANT <= number <= numbers.most:
            continue
        if number in holders:
            message = f"tenant {holders[number]}: id {number} has been tenant {tenant.name}'s since it was applied"
            raise Conflict(message, f"pin another id, or pin tenant {tenant.name} to another one too")
        given[tenant.name] = number
        holders[number] = tenant.name
    next_owner = leases.next_owner
    for name in sorted(tenant.name for tenant in tenants if tenant.name not in given):
        number = numbers.free(holders, next_owner)
        if number is None:
            message = f"tenant {name}: the mark field has room for {numbers.most - 1} tenants, and they are all taken"
            raise Conflict(message, "give host.marks more bits, or host.max_uplinks fewer")
        given[name] = number
        holders[number] = name
        next_owner = number + 1
    return given, next_owner


def table_names(policy: PolicySet, lanes: Lanes) -> dict[int, str]:
    """Return every lane table's name by its id."""
    tables = {lanes.reverse_path: REVERSE_PATH_NAME, lanes.table(lanes.field.crossing): CROSSING_NAME}
    for uplink in policy.uplinks:
        tables[lanes.table(lanes.host_mark(uplink.name))] = host_table_name(uplink.name)
    for tenant in policy.tenants:
        for name in tenant.uplinks:
            tables[lanes.table(lanes.mark(tenant.name, name))] = table_name(tenant.name, name)
    return tables


def lease_file(policy: PolicySet, lanes: Lanes) -> str:
    """Return the content of the lease file."""
    return render(
        table_names(policy, lanes),
        base=lanes.table_base,
        uplink_bits=lanes.field.uplink_bits,
        next_owner=lanes.next_owner,
    )
