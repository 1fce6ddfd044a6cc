"""Steps in words, and as the commands an operator would type."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from laneway.plan.nft_commands import element_command, table_command
from laneway.plan.rule_commands import (
    chain_command,
    clearing_commands,
    here_document,
    jump_command,
    prior_command,
    signing_commands,
    tool,
)
from laneway.plan.shell import joined, quoted
from laneway.plan.steps import Op
from laneway.state.host import DIRECTORY_MARK
from laneway.state.links import ADVICE, GROUP, HALF_MADE, HOST, NOTICES, PROMOTE_SECONDARIES, Link, LinkKind
from laneway.state.prefix import IPV4, Prefix, address_text
from laneway.state.routing import FOREIGN, PLACE, PROTOCOL, RouteKind, RuleAction
from laneway.state.sets import ASIDE
from laneway.state.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from laneway.plan.steps import Step
    from laneway.state.facts import Variant
    from laneway.state.links import LinkKey, Netns
    from laneway.state.routing import FibRule, Route, RouteKey
    from laneway.state.sets import SetEntry

PROTOCOL_NAMES = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}


def describe(step: Step, *, variant: Variant | None = None) -> str:  # noqa: PLR0911  one case a kind
    """Return one line that says what a step does."""
    key = step.key
    match step.kind:
        case "netns":
            return f"ip netns {_verb(step, 'add', 'del')} {quoted(key)}"
        case "priors":
            return f"{tool(IPV4, variant)} -t mangle, value of {visible(key)} before laneway: {step.op}"
        case "chains":
            return f"{tool(key.family, variant)} -t {key.table}, chain {key.name}: {step.op}"
        case "jumps":
            return f"{tool(key.family, variant)} -t {key.table}, jump from {key.base} to {key.chain}: {step.op}"
        case "files":
            return f"{visible(key)}: {step.op}"
        case "nft_tables":
            return f"nft table inet {key}: {step.op}"
        case "addresses":
            return address_command(step)
        case "leftovers":
            return describe(step._replace(kind=key.kind, key=key.key), variant=key.variant)
        case _:
            return command(step).split("\n", 1)[0]


def command(step: Step, *, variant: Variant | None = None) -> str:
    """Return what a person would type into a shell to do a step.

    With a variant, of iptables, its programs are called by their full names: `iptables` may be the other one.
    """
    if step.kind == "leftovers":
        return command(step._replace(kind=step.key.kind, key=step.key.key), variant=step.key.variant)
    if step.kind in _RULE_COMMANDS:
        return _RULE_COMMANDS[step.kind](step, variant)
    return _COMMANDS[step.kind](step)


def commands(steps: Sequence[Step], *, variant: Variant | None = None) -> tuple[str, ...]:
    """Return what a person would type to do `steps`, in order."""
    typed = tuple(command(step, variant=variant) for step in steps)
    return (*signing_commands(steps), *typed, *clearing_commands(steps)) if variant == "nft" else typed


def _verb(step: Step, make: str, remove: str) -> str:
    return remove if step.op == Op.DELETE else make


def _netns(step: Step) -> str:
    name = quoted(step.key)
    if step.op == Op.DELETE:
        return f"ip netns del {name}"
    wanted: Netns = step.new
    made = f"ip netns add {name} && " if step.op == Op.CREATE else ""
    if step.old == HALF_MADE:  # perhaps no more than a name
        made = (
            f"{{ ip netns exec {name} true 2>/dev/null || {{ rm -f /run/netns/{name}; ip netns add {name}; }}; }} && "
        )
    on_lo = f"ip -n {name} link set lo"
    # Before lo is up: of a link that has an address, `default` changes nothing any more (inet_insert_ifa).
    deaf = f" && {_takes_no_advice(step.key, said=NOTICES)} && {on_lo}" if made else ""
    return f"{made}{on_lo} group {GROUP} alias {quoted(wanted.alias)}{deaf} {_up(wanted.up)}"


def _takes_no_advice(netns: str, *links: str, said: Sequence[str] = ()) -> str:
    keys = (
        f"net/{family}/conf/{quoted(conf)}/{name}={value}"
        for value, switches in enumerate((ADVICE, said))
        for family, name in (each.split("/") for each in switches)
        for conf in ("all", "default", *links)
    )
    return f"ip netns exec {quoted(netns)} sysctl -eqw {' '.join(keys)}"


def _address(step: Step) -> str:
    made = address_command(step)
    if step.op != Op.DELETE:
        # Before iproute2 6.3 ip(8) does not know that word: laneway's mark comes with the next apply.
        return f"{made} proto {PROTOCOL} 2>/dev/null || {made}"
    kept = ""
    if step.key.netns != HOST and step.key.address.family == IPV4:
        others = quoted(f"{PROMOTE_SECONDARIES.format(step.key.link)}=1")
        kept = f"ip netns exec {quoted(step.key.netns)} sysctl -qw {others} && "
    return f"{kept}{made}"


def address_command(step: Step) -> str:
    """Return the command for an address that every ip(8) takes: it does not mark the address as laneway's."""
    nodad = " nodad" if step.key.address.family != IPV4 and step.op != Op.DELETE else ""
    on_link = f"dev {quoted(step.key.link)}{nodad}"
    return f"ip{_inside(step.key.netns)} addr {_verb(step, 'replace', 'del')} {step.key.address} {on_link}"


