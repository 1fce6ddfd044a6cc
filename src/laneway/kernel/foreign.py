"""What on the host belongs to others, as their own tools would tell it."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from laneway.kernel import netns
from laneway.kernel.files import TABLE_NAMES
from laneway.kernel.link_messages import OUR_GROUPS
from laneway.kernel.netlink import attributes, string
from laneway.kernel.route_messages import (
    ROUTE_TYPES,
    RTM_GETROUTE,
    SeenRoute,
    SeenRule,
    dump_routes,
    has_our_protocol,
    in_reserved_table,
    leads_by_main,
    routes,
)
from laneway.kernel.rule_selectors import suppressors
from laneway.state.facts import ForeignFibRule, ForeignRoute, ForeignWay, MarkUse, TableName
from laneway.state.links import HOST, LinkKey
from laneway.state.prefix import Prefix, address_text
from laneway.state.routing import RuleAction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from laneway.kernel.link_messages import SeenAddress, SeenLink
    from laneway.kernel.netlink import NetlinkSocket

_TABLE_DIRECTORIES = ("/etc/iproute2", "/usr/share/iproute2", "/usr/lib/iproute2")

# The selectors of a rule that laneway never uses (linux/fib_rules.h).
_FRA_DST = 1
_FRA_SRC = 2
_FRA_IIFNAME = 3
_FRA_OIFNAME = 17
_FRA_L3MDEV = 19
_FRA_UID_RANGE = 20
_FRA_IP_PROTO = 22
_FRA_SPORT_RANGE = 23
_FRA_DPORT_RANGE = 24
_FIB_RULE_INVERT = 2
_ACTION_BLACKHOLE = 6
_RULE = Struct("=BBBBBxxBI")  # family, to, from, tos, table, action, flags
_PORTS = Struct("=HH")
_UIDS = Struct("=II")

_HALF = 1
"""The length of 0.0.0.0/1 and 128.0.0.0/1, which stand in for a default (OpenVPN's def1)."""

_RESERVED = {253: "default", 254: "main", 255: "local"}

_SELECTORS: Mapping[int, Callable[[bytes], str]] = {
    _FRA_IIFNAME: lambda value: f"iif {string(value)}",
    _FRA_OIFNAME: lambda value: f"oif {string(value)}",
    _FRA_UID_RANGE: lambda value: "uidrange {}-{}".format(*_UIDS.unpack(value)),
    _FRA_IP_PROTO: lambda value: f"ipproto {value[0]}",
    _FRA_SPORT_RANGE: lambda value: "sport {}-{}".format(*_PORTS.unpack(value)),
    _FRA_DPORT_RANGE: lambda value: "dport {}-{}".format(*_PORTS.unpack(value)),
    _FRA_L3MDEV: lambda value: "l3mdev" if any(value) else "",
}

_TYPE_NAMES = {number: str(kind) for kind, number in ROUTE_TYPES.items()} | {
    2: "local",
    3: "broadcast",
    4: "anycast",
    5: "multicast",
    9: "throw",
    10: "nat",
}


def links_and_addresses(
    links: Iterable[SeenLink], addresses: Iterable[SeenAddress]
) -> tuple[frozenset[LinkKey], frozenset[tuple[str, Prefix]]]:
    """Return the host's links without our group, and their addresses."""
    names = {link.number: link.name for link in links if link.group not in OUR_GROUPS}
    held = frozenset((names[each.link], each.address) for each in addresses if each.link in names)
    return frozenset(LinkKey(HOST, name) for name in names.values()), held


def namespaces() -> frozenset[str]:
    """Return the names under /run/netns that are not ours."""
    present = netns.names()
    found = set(present.others)

    def look(name: str, kernel: NetlinkSocket) -> None:
        if netns.found_inside(name, kernel) is None:
            found.add(name)

    found.update(netns.visit(present.mounted, look))
    return frozenset(found)


def fib_rules(rules: Iterable[SeenRule]) -> tuple[tuple[ForeignFibRule, ...], tuple[MarkUse, ...]]:
    """Return the FIB rules of others, and the mark bits they use."""
    theirs = [seen for seen in rules if not seen.ours]
    found = tuple(sorted(ForeignFibRule(seen.rule.family, seen.rule.priority, rule_text(seen)) for seen in theirs))
    uses = {MarkUse(seen.rule.mark, f"ip rule {rule_text(seen)}") for seen in theirs if seen.rule.mark is not None}
    return found, tuple(sorted(uses))


class OtherRoutes(NamedTuple):
    """What of others' is in routing tables."""

    routes: tuple[ForeignRoute, ...]  # outside the tables main, local and default
    ways: tuple[ForeignWay, ...]  # where main leads by others' links
    defaults: frozenset[tuple[int, int]]  # families and tables with a way for whatever has no closer one


def other_routes(kernel: NetlinkSocket, links: Sequence[SeenLink]) -> OtherRoutes:
    """Return the routes of others."""
    dumped = [body for body in kernel.dump(RTM_GETROUTE, dump_routes()) if not has_our_protocol(body)]
    names = {link.number: link.name for link in links}
    theirs = {link.number for link in links if link.group not in OUR_GROUPS}
    apart = list(routes([body for body in dumped if not in_reserved_table(body)]))
    main = routes([body for body in dumped if leads_by_main(body)])
    ways = (
        ForeignWay(names[hop.link], seen.to, route_text(seen, names))
        for seen in main
        for hop in seen.hops
        if hop.link in theirs
    )
    return OtherRoutes(
        tuple(sorted(ForeignRoute(seen.table, route_text(seen, names)) for seen in apart)),
        tuple(sorted(ways)),
        frozenset((seen.to.family, seen.table) for seen in apart if seen.to.length <= _HALF),
    )


def route_text(seen: SeenRoute, names: dict[int, str]) -> str:
    """Return a route in the manner of `ip route show table all`."""
    kind = _TYPE_NAMES.get(seen.type, f"type {seen.type}")
    words = [] if kind == "unicast" else [kind]
    words.append(str(seen.to) if seen.to.length else "default")
    for hop in seen.hops:
        if hop.via:
            words += ["via", address_text(hop.via)]
        words += ["dev", names.get(hop.link, f"if{hop.link}")]
    words += ["table", str(seen.table), "proto", str(seen.protocol)]
    if seen.metric:
        words += ["metric", str(seen.metric)]
    return " ".join(words)


def rule_text(seen: SeenRule) -> str:
    """Return a FIB rule in the manner of `ip rule show`."""
    passed_over = suppressors(attributes(seen.body, _RULE.size))
    words = (*_selectors(seen), _action(seen), *passed_over)
    return f"{seen.rule.priority}: {' '.join(word for word in words if word)}"


def _selectors(seen: SeenRule) -> Iterator[str]:
    _, to_length, from_length, tos, _, _, flags = _RULE.unpack_from(seen.body)
    found = attributes(seen.body, _RULE.size)
    if flags & _FIB_RULE_INVERT:
        yield "not"
    yield f"from {Prefix(found[_FRA_SRC], from_length)}" if _FRA_SRC in found else "from all"
    if _FRA_DST in found:
        yield f"to {Prefix(found[_FRA_DST], to_length)}"
    if tos:
        yield f"tos {tos:#04x}"
    if seen.rule.mark is not None:
        yield f"fwmark {seen.rule.mark}"
    for kind, written in _SELECTORS.items():
        if kind in found:
            yield written(found[kind])


def _action(seen: SeenRule) -> str:
    number = _RULE.unpack_from(seen.body)[5]
    rule = seen.rule
    if number == _ACTION_BLACKHOLE:
        return "blackhole"
    if rule.action in (RuleAction.LOOKUP, RuleAction.GOTO):
        target = _RESERVED.get(rule.target, rule.target) if rule.action is RuleAction.LOOKUP else rule.target
        return f"{rule.action} {target}"
    return str(rule.action)


def table_names(root: Path) -> tuple[TableName, ...]:
    """Return the names that others give to routing tables."""
    found = []
    for directory in _TABLE_DIRECTORIES:
        base = root / directory.lstrip("/")
        for file in (base / "rt_tables", *sorted((base / "rt_tables.d").glob("*.conf"))):
            shown = f"/{file.relative_to(root)}"
            if shown != TABLE_NAMES:
                found += [TableName(table, name, shown) for table, name in _named_tables(file)]
    return tuple(found)


def _named_tables(file: Path) -> Iterator[tuple[int, str]]:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # no such file, or not one that ip(8) could read either
        return
    for line in lines:
        words = line.partition("#")[0].split()
        if len(words) == 2:  # noqa: PLR2004  number and name
            try:
                yield int(words[0], 0), words[1]
            except ValueError:
                continue
