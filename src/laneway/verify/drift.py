"""Where a host is not as its policy asks, object by object, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from laneway.plan.steps import Op, merged
from laneway.plan.words import command, entry_text, fib_rule_text, route_text
from laneway.state.chain_text import jump_text, rule_text
from laneway.state.links import HOST
from laneway.state.nft_text import element_text, table_lines
from laneway.state.prefix import IPV4
from laneway.state.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from laneway.plan.steps import Step

WORDS = {Op.CREATE: "missing", Op.REPLACE: "different", Op.DELETE: "unexpected"}
"""What an object is that a step would create, replace or delete."""


_MANY_LINES = frozenset({"chains", "files", "nft_tables"})
"""Kinds whose objects are told line by line."""


class Difference(NamedTuple):
    """An object that is not as it should be."""

    step: Step  # what would mend it
    object: str  # which, in words
    is_: str | None  # None: it is not there
    should_be: str | None  # None: it should not be there

    @property
    def state(self) -> str:
        """Return "missing", "different" or "unexpected"."""
        return WORDS[self.step.op]


def differences(steps: Iterable[Step]) -> tuple[Difference, ...]:
    """Return the differences that `steps` would mend."""
    return tuple(difference(step) for step in merged(steps))


def as_json(found: Difference, tenants: frozenset[str]) -> dict[str, object]:
    """Return a difference as plain data; of several tenants' it names none."""
    return {
        "tenant": min(tenants) if len(tenants) == 1 else None,
        "op": str(found.step.op),
        "state": found.state,
        "kind": found.step.kind,
        "object": found.object,
        "is": found.is_,
        "should_be": found.should_be,
        "command": command(found.step),
    }


def text(found: Difference) -> str:
    """Return a difference for a person: one line, and of a chain or file the lines that are not alike."""
    title = visible(f"{found.state}: {found.object}")
    is_, should_be = found.is_ or "", found.should_be or ""
    if found.step.kind in _MANY_LINES and found.step.op is Op.REPLACE:
        return "\n".join([title, *_lines(is_.splitlines(), should_be.splitlines())])
    if found.step.op is Op.REPLACE:
        return f"{title}: is {visible(is_)}, should be {visible(should_be)}"
    value = is_ if found.step.op is Op.DELETE else should_be
    one_line = value and (found.step.kind not in _MANY_LINES or "\n" not in value)
    return f"{title}: {visible(value)}" if one_line and value != "there" else title


def _lines(is_: list[str], should_be: list[str]) -> list[str]:
    missing = [f"    missing:    {visible(line)}" for line in should_be if line not in is_]
    extra = [f"    unexpected: {visible(line)}" for line in is_ if line not in should_be]
    return [*missing, *extra] or ["    the order of its lines is another one"]


def difference(step: Step) -> Difference:
    """Return what one step would mend."""
    old = None if step.op is Op.CREATE else _value(step, step.old)
    new = None if step.op is Op.DELETE else _value(step, step.new)
    return Difference(step, _object(step), old, new)


def _object(step: Step) -> str:  # noqa: C901, PLR0911, PLR0912  one case a kind
    key: Any = step.key
    match step.kind:
        case "netns":
            return f"network namespace {key}"
        case "links":
            return f"link {key.name}{_inside(key.netns)}"
        case "addresses":
            return f"address {key.address} on {key.link}{_inside(key.netns)}"
        case "priors":
            return f"what is remembered of sysctl {key}"
        case "sysctls":
            return f"sysctl {key}"
        case "routes":
            to = "default" if not key.to.length else str(key.to)
            metric = f" metric {key.metric}" if key.metric else ""
            more = f" {key.more}" if key.more else ""
            return f"IPv{key.to.family} route {to}{metric}{more} in table {key.table}{_inside(key.netns)}"
        case "files":
            return f"file {key}"
        case "sets":
            return f"set {key}"
        case "entries":
            return f"entry {entry_text(key)}{f' {key.more}' if key.more else ''} of set {key.set}"
        case "fib_rules":
            return f"IPv{key.family} ip rule {key.priority}"
        case "chains":
            return f"chain {key.name} of {_table(key)}"
        case "jumps":
            return f"jump from {key.base} to {key.chain} of {_table(key)}"
        case "nft_tables":
            return f"nftables table inet {key}"
        case "nft_elements":
            return f"element {element_text(key)} of nftables set {key.set}"
        case _:
            inner = _object(step._replace(kind=key.kind, key=key.key))
            return f"{inner}, in the {key.variant} variant that is not in use"


def _table(key: Any) -> str:  # noqa: ANN401  a chain's or a jump's
    return f"{key.table} ({'iptables' if key.family == IPV4 else 'ip6tables'})"


def _inside(netns: str) -> str:
    return f" in {netns}" if netns != HOST else ""


def _value(step: Step, value: Any) -> str:  # noqa: ANN401, C901, PLR0911  one case a kind
    key: Any = step.key
    match step.kind:
        case "netns":
            return f"'{value.alias}', {'up' if value.up else 'down'}{'' if value.kept else ', lo out of its group'}"
        case "links":
            return _link(value)
        case "priors" | "sysctls" | "files":
            return str(value)
        case "routes":
            return route_text(key, value)
        case "sets":
            marks = " with marks" if value.marks else ""
            return f"{value.type} of IPv{value.family}{marks}" + (f", {value.more}" if value.more else "")
        case "entries" if value is not None:
            return f"mark {value}"
        case "fib_rules":
            return fib_rule_text(key)
        case "chains":
            return "\n".join(rule_text(rule, family=key.family) for rule in value)
        case "jumps":
            return f"{jump_text(key, value, family=key.family)}{'' if value.first else ', after rules of others'}"
        case "nft_tables":
            return "\n".join(table_lines(value))
        case "leftovers":
            return _value(step._replace(kind=key.kind, key=key.key), value)
        case _:
            return "there"


def _link(link: Any) -> str:  # noqa: ANN401  a Link
    parts = [
        str(link.kind),
        "up" if link.up else "down",
        f"group {link.group}",
        f"port of {link.master}" if link.master else "",
        f"pair of {link.peer.name} in {link.peer.netns}" if link.peer else "",
        f"address {link.mac.hex(':')}" if link.mac else "",
        "hairpin" if link.hairpin else "",
        "isolated" if link.isolated else "",
        f"takes {link.heeds}" if link.heeds else "",
        f"'{link.alias}'" if link.alias else "",
    ]
    return ", ".join(part for part in parts if part)