def _fib_rule(step: Step) -> str:
    return f"ip -{step.key.family} rule {_verb(step, 'add', 'del')} {joined(_words(fib_rule_text(step.key)))}"


def _sysctl(step: Step) -> str:
    # With slashes between its parts an interface name may have dots (sysctl(8)).
    return f"sysctl -w {quoted(f'{step.key}={step.new}')}"


def _file(step: Step) -> str:
    path = quoted(step.key)
    # Below /etc, which every host has.
    directories = [quoted(str(each)) for each in PurePosixPath(step.key).parents][:-2]
    if step.op != Op.DELETE:
        absent = f"[ -d $d ] || {{ mkdir -m 755 $d && : > $d/{DIRECTORY_MARK}; }}"
        made = f"for d in {' '.join(directories[::-1])}; do {absent}; done; " if directories else ""
        return made + here_document(f"install -m 644 /dev/stdin {path}", step.new)
    emptied = f'[ "$(ls -A $d)" != {DIRECTORY_MARK} ] || {{ rm $d/{DIRECTORY_MARK} && rmdir $d; }}'
    gone = f"for d in {' '.join(directories)}; do {emptied}; done"
    if step.key.endswith(f"/{DIRECTORY_MARK}"):
        return gone
    half_made = "r" if step.key.endswith(DIRECTORY_MARK) else ""
    return f"rm -{half_made}f {path}; {gone}"


def _inside(netns: str) -> str:
    return f" -n {quoted(netns)}" if netns != HOST else ""


def _up(up: bool) -> str:  # noqa: FBT001
    return "up" if up else "down"


def _link(step: Step) -> str:
    key: LinkKey = step.key
    removed = f"ip{_inside(key.netns)} link del {quoted(key.name)}"
    if step.op == Op.DELETE:
        return removed
    link: Link = step.new
    if step.op == Op.REPLACE and not link.can_be_made_of(step.old):
        return f"{removed} && {_new_link(key, link)}"
    if link.kind != LinkKind.PEER and step.op == Op.CREATE:
        return _new_link(key, link)
    changes = [f"ip{_inside(key.netns)} link set {quoted(key.name)}{each}" for each in _changes(step)]
    if step.old is not None and step.old.heeds != link.heeds:
        changes.insert(0, _takes_no_advice(key.netns, key.name))
    return " && ".join(changes)


def _changes(step: Step) -> Iterator[str]:
    """Yield what follows `ip link set NAME` to change a link; as a port of its bridge only once it is one."""
    old: Link = step.old or Link(step.new.kind)
    new: Link = step.new
    group = f" group {new.group}" if step.old and new.group != old.group else ""
    mac = f" address {new.mac.hex(':')}" if new.mac not in (b"", old.mac) else ""
    alias = f" alias {quoted(new.alias)}" if new.alias != old.alias else ""
    master = ""
    if new.master != old.master:
        master = f" master {quoted(new.master)}" if new.master else " nomaster"
    yield f"{mac}{group}{master}{alias} {_up(new.up)}"
    if new.master and (new.master, new.hairpin, new.isolated) != (old.master, old.hairpin, old.isolated):
        isolated = " isolated on" * new.isolated or " isolated off" * old.isolated
        yield f" type bridge_slave hairpin {'on' if new.hairpin else 'off'}{isolated}"


def _new_link(key: LinkKey, link: Link) -> str:
    name = quoted(key.name)
    if link.kind == LinkKind.BRIDGE:
        mac = f" address {link.mac.hex(':')}" if link.mac else ""
        made = f"ip link add {name}{mac} group {link.group} type bridge"
    else:
        peer = link.peer
        far = f" peer name {quoted(peer.name)} group {link.group} netns {quoted(peer.netns)}" if peer else ""
        master = f" master {quoted(link.master)}" if link.master else ""
        made = f"ip link add {name} group {link.group}{master} type veth{far}"
    port = " hairpin on" * link.hairpin + " isolated on" * link.isolated
    port = f" type bridge_slave{port}" if port else ""
    return f"{made} && ip link set {name} alias {quoted(link.alias)} {_up(link.up)}{port}"


