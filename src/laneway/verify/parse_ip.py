"""What `ip -N -d -j` prints of links, addresses, routes and rules, as laneway's own nouns (ip(8))."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any, NamedTuple

from laneway.state.gateways import LookUp
from laneway.state.links import GROUP, HOST, AddressKey, Link, LinkKey, LinkKind, Netns
from laneway.state.marks import FwMark
from laneway.state.prefix import ANY, IPV4, IPV6, Prefix, prefix
from laneway.state.routing import MAIN_TABLE, PROTOCOL, FibRule, Route, RouteKey, RouteKind, RuleAction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

LOOPBACK = "lo"
LINK_SCOPE = "253"
_KINDS = {
    "2": RouteKind.LOCAL,
    "3": RouteKind.BROADCAST,
    "4": RouteKind.ANYCAST,
    "5": RouteKind.MULTICAST,
    "6": RouteKind.BLACKHOLE,
    "7": RouteKind.UNREACHABLE,
    "8": RouteKind.PROHIBIT,
    "9": RouteKind.THROW,
}
_REFUSALS = frozenset((RouteKind.BLACKHOLE, RouteKind.UNREACHABLE, RouteKind.PROHIBIT, RouteKind.THROW))
_OF_OUR_ROUTES = frozenset(
    (
        "type", "dst", "gateway", "via", "dev", "nexthops", "nhid", "weight",
        "protocol", "scope", "flags", "metric", "table", "pref", "expires", "error",
    )
)  # fmt: skip
_ACTIONS = {"7": RuleAction.UNREACHABLE, "8": RuleAction.PROHIBIT}
_RESERVED = {"local": 255, "main": 254, "default": 253}
_OF_OUR_RULES = frozenset(
    (
        "priority", "not", "src", "srclen", "dst", "dstlen", "fwmark",
        "fwmask", "table", "goto", "unresolved", "nop", "action", "protocol",
    )
)  # fmt: skip
_ROUTE_WORDS = {"prefsrc": "src"}
_RULE_WORDS = {"suppress_prefixlen": "suppress_prefixlength", "uid": "uidrange"}


class SeenAddress(NamedTuple):
    """An address of a link, and whose it is as far as that can be seen."""

    link: str
    address: Prefix
    protocol: int | None  # None: this iproute2, or this kernel, does not show it
    deprecated: bool


class SeenRoute(NamedTuple):
    """A route, with every way it has."""

    table: int
    to: Prefix
    metric: int
    kind: RouteKind
    hops: tuple[tuple[str, bytes], ...]  # (link, gateway)
    more: str = ""  # what it has besides, as ip-route(8) writes it


def is_up(link: Mapping[str, Any]) -> bool:
    """Return whether a link is administratively up."""
    return "UP" in link.get("flags", ())


def group_of(link: Mapping[str, Any]) -> int:
    """Return a link's group."""
    group = str(link.get("group", "0"))
    return int(group) if group.isdigit() else 0


def loopback(links: Iterable[Mapping[str, Any]]) -> Netns | None:
    """Return the network namespace that its links tell of, or None when it is not laneway's."""
    for link in links:
        if link["ifname"] == LOOPBACK:
            return Netns(link.get("ifalias", ""), is_up(link)) if group_of(link) == GROUP else None
    return None


def inner_links(netns: str, links: Iterable[Mapping[str, Any]]) -> Iterator[tuple[LinkKey, Link, int]]:
    """Yield laneway's links inside a workload's namespace, each with the index of its far end."""
    for link in links:
        if group_of(link) == GROUP and link["ifname"] != LOOPBACK:
            kind = _kind(link)
            kind = LinkKind.PEER if kind is LinkKind.VETH else kind
            value = Link(kind, GROUP, mac=_mac(link), alias=link.get("ifalias", ""), up=is_up(link))
            yield LinkKey(netns, link["ifname"]), value, int(link.get("link_index", 0))


def host_links(links: Iterable[Mapping[str, Any]], peers: Mapping[int, LinkKey]) -> Iterator[tuple[LinkKey, Link]]:
    """Yield laneway's links of the host; `peers` are the ends in workloads by the index of the host's ends."""
    for link in links:
        if group_of(link) != GROUP or link["ifname"] == LOOPBACK:
            continue
        kind = _kind(link)
        port = link.get("linkinfo", {}).get("info_slave_data", {})
        yield (
            LinkKey(HOST, link["ifname"]),
            Link(
                kind,
                GROUP,
                master=link.get("master", ""),
                peer=peers.get(int(link["ifindex"])) if kind is LinkKind.VETH else None,
                hairpin=kind is LinkKind.VETH and bool(port.get("hairpin")),
                isolated=kind is LinkKind.VETH and bool(port.get("isolated")),
                mac=_mac(link) if kind is LinkKind.BRIDGE else b"",
                alias=link.get("ifalias", ""),
                up=is_up(link),
            ),
        )


def _mac(link: Mapping[str, Any]) -> bytes:
    return bytes.fromhex(str(link.get("address", "")).replace(":", ""))


def _kind(link: Mapping[str, Any]) -> LinkKind:
    name = link.get("linkinfo", {}).get("info_kind", "")
    try:
        return LinkKind(name)
    except ValueError:
        return name  # type: ignore[no-any-return]  # somebody put it into our group: it compares unlike all of ours


