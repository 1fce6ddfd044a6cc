"""Steps in words, and as the commands an operator would type."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from laneway.plan.steps import Op
from laneway.state.chain_text import jump_text, rule_text
from laneway.state.links import HOST, LinkKind
from laneway.state.prefix import IPV4, Prefix, address_text
from laneway.state.routing import PROTOCOL, RouteKind, RuleAction

if TYPE_CHECKING:
    from laneway.plan.steps import Step
    from laneway.state.links import Link, LinkKey
    from laneway.state.routing import FibRule, Route, RouteKey
    from laneway.state.sets import SetEntry

PROTOCOL_NAMES = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}


def describe(step: Step) -> str:
    """Return one line that says what a step does."""
    if step.kind == "chains":
        return f"{_tool(step.key.family)} -t {step.key.table}, chain {step.key.name}: {step.op}"
    if step.kind == "files":
        return f"{step.key}: {step.op}"
    if step.kind == "leftovers":
        inner = describe(step._replace(kind=step.key.kind, key=step.key.key))
        return re.sub(r"\b(ip6?tables)\b", rf"\1-{step.key.variant}", inner)
    return command(step).splitlines()[0]


def command(step: Step) -> str:
    """Return the command, or for chains and files the commands, that a person would type to do a step."""
    return _COMMANDS[step.kind](step)


def _verb(step: Step, make: str, remove: str) -> str:
    return remove if step.op == Op.DELETE else make


def _netns(step: Step) -> str:
    return f"ip netns {_verb(step, 'add', 'del')} {step.key}"


def _address(step: Step) -> str:
    nodad = " nodad" if step.key.address.family != IPV4 and step.op != Op.DELETE else ""
    inside = _inside(step.key.netns)
    return f"ip{inside} addr {_verb(step, 'add', 'del')} {step.key.address} dev {step.key.link}{nodad}"


def _fib_rule(step: Step) -> str:
    return f"ip -{step.key.family} rule {_verb(step, 'add', 'del')} {fib_rule_text(step.key)}"


def _sysctl(step: Step) -> str:
    # With slashes between its parts an interface name may have dots (sysctl(8)).
    return f"sysctl -w {step.key}={step.new}"


def _file(step: Step) -> str:
    return f"rm {step.key}" if step.op == Op.DELETE else f"cat > {step.key} <<'END'\n{step.new}END"


def _inside(netns: str) -> str:
    return f" -n {netns}" if netns != HOST else ""


def _link(step: Step) -> str:
    key: LinkKey = step.key
    if step.op == Op.DELETE:
        return f"ip{_inside(key.netns)} link del {key.name}"
    link: Link = step.new
    up = "up" if link.up else "down"
    hairpin = " type bridge_slave hairpin on" if link.hairpin else ""
    if link.kind == LinkKind.PEER or step.op == Op.REPLACE:
        master = f" master {link.master}" if link.master else ""
        alias = f" alias '{link.alias}'" if link.alias and step.op == Op.REPLACE else ""
        return f"ip{_inside(key.netns)} link set {key.name}{master}{alias} {up}{hairpin}"
    if link.kind == LinkKind.BRIDGE:
        mac = f" address {link.mac.hex(':')}" if link.mac else ""
        made = f"ip link add {key.name}{mac} group {link.group} type bridge"
    else:
        peer = f" peer name {link.peer.name} group {link.group} netns {link.peer.netns}" if link.peer else ""
        made = f"ip link add {key.name} group {link.group} master {link.master} type veth{peer}"
    return f"{made} && ip link set {key.name} alias '{link.alias}' {up}{hairpin}"


def route_text(key: RouteKey, route: Route) -> str:
    """Return a route as ip-route(8) writes it, without the table."""
    kind = "" if route.kind == RouteKind.UNICAST else f"{route.kind} "
    to = "default" if key.to.length == 0 else str(key.to)
    via = f" via {address_text(route.via)}" if route.via else ""
    dev = f" dev {route.dev}" if route.dev else ""
    onlink = " onlink" if route.via else ""
    metric = f" metric {key.metric}" if key.metric else ""
    return f"{kind}{to}{via}{dev}{onlink}{metric}"


def _route(step: Step) -> str:
    verb = {Op.CREATE: "add", Op.REPLACE: "replace", Op.DELETE: "del"}[step.op]
    route = step.old if step.op == Op.DELETE else step.new
    text = route_text(step.key, route)
    inside, family = _inside(step.key.netns), f" -{step.key.to.family}"
    return f"ip{inside}{family} route {verb} {text} table {step.key.table} proto {PROTOCOL}"


def fib_rule_text(rule: FibRule) -> str:
    """Return a FIB rule as ip-rule(8) writes it."""
    negation = "not " if rule.inverted else ""
    mark = f" {negation}fwmark {rule.mark}" if rule.mark is not None else ""
    action = {
        RuleAction.LOOKUP: f"lookup {rule.target}",
        RuleAction.GOTO: f"goto {rule.target}",
    }.get(rule.action, str(rule.action))
    return f"pref {rule.priority}{mark} {action} protocol {PROTOCOL}"


def _set(step: Step) -> str:
    if step.op == Op.DELETE:
        return f"ipset destroy {step.key}"
    family = "inet" if step.new.family == IPV4 else "inet6"
    marks = " skbinfo" if step.new.marks else ""
    return f"ipset create {step.key} {step.new.type} family {family} maxelem 1048576{marks}"


def entry_text(entry: SetEntry) -> str:
    """Return an entry as ipset(8) writes it."""
    parts = [_bare(entry.net)]
    if entry.iface:
        parts.append(entry.iface)
    if entry.protocol:
        name = PROTOCOL_NAMES.get(entry.protocol, str(entry.protocol))
        port = f"{entry.port >> 8}/{entry.port & 0xFF}" if name.startswith("icmp") else str(entry.port)
        parts.append(f"{name}:{port}")
    if entry.net2 is not None:
        parts.append(_bare(entry.net2))
    return ",".join(parts)


def _bare(prefix: Prefix) -> str:
    """Return a prefix, or one address without its length."""
    return address_text(prefix.address) if prefix.length == len(prefix.address) * 8 else str(prefix)


def _entry(step: Step) -> str:
    text = f"{step.key.set} {entry_text(step.key)}"
    if step.op == Op.DELETE:
        return f"ipset del {text}"
    mark = f" skbmark {step.new}" if step.new is not None else ""
    exist = "-exist " if step.op == Op.REPLACE else ""
    return f"ipset {exist}add {text}{mark}"


def _tool(family: int) -> str:
    return "iptables" if family == IPV4 else "ip6tables"


def _iptables(step: Step) -> str:
    if step.kind == "priors":
        return f"# remember {step.key} = {step.new if step.op != Op.DELETE else step.old}"
    tool, table = _tool(step.key.family), step.key.table
    if step.kind == "jumps":
        jump: Any = step.old if step.op == Op.DELETE else step.new
        text = jump_text(step.key, jump, family=step.key.family)
        where = f"-D {step.key.base}" if step.op == Op.DELETE else f"-I {step.key.base} 1"
        again = f" && {tool} -w 5 -t {table} -D {step.key.base} …" if step.op == Op.REPLACE else ""
        return f"{tool} -w 5 -t {table} {where} {text}{again}"
    if step.op == Op.DELETE:
        return f"{tool} -w 5 -t {table} -F {step.key.name} && {tool} -w 5 -t {table} -X {step.key.name}"
    rules = "".join(f"-A {step.key.name} {rule_text(rule, family=step.key.family)}\n" for rule in step.new)
    return f"{tool}-restore -w 5 --noflush <<'END'\n*{table}\n:{step.key.name} - [0:0]\n{rules}COMMIT\nEND"


def _leftover(step: Step) -> str:
    text = command(step._replace(kind=step.key.kind, key=step.key.key))
    return re.sub(r"\b(ip6?tables)\b", rf"\1-{step.key.variant}", text)


_COMMANDS: Final = {
    "netns": _netns,
    "links": _link,
    "addresses": _address,
    "priors": _iptables,
    "sysctls": _sysctl,
    "routes": _route,
    "files": _file,
    "sets": _set,
    "entries": _entry,
    "fib_rules": _fib_rule,
    "chains": _iptables,
    "jumps": _iptables,
    "leftovers": _leftover,
}
