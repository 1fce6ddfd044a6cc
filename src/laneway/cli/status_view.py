"""What `laneway status` shows a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from laneway.state.visible import visible_throughout

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_STEP = 1000.0


def amount(number: float) -> str:
    """Return a number of bytes in the unit that suits it."""
    for unit in _UNITS:
        if number < _STEP or unit == _UNITS[-1]:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= _STEP
    return ""


def page(data: Mapping[str, Any], *, rates: bool) -> Group:
    """Return uplinks, tenants and lanes; with `rates` what passes in a second instead of what has passed."""
    data = visible_throughout({key: value for key, value in data.items() if key != "steps"})
    parts: list[Any] = [_uplinks(data, rates), "", _tenants(data, rates), "", _lanes(data, rates), ""]
    walls = ", ".join(f"{name} {packets}" for name, packets in data["refused"].items() if packets)
    parts.append(f"packets refused: {walls or 'none'}")
    if not data["accounting"]:
        parts.append("what lanes carry is not counted here; for new flows: sysctl -w net.netfilter.nf_conntrack_acct=1")
    return Group(*parts)


def _table(*headings: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left")
    return table


def _add(table: Table, *cells: str) -> None:
    """Add a row of plain text: a bracket in a name is no markup of rich's."""
    table.add_row(*map(Text, cells))


def _moved(row: Mapping[str, Any], key: str, *, rates: bool) -> str:
    if not rates:
        return _traffic(row[key], "")
    return _traffic(row[f"{key}_per_second"], "/s")


def _traffic(traffic: Mapping[str, int] | None, per: str) -> str:
    if traffic is None:
        return "-"
    return f"{amount(traffic['bytes'])}{per} ({traffic['packets']}{per})"


_RIGHT = ("RECEIVED", "SENT", "FLOWS", "CARRIED")


def _uplinks(data: Mapping[str, Any], rates: bool) -> Table:
    table = _table("UPLINK", "INTERFACE", "", "ADDRESSES", "RECEIVED", "SENT", right=_RIGHT)
    for row in data["uplinks"]:
        moved = (_moved(row, key, rates=rates) for key in ("received", "sent"))
        _add(table, row["name"], row["interface"], _state(row), ", ".join(row["addresses"]), *moved)
    return table


def _state(row: Mapping[str, Any]) -> str:
    if not row["present"]:
        return "not there"
    if not row["up"]:
        return "down"
    return "up" if row["carrier"] else "no carrier"


def _tenants(data: Mapping[str, Any], rates: bool) -> Table:
    table = _table("TENANT", "WORKLOADS", "PUBLISHED", "RECEIVED", "SENT", right=_RIGHT)
    for row in data["tenants"]:
        moved = (_moved(row, key, rates=rates) for key in ("received", "sent"))
        published = ", ".join(_published(each) for each in row["published"])
        _add(table, row["name"], ", ".join(row["workloads"]), published, *moved)
    return table


def _published(each: Mapping[str, Any]) -> str:
    address = f"{each['address']} " if each["address"] else ""
    return f"{address}{each['ports']}/{each['protocol']} → {each['workload']} {each['to_ports']}"


def _closed(why: Mapping[str, str]) -> str:
    """Return why nothing leaves, and in which families."""
    reasons = dict.fromkeys(why.values())
    said = (f"{reason} ({' and '.join(each for each in why if why[each] == reason)})" for reason in reasons)
    return f"closed: {', '.join(said)}" if why else ""


def _lanes(data: Mapping[str, Any], rates: bool) -> Table:
    table = _table("TENANT", "UPLINK", "INTERFACE", "MARK", "TABLE", "FLOWS", "CARRIED", "", right=_RIGHT)
    for row in data["lanes"]:
        state = _closed(row["closed"]) or ("preferred" if row["preferred"] else "")
        name = f"{row['table']} {row['table_name']}"
        carried = _moved(row, "carried", rates=rates)
        cells = (row["tenant"], row["uplink"], row["interface"], row["mark"], name, row["flows"], carried, state)
        _add(table, *map(str, cells))
    crossing = (str(data["crossing"]["flows"]), _moved(data["crossing"], "carried", rates=rates), "")
    _add(table, "between tenants", "", "", "", "", *crossing)
    return table
