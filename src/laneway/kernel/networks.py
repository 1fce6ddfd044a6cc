"""Networks of others that this host may forward packets for: what their links and their rules say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from laneway.errors import HostRefused
from laneway.kernel.iptables_variant import has_variant
from laneway.kernel.link_messages import DUMP_ADDRESSES, DUMP_LINKS, RTM_GETADDR, RTM_GETLINK, addresses, links
from laneway.kernel.netlink import NetlinkSocket
from laneway.kernel.netns import LOOPBACK
from laneway.kernel.save_text import SavedTable, saved_tables
from laneway.kernel.tools import run_tool
from laneway.kernel.xt_tables import save_output
from laneway.state.chains import XtTable
from laneway.state.facts import Networks
from laneway.state.links import GROUP
from laneway.state.prefix import FAMILIES, IPV4, IPV6, is_link_local

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from laneway.state.facts import Variant

_TRANSLATING = frozenset({"MASQUERADE", "SNAT", "DNAT", "NETMAP"})
_NATIVE_TRANSLATING = frozenset({"masquerade", "snat", "dnat"})
_NFT_FAMILIES = {"ip": (IPV4,), "ip6": (IPV6,), "inet": FAMILIES}
_VARIANTS: tuple[Variant, ...] = ("legacy", "nft")


def read() -> Networks:
    """Return the networks of others; raises HostRefused. What cannot be read of rules tells of none."""
    with NetlinkSocket() as kernel:
        up = frozenset(_up(kernel))
    rules: set[tuple[int, str]] = set(_native())
    for variant in filter(has_variant, _VARIANTS):
        for family in FAMILIES:
            rules |= {(family, rule) for rule in _forwarding(_saved(variant, family))}
    return Networks(up, frozenset(rules))


def _up(kernel: NetlinkSocket) -> Iterator[tuple[int, str]]:
    """Yield the links that are up and have an address. A bridge whose guests are stopped has no carrier, and is one."""
    theirs = {
        seen.number: seen.name
        for seen in links(list(kernel.dump(RTM_GETLINK, DUMP_LINKS)))
        if seen.group != GROUP and seen.name != LOOPBACK and seen.up
    }
    for each in addresses(list(kernel.dump(RTM_GETADDR, DUMP_ADDRESSES))):
        if each.link in theirs and not is_link_local(each.address):
            yield each.address.family, f"{theirs[each.link]}#{each.link}"


def _saved(variant: Variant, family: int) -> Mapping[str, SavedTable]:
    try:
        return saved_tables(save_output(variant, family))
    except HostRefused:
        return {}


def _forwarding(tables: Mapping[str, SavedTable]) -> Iterator[str]:
    """Yield the rules of others that translate, and those that accept what is forwarded."""
    for chain, rules in tables[XtTable.NAT].rules.items() if XtTable.NAT in tables else ():
        if not chain.startswith("LANEWAY-"):
            yield from (f"-A {chain} {rule}" for rule in rules if _target(rule) in _TRANSLATING)
    if XtTable.FILTER in tables:
        table, chains = tables[XtTable.FILTER], ["FORWARD"]
        for chain in chains:  # grows as chains lead to others
            for rule in table.rules.get(chain, ()):
                if _target(rule) == "ACCEPT":
                    yield f"-A {chain} {rule}"
                led = _target(rule)
                if led in table.policies and led not in chains and not led.startswith("LANEWAY-"):
                    chains.append(led)


def _target(rule: str) -> str:
    words = rule.split()
    places = [place for place, word in enumerate(words[:-1]) if word in ("-j", "-g")]
    return words[places[-1] + 1] if places else ""


def _native() -> Iterator[tuple[int, str]]:
    """Yield the like of nftables rules that iptables does not show."""
    try:
        done = run_tool(("nft", "-j", "list", "ruleset"))
        objects = json.loads(done.stdout or "{}").get("nftables", ()) if not done.returncode else ()
    except (HostRefused, ValueError):
        return
    forwards = {
        (each["chain"]["family"], each["chain"]["table"])
        for each in objects
        if "chain" in each and each["chain"].get("hook") == "forward"
    }
    for each in objects:
        rule = each.get("rule", {})
        place = (rule.get("family"), rule.get("table"))
        if place[0] not in _NFT_FAMILIES or (place[1] in set(XtTable) and place[0] != "inet"):
            continue
        verbs = {verb for statement in rule["expr"] for verb in statement}
        if verbs & _NATIVE_TRANSLATING or ("accept" in verbs and place in forwards):
            text = f"nft {' '.join(place)} {rule['chain']}: {json.dumps(_without_counts(rule['expr']))}"
            yield from ((family, text) for family in _NFT_FAMILIES[place[0]])


def _without_counts(expressions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in expressions if "counter" not in each]
