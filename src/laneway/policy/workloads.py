"""`[tenants.NAME.workloads.NAME]`: network namespaces, their addresses and published ports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.policy.model import Publish, Workload
from laneway.policy.problems import Place
from laneway.policy.services import publish
from laneway.policy.values import unicast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from laneway.policy.fields import Table
    from laneway.policy.model import Address, Network, Source

KEYS = frozenset({"addresses", "publish"})


def workloads(tenant: Table, subnets: Sequence[Network] | None) -> tuple[Workload, ...]:
    """Return a tenant's workloads in the order of their names; None: its subnets are not known for sure."""
    taken: dict[Address, Source] = {}
    found = [_workload(name, table, subnets, taken) for name, table in tenant.named("workloads", "workload")]
    return tuple(sorted(found, key=lambda each: each.name))


def _workload(name: str, table: Table, subnets: Sequence[Network] | None, taken: dict[Address, Source]) -> Workload:
    table.only(KEYS)
    table.require("addresses", hint="give it an address in one of the tenant's subnets")
    if table.values.get("addresses") == []:
        table.wrong("addresses is empty", "addresses")
    addresses = []
    for index, address in table.numbered("addresses", unicast):
        place = table.at("addresses", index)
        if address in taken:
            notes = [("note: first here", Place.of(taken[address]))]
            table.wrong(f"{address} is given twice", "addresses", index, notes=notes)
        elif subnets is None or not (problem := misplaced(address, subnets)):
            addresses.append(address)
        else:
            table.wrong(problem, "addresses", index, hint=_room(address, subnets))
        taken.setdefault(address, place)
    return Workload(name, tuple(addresses), _published(table, addresses), table.source)


def misplaced(address: Address, subnets: Sequence[Network]) -> str:
    """Return why a host on the bridge cannot have this address, or nothing."""
    number = int(address)
    for subnet in subnets:
        if subnet.version != address.version:
            continue
        first = int(subnet.network_address)
        if not first <= number <= (last := first | (1 << subnet.max_prefixlen - subnet.prefixlen) - 1):
            continue
        if number == first + 1:
            return f"{address} is the gateway of {subnet}"
        if number == first:
            return f"{address} is the network address of {subnet}"
        if number == last and subnet.version == 4:  # noqa: PLR2004  IPv6 has no broadcast
            return f"{address} is the broadcast address of {subnet}"
        return ""
    return f"{address} is in none of the tenant's subnets"


def _room(address: Address, subnets: Sequence[Network]) -> str:
    """Return a hint: the addresses that can be given."""
    for subnet in subnets:
        if subnet.version == address.version:
            last = subnet[-2] if subnet.version == 4 else subnet[-1]  # noqa: PLR2004
            return f"{subnet[2]} to {last} can be given"
    return f"the tenant has no IPv{address.version} subnet"


def _published(table: Table, addresses: Sequence[Address]) -> tuple[Publish, ...]:
    families = {address.version for address in addresses}
    exact = bool(addresses) and not table.has_faults("addresses")
    found = []
    for index, each in table.numbered("publish", publish):
        if exact and each.host is not None and each.host.version not in families:
            family = f"IPv{each.host.version}"
            hint = f"give the workload an {family} address, or publish the port on another address of the host"
            table.wrong(f"published on {each.host}, but it has no {family} address", "publish", index, hint=hint)
            continue
        found.append(Publish(*each, table.at("publish", index)))
    return tuple(found)
