"""`[[tenants.NAME.classes]]`: traffic that takes another lane, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar, cast

from laneway.policy.fields import NAME_RULE, Invalid, name_problem
from laneway.policy.model import ClassMatch, TrafficClass
from laneway.policy.problems import Place
from laneway.policy.services import WITH_PORTS, dscp, ports, protocol_name
from laneway.policy.values import network

if TYPE_CHECKING:
    from collections.abc import Callable

    from laneway.policy.fields import Table
    from laneway.policy.model import Network, Ports, Source

T = TypeVar("T")

KEYS = frozenset({"name", "match", "uplink", "action"})
MATCH_KEYS = frozenset({"protocol", "ports", "to", "from", "dscp"})
ACTIONS = ("reject", "drop")


def traffic_classes(tenant: Table) -> tuple[TrafficClass, ...]:
    """Return a tenant's classes in file order: the first that matches wins."""
    found = []
    taken: dict[str, Source] = {}
    for table in tenant.tables("classes", "class"):
        name = _name(table)
        if name in taken:
            notes = [("note: first here", Place.of(taken[name], "name"))]
            table.wrong("the tenant has two classes of this name", "name", notes=notes)
        elif name:
            taken[name] = table.source
        each = _traffic_class(name, table)
        if each is not None:
            found.append(each)
    return tuple(found)


def _name(table: Table) -> str:
    table.require("name")
    name = table.get("name", str)
    if name is not None and (problem := name_problem(name)):
        table.wrong(problem, "name", hint=NAME_RULE)
    return name or ""


def _traffic_class(name: str, table: Table) -> TrafficClass | None:
    table.only(KEYS)
    if ("uplink" in table) == ("action" in table):
        table.wrong("a class has either uplink or action", hint='write uplink = "NAME", or action = "reject"')
    table.require("match", hint="write match = {} for all of the tenant's traffic")
    uplink = table.get("uplink", str)
    action = table.choice("action", ACTIONS)
    match = table.table("match")
    found = ClassMatch() if match is None else class_match(match)
    if (uplink is None) == (action is None):
        return None
    return TrafficClass(name, found, uplink, cast("Literal['reject', 'drop'] | None", action), table.source)


def class_match(table: Table) -> ClassMatch:
    """Return what a `match` table says."""
    table.only(MATCH_KEYS)
    protocol = _raw(table, "protocol", protocol_name)
    if "ports" in table and protocol not in WITH_PORTS and not (protocol is None and "protocol" in table):
        message = "ports without a protocol" if protocol is None else f"protocol {protocol} has no ports"
        table.wrong(message, "ports", on_key=True, hint=f"ports go with {', '.join(sorted(WITH_PORTS))}")
    match = ClassMatch(
        protocol=protocol,
        ports=_ports(table),
        to=_networks(table, "to"),
        from_=_networks(table, "from"),
        dscp=_raw(table, "dscp", dscp),
    )
    if (
        match.from_
        and match.to
        and {each.version for each in match.from_}.isdisjoint(each.version for each in match.to)
    ):
        table.wrong("no packet is from one family to the other", "to", hint="from and to need a family in common")
    return match


def _networks(table: Table, key: str) -> tuple[Network, ...]:
    if table.values.get(key) == []:
        table.wrong(f"{key} is empty, so that nothing would match", key, hint=f"leave {key} out to match everything")
    return tuple(each for _, each in table.unique(key, network))


def _ports(table: Table) -> tuple[Ports, ...]:
    values = table.array("ports")
    if table.values.get("ports") == []:
        table.wrong("ports is empty, so that nothing would match", "ports", hint="leave ports out to match everything")
    found = []
    for index, value in enumerate(values):
        try:
            found.append(ports(value))
        except Invalid as error:
            table.wrong(str(error), "ports", index, hint=error.hint)
    return tuple(found)


def _raw(table: Table, key: str, parse: Callable[[object], T]) -> T | None:
    value = table.values.get(key)
    if value is None:
        return None
    try:
        return parse(value)
    except Invalid as error:
        table.wrong(str(error), key, hint=error.hint)
        return None