def route_text(key: RouteKey, route: Route) -> str:
    """Return a route as ip-route(8) writes it, without the table."""
    kind = "" if route.kind == RouteKind.UNICAST else f"{route.kind} "
    to = "default" if key.to.length == 0 else str(key.to)
    other = "inet6 " if key.to.family == IPV4 and len(route.via) > IPV4 else ""
    via = f" via {other}{address_text(route.via)}" if route.via else ""
    dev = f" dev {route.dev}" if route.dev else ""
    onlink = " onlink" if route.via else ""
    metric = f" metric {key.metric}" if key.metric else ""
    return f"{kind}{to}{via}{dev}{onlink}{metric}{_more(key.more)}"


def _words(text: str) -> list[str]:
    """Return what is between spaces: what else is white to Python may be part of a link's name (dev_valid_name)."""
    return [word for word in text.split(" ") if word]


def _more(said: str) -> str:
    """Return what else a route or rule says, less what ip(8) has no word for."""
    words = _words(said)
    pairs = zip(words[::2], words[1::2], strict=True)
    return "".join(f" {word} {value}" for word, value in pairs if word != PLACE)


def _route(step: Step) -> str:
    # A workload's way out may be led elsewhere by somebody there.
    usual = "replace" if step.key.netns != HOST else "add"
    make = "append" if PLACE in step.key.more.split() else usual
    verb = {Op.CREATE: make, Op.REPLACE: "replace", Op.DELETE: "del"}[step.op]
    route = step.old if step.op == Op.DELETE else step.new
    text = joined(_words(route_text(step.key, route)))
    inside, family = _inside(step.key.netns), f" -{step.key.to.family}"
    ours = "" if FOREIGN in step.key.more.split() else f" proto {PROTOCOL}"
    return f"ip{inside}{family} route {verb} {text} table {step.key.table}{ours}"


def fib_rule_text(rule: FibRule) -> str:
    """Return a FIB rule as ip-rule(8) writes it."""
    negation = " not" if rule.inverted else ""
    mark = f" fwmark {rule.mark}" if rule.mark is not None else ""
    action = {
        RuleAction.LOOKUP: f"lookup {rule.target}",
        RuleAction.GOTO: f"goto {rule.target}",
    }.get(rule.action, str(rule.action))
    return f"pref {rule.priority}{negation}{_more(rule.more)}{mark} {action} protocol {PROTOCOL}"


def _set(step: Step) -> str:
    name = step.key
    if step.op == Op.DELETE:
        return f"ipset destroy {name}"
    family = "inet" if step.new.family == IPV4 else "inet6"
    marks = " skbinfo" if step.new.marks else ""
    header = f"{step.new.type} family {family}{' maxelem 1048576' * ('maxelem' not in step.new.more)}{marks}"
    header += f" {step.new.more}" if step.new.more else ""
    if step.op == Op.CREATE:
        return f"ipset create {name} {header}"
    if step.old[:2] != step.new[:2]:
        return f"ipset destroy {name} && ipset create {name} {header}"
    unmarked = "" if step.new.marks else "; s/ skbmark [^ ]*//"
    bare = "; s/ timeout [0-9]*//; s/ packets [0-9]* bytes [0-9]*//; s/ comment .*//" if step.old.more else ""
    filled = f"ipset save {name} | sed -n '/^add/{{s/^add {name} /add {ASIDE} /{unmarked}{bare};p}}' | ipset restore"
    return f"ipset create {ASIDE} {header} && {filled} && ipset swap {ASIDE} {name} && ipset destroy {ASIDE}"


def entry_text(entry: SetEntry) -> str:
    """Return an entry as ipset(8) writes it."""
    parts = [_bare(entry.net)]
    if entry.iface:
        parts.append(f"physdev:{entry.iface}" if "physdev" in entry.more else entry.iface)
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
    text = f"{step.key.set} {quoted(entry_text(step.key))}"
    if step.op == Op.DELETE:
        return f"ipset del {text}"
    mark = f" skbmark {step.new}" if step.new is not None else ""
    mark += "".join(f" {word}" for word in step.key.more.split() if word != "physdev")
    exist = "-exist " if step.op == Op.REPLACE else ""
    return f"ipset {exist}add {text}{mark}"


_COMMANDS: Final = {
    "netns": _netns,
    "links": _link,
    "addresses": _address,
    "sysctls": _sysctl,
    "routes": _route,
    "files": _file,
    "sets": _set,
    "entries": _entry,
    "fib_rules": _fib_rule,
    "nft_tables": table_command,
    "nft_elements": element_command,
}
_RULE_COMMANDS: Final = {"chains": chain_command, "jumps": jump_command, "priors": prior_command}