def addresses(links: Iterable[Mapping[str, Any]]) -> Iterator[SeenAddress]:
    """Yield the addresses of an answer to `ip -N -d -j addr`, in the kernel's order."""
    for link in links:
        for each in link.get("addr_info", ()):
            if each.get("family") in {"inet", "inet6"}:
                shown = each.get("protocol", each.get("proto"))
                own = Prefix(_packed(each["local"]), int(each["prefixlen"]))
                yield SeenAddress(
                    link["ifname"],
                    own,
                    None if shown is None else _number(shown),
                    bool(each.get("deprecated")),
                )


def owned_addresses(
    netns: str, seen: Iterable[SeenAddress], links: frozenset[str]
) -> Iterator[tuple[AddressKey, bool]]:
    """Yield the addresses on `links` that may be laneway's, each with whether that is certain."""
    for each in seen:
        if each.link in links and each.protocol in {None, PROTOCOL}:
            yield AddressKey(netns, each.link, each.address), each.protocol is not None


def routes(answer: Iterable[Mapping[str, Any]], family: int, *, table: int = MAIN_TABLE) -> Iterator[SeenRoute]:
    """Yield routes; those that name no table are in `table`."""
    for each in answer:
        kind = _KINDS.get(str(each.get("type", "1")), RouteKind.UNICAST)
        to = ANY[family] if each["dst"] == "default" else prefix(each["dst"])
        place = (_table(each.get("table"), table), to, int(each.get("metric", 0)))
        yield SeenRoute(*place, kind, _hops(each, kind), " ".join(_besides(each)))


def _besides(route: Mapping[str, Any]) -> Iterator[str]:
    words = {**route, **{word: value for each in route.get("metrics", ()) for word, value in each.items()}}
    for key in sorted(words.keys() - _OF_OUR_ROUTES - {"metrics"}):
        yield f"{_ROUTE_WORDS.get(key, key)} {json.dumps(words[key]).strip(chr(34)).replace(' ', '')}"


def _table(name: object, otherwise: int) -> int:
    if name is None:
        return otherwise
    return _RESERVED.get(str(name), 0) or int(str(name))


def _hops(route: Mapping[str, Any], kind: RouteKind) -> tuple[tuple[str, bytes], ...]:
    if kind in _REFUSALS:
        return ()  # the kernel gives an IPv6 refusal the loopback link
    ways = route.get("nexthops") or [route]
    return tuple((way.get("dev", ""), _gateway(way)) for way in ways)


def _gateway(way: Mapping[str, Any]) -> bytes:
    # A gateway of the other family (RFC 5549) stands under "via".
    text = way.get("gateway") or way.get("via", {}).get("host", "")
    return _packed(text) if text else b""


def owned_routes(netns: str, seen: Iterable[SeenRoute]) -> Iterator[tuple[RouteKey, Route]]:
    """Yield what of an answer to `proto 147` is laneway's: in the host's main table others may use the number."""
    for each in seen:
        if netns or each.table != MAIN_TABLE:
            dev, via = each.hops[0] if len(each.hops) == 1 else ("", b"")
            yield RouteKey(netns, each.table, each.to, each.metric, each.more), Route(each.kind, dev, via)


def rules(answer: Iterable[Mapping[str, Any]], family: int) -> Iterator[FibRule]:
    """Yield laneway's FIB rules."""
    for each in answer:
        if _number(each.get("protocol", 0)) != PROTOCOL:
            continue
        action, target = _action(each)
        mark = FwMark(_number(each["fwmark"]), _number(each.get("fwmask", 0xFFFFFFFF))) if "fwmark" in each else None
        yield FibRule(family, int(each["priority"]), action, mark, target, "not" in each, " ".join(_more(each)))


def look_ups(answer: Iterable[Mapping[str, Any]], family: int) -> Iterator[LookUp]:
    """Yield the rules of others that lead to tables of their own, whatever the mark."""
    for each in answer:
        table = _action(each)[1] if "table" in each else 0
        others = _number(each.get("protocol", 0)) != PROTOCOL
        if others and table not in {0, *_RESERVED.values()} and not {"fwmark", "not"} & each.keys():
            yield LookUp(family, int(each["priority"]), table, " ".join(_more(each)))


def _more(rule: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a rule asks besides its mark, as ip-rule(8) writes it."""
    for word, key in (("from", "src"), ("to", "dst")):
        if rule.get(key, "all") != "all":
            length = f"/{rule[f'{key}len']}" if f"{key}len" in rule else ""
            yield f"{word} {prefix(f'{rule[key]}{length}')}"
    for key in sorted(rule.keys() - _OF_OUR_RULES):
        name, _, part = key.rpartition("_")
        if part == "start":
            yield f"{_RULE_WORDS.get(name, name)} {rule[key]}-{rule[f'{name}_end']}"
        elif part not in {"end", "detached"}:
            value = str(rule[key]).removeprefix("ipproto-")  # as -N has it
            yield key if rule[key] is None else f"{_RULE_WORDS.get(key, key)} {value}"


def _action(rule: Mapping[str, Any]) -> tuple[RuleAction, int]:
    if "goto" in rule:
        return RuleAction.GOTO, _number(rule["goto"])
    if "table" in rule:
        return RuleAction.LOOKUP, _table(rule["table"], 0)
    return _ACTIONS.get(str(rule.get("action", "")), RuleAction.NOP), 0


def _number(text: object) -> int:
    """Return a number as iproute2 may write it, -1 for a name."""
    try:
        return int(str(text), 0)
    except ValueError:
        return -1


def _packed(text: str) -> bytes:
    family = IPV6 if ":" in text else IPV4
    return socket.inet_pton(socket.AF_INET if family == IPV4 else socket.AF_INET6, text)
