"""The native table of nftables as text that `nft -f` takes (nft(8))."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.state.nft import (
    SETS,
    TABLE,
    AnyBit,
    Column,
    Compare,
    Field,
    Member,
    Named,
    NftElement,
    Unread,
)
from laneway.state.prefix import address_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from laneway.state.nft import NftChain, NftMatch, NftRule, NftTable

FAMILIES = {2: "ipv4", 10: "ipv6"}  # linux/netfilter.h
LOCAL = 2  # RTN_LOCAL, linux/rtnetlink.h
CT_STATES = {1: "invalid", 2: "established", 4: "related", 8: "new", 64: "untracked"}  # NF_CT_STATE_BIT
CT_STATUSES = {0x10: "snat", 0x20: "dnat"}  # IPS_SRC_NAT, IPS_DST_NAT
_BITS = {Field.CT_STATE: CT_STATES, Field.CT_STATUS: CT_STATUSES}
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "ipv6-icmp"}


def rule_text(rule: NftRule) -> str:
    """Return a rule as nft takes it."""
    return " ".join(each for each in (*map(_match_text, rule.matches), rule.verdict) if each)


def _match_text(match: NftMatch) -> str:
    match match:
        case Compare(field, value, mask, negated):
            masked = f" & {mask:#010x}" if mask else ""
            operator = "!= " if negated else "== " if mask else ""
            return f"{field}{masked} {operator}{_value(field, value)}"
        case AnyBit(field, bits):
            return f"{field} {','.join(name for bit, name in _BITS[field].items() if bits & bit)}"
        case Named(field, name):
            return f"{field} {quoted(name)}"
        case Member(fields, name):
            return f"{' . '.join(fields)} @{name}"
        case Unread(text):
            return f"# {text}"


def _value(field: Field, value: int) -> str:
    match field:
        case Field.MARK:
            return f"{value:#010x}"
        case Field.FAMILY:
            return FAMILIES.get(value, str(value))
        case Field.TO_ON_ARRIVAL_LINK:
            return "local" if value == LOCAL else str(value)
        case _:
            return str(value)


def quoted(name: str) -> str:
    r"""Return a link's name as nft takes it: an asterisk at its end would stand for any rest."""
    return f'"{name[:-1]}\\*"' if name.endswith("*") else f'"{name}"'


def chain_lines(chain: NftChain) -> Iterator[str]:
    """Yield the lines of a chain's declaration."""
    yield f"chain {chain.name} {{"
    if chain.hook:
        yield f"    type filter hook {chain.hook} priority {chain.priority}; policy {chain.base_policy};"
    yield from (f"    {rule_text(rule)}" for rule in chain.rules)
    yield "}"


def table_lines(table: NftTable) -> Iterator[str]:
    """Yield the lines of the table's declaration, its sets empty."""
    yield f"table inet {TABLE} {{"
    if table.flags:
        yield "    flags dormant;"
    for name, columns in table.sets:
        yield f"    set {name} {{ type {' . '.join(columns)}; }}"
    for chain in table.chains:
        yield from (f"    {line}" for line in chain_lines(chain))
    yield "}"


def element_text(element: NftElement) -> str:
    """Return the key of an element as nft takes it."""
    names = iter((element.link, element.to))
    parts = []
    for column in SETS.get(element.set, ()):
        match column:
            case Column.LINK:
                parts.append(quoted(next(names)))
            case Column.PROTOCOL:
                parts.append(PROTOCOLS.get(element.protocol, str(element.protocol)))
            case Column.PORT:
                parts.append(str(element.port))
            case _:
                parts.append(address_text(element.address))
    return " . ".join(parts)


def element_lines(elements: Iterable[NftElement], *, verb: str = "add") -> Iterator[str]:
    """Yield a command for each set that adds these elements, or deletes them."""
    found: dict[str, list[str]] = {}
    for each in sorted(elements):
        found.setdefault(each.set, []).append(element_text(each))
    for name, keys in found.items():
        yield f"{verb} element inet {TABLE} {name} {{ {', '.join(keys)} }}"


def element_of(name: str, values: Iterable[str | int | bytes]) -> NftElement:
    """Return the element of a set with these parts of its key, in their order."""
    links = iter(("link", "to"))
    parts: dict[str, str | int | bytes] = {}
    for column, value in zip(SETS[name], values, strict=True):
        match column:
            case Column.LINK:
                parts[next(links)] = value
            case Column.PROTOCOL:
                parts["protocol"] = value
            case Column.PORT:
                parts["port"] = value
            case _:
                parts["address"] = value
    return NftElement(name, **parts)  # type: ignore[arg-type]
