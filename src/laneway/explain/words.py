"""Objects of the kernel's as their own tools write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.explain.hop import InChain, InTable, OnWay
from laneway.plan.words import entry_text, fib_rule_text, route_text
from laneway.state.chain_text import rule_text
from laneway.state.chains import JumpKey
from laneway.state.links import LinkKey
from laneway.state.nft import TABLE
from laneway.state.nft_text import rule_text as native_text
from laneway.state.routing import FibRule, Route, RouteKey
from laneway.state.underlay import MainRoute

if TYPE_CHECKING:
    from laneway.explain.hop import Thing
    from laneway.state.sets import SetEntry


def name_of(thing: Thing) -> str:  # noqa: PLR0911  one case a kind
    """Return what an object is called, short enough for a column."""
    match thing:
        case InChain(key, number, _):
            return f"{key.name}:{number}"
        case InTable(chain, number, _):
            return f"nft {chain}:{number}"
        case JumpKey():
            return f"{thing.base}, jump to {thing.chain}"
        case FibRule():
            return f"ip rule {thing.priority}"
        case OnWay(key, _):
            return f"table {key.table}" if not key.netns else f"{key.netns}: main"
        case MainRoute():
            return "table main"
        case LinkKey(_, name):
            return f"link {name}"


def text_of(thing: Thing) -> str:  # noqa: PLR0911  one case a kind
    """Return an object as iptables-save, ip rule or ip route would print it."""
    match thing:
        case InChain(key, _, rule):
            return f"-A {key.name} {rule_text(rule, family=key.family)}"
        case InTable(chain, _, rule):
            return f"nft inet {TABLE} {chain}: {native_text(rule)}"
        case JumpKey():
            return f"-A {thing.base} … -j {thing.chain}"
        case FibRule():
            return fib_rule_text(thing)
        case OnWay(key, route):
            return route_text(key, route)
        case MainRoute(to, metric, kind, dev, via):
            return route_text(RouteKey("", 254, to, metric), Route(kind, dev, via)).replace(" onlink", "")
        case LinkKey(netns, name):
            return f"{name} in {netns}" if netns else name


def element_text(entry: SetEntry) -> str:
    """Return a set's entry with the set's name."""
    return f"{entry.set} {entry_text(entry)}"
