"""`[uplinks.NAME]`: the ways out of the host."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from laneway.policy.fields import Invalid, quoted, type_name
from laneway.policy.model import AUTO, ONLINK, Uplink
from laneway.policy.names import BRIDGE_PREFIX, MAX_INTERFACE, MAX_UPLINK_NAME, VETH_PREFIX
from laneway.policy.problems import Place
from laneway.policy.values import unicast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from laneway.policy.fields import Table
    from laneway.policy.model import Address, Gateway

KEYS = frozenset({"interface", "gateways", "masquerade", "snat"})

_INTERFACE = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)


def uplink(name: str, table: Table) -> Uplink:
    """Return the uplink that a table describes; what is wrong with it is noted and left out."""
    table.only(KEYS)
    table.require("interface")
    if len(name) > MAX_UPLINK_NAME:
        limit = f"an uplink's name has {MAX_UPLINK_NAME} characters at most: ipset's names are short"
        table.wrong(f"the name is {len(name)} characters long", hint=limit)
    gateway4, gateway6 = _gateways(table)
    snat = one_per_family(table, "snat")
    masquerade = table.get("masquerade", bool)
    if masquerade and table.values.get("snat"):
        table.wrong("masquerade and snat at once", "masquerade", on_key=True, hint="leave one of them out")
    for index, address in snat:
        if (gateway4 if address.version == 4 else gateway6) is None and "gateways" in table:  # noqa: PLR2004
            table.wrong(f"{address}: no gateway carries IPv{address.version}", "snat", index)
    return Uplink(
        name,
        table.parsed("interface", interface) or "",
        gateway4,
        gateway6,
        masquerade=masquerade is not False,
        snat=tuple(address for _, address in snat),
        source=table.source,
    )


def interface(text: str) -> str:
    """Return the name of an interface that can be an uplink's."""
    if len(text) > MAX_INTERFACE:
        raise Invalid(f"interface {quoted(text)} is longer than {MAX_INTERFACE} characters", "the kernel has none such")
    if not _INTERFACE.fullmatch(text) or text in (".", ".."):
        raise Invalid(f"{quoted(text)} is not an interface name", "it has letters, digits and _ . - alone")
    if text == "lo":
        raise Invalid("interface lo leads nowhere")
    if text in ("all", "default"):
        raise Invalid(f"interface {text} cannot be: below /proc/sys/net that is every interface's settings")
    if text.startswith((BRIDGE_PREFIX, VETH_PREFIX)):
        raise Invalid(f"interface {text} is laneway's own", f"{BRIDGE_PREFIX}… and {VETH_PREFIX}… lead to workloads")
    return text


def gateway(text: str) -> Address:
    """Return the address of a gateway."""
    found = unicast(text)
    if isinstance(found, IPv4Address) and int(found) >> 24 == 0:
        raise Invalid(f"{text} is not an address of a host")
    return found


def one_per_family(
    table: Table, key: str, below: str = "", parse: Callable[[str], Address] = unicast
) -> list[tuple[int, Address]]:
    """Return the addresses of an array with their positions, each family once."""
    first: dict[int, tuple[int, Address]] = {}
    for index, address in table.numbered(key, parse):
        before = first.setdefault(address.version, (index, address))
        if before[0] != index:
            notes = [("note: the first", Place(table.file, (*table.path, key, before[0])))]
            what = below or key
            table.wrong(f"{what} has two IPv{address.version} addresses", key, index, notes=notes, hint="one a family")
    return sorted(first.values())


def _gateways(table: Table) -> tuple[Gateway, Gateway]:
    """Return the gateways of both families; wrong ones carry both, so that what relies on them is not wrong too."""
    value = table.values.get("gateways")
    if value == AUTO:
        return AUTO, AUTO
    if isinstance(value, str):
        table.wrong("gateways must be an array", "gateways", hint=f'write gateways = ["{value}"], or "auto"')
        return AUTO, AUTO
    if value is not None and not isinstance(value, list):
        table.wrong(f'gateways must be an array or "auto", not {type_name(value)}', "gateways")
        return AUTO, AUTO
    if not value:
        return ONLINK, ONLINK
    return _listed_gateways(table, value)


def _listed_gateways(table: Table, value: Sequence[object]) -> tuple[Gateway, Gateway]:
    rest: Gateway = AUTO if AUTO in value else None
    named: dict[int, Gateway] = {}
    auto = 0
    for index, text in table.numbered("gateways", lambda text: text):
        if text == AUTO:
            auto += 1
            if auto > 1:
                table.wrong('"auto" is in gateways twice', "gateways", index, hint="one fills both families")
            continue
        try:
            found = gateway(text)
        except Invalid as error:
            table.wrong(str(error), "gateways", index, hint=error.hint)
            continue
        if found.version in named:
            table.wrong(f"a second IPv{found.version} gateway", "gateways", index, hint="an uplink has one a family")
        named.setdefault(found.version, found)
    if table.has_faults("gateways"):
        rest = AUTO
    return named.get(4, rest), named.get(6, rest)
