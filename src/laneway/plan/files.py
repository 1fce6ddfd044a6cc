"""A desired state as files that the plain tools take as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.lanes.leases import PATH
from laneway.plan.plan import plan
from laneway.plan.words import address_command, command, entry_text
from laneway.state.chain_text import jump_text, rule_text
from laneway.state.chains import XtTable
from laneway.state.host import HostState
from laneway.state.nft_text import element_lines, table_lines
from laneway.state.prefix import IPV4, IPV6

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from laneway.plan.steps import Step

IP_KINDS = ("netns", "links", "addresses", "routes", "fib_rules")


def files(desired: HostState) -> dict[str, str]:
    """Return file names and contents, in the order in which the files are to be fed to their tools.

    `ip.batch` goes to `ip -batch`, `ip6.batch` to `ip -6 -batch`, `sysctl.conf` to `sysctl -p`, `ipset.restore` to
    `ipset restore`, two to `iptables-restore --noflush` and `ip6tables-restore --noflush`, and `nftables.nft` to
    `nft -f`; `rt_tables.conf` is the content of /etc/iproute2/rt_tables.d/laneway.conf.
    """
    steps = plan(desired, HostState())
    ip_steps = [step for step in steps if step.kind in IP_KINDS]
    return {
        "rt_tables.conf": desired.files.get(PATH, ""),
        "ip.batch": _lines(line for step in ip_steps if not _is_ipv6_routing(step) for line in _batch(step)),
        "ip6.batch": _lines(line for step in ip_steps if _is_ipv6_routing(step) for line in _batch(step)),
        "sysctl.conf": _lines(f"{key} = {value}" for key, value in sorted(desired.sysctls.items())),
        "ipset.restore": _lines(_ipset(desired)),
        "iptables.restore": _restore(desired, IPV4),
        "ip6tables.restore": _restore(desired, IPV6),
        "nftables.nft": _lines(_native(desired)),
    }


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _is_ipv6_routing(step: Step) -> bool:
    """Return whether `ip` must be told the family: a rule, or a default, does not show it."""
    if step.kind == "fib_rules":
        return bool(step.key.family == IPV6)
    return step.kind == "routes" and step.key.to.family == IPV6


def _batch(step: Step) -> Iterator[str]:
    """Yield the lines of ip -batch; what is done inside a namespace goes by `netns exec`."""
    # A batch cannot try one word and then do without it, as the command for an address does.
    written = address_command(step) if step.kind == "addresses" else command(step)
    for part in written.split(" && "):
        words = part.replace("'", '"').split()[1:]
        if words[0] in ("-4", "-6"):
            words = words[1:]
        if words[0] == "-n":
            inside = " ".join(word for word in words[2:] if word != "-4")
            yield f"netns exec {words[1]} ip {inside}"
        else:
            yield " ".join(words)


def _ipset(desired: HostState) -> Iterator[str]:
    for name, header in sorted(desired.sets.items()):
        family = "inet" if header.family == IPV4 else "inet6"
        marks = " skbinfo" if header.marks else ""
        yield f"create {name} {header.type} family {family} maxelem 1048576{marks}"
    for entry, mark in sorted(desired.entries.items(), key=lambda item: (item[0].set, entry_text(item[0]))):
        skbmark = f" skbmark {mark}" if mark is not None else ""
        yield f"add {entry.set} {entry_text(entry)}{skbmark}"


def _native(desired: HostState) -> Iterator[str]:
    for table in desired.nft_tables.values():
        yield from table_lines(table)
    yield from element_lines(desired.nft_elements)


def _restore(desired: HostState, family: int) -> str:
    lines = []
    for table in XtTable:
        chains = [key for key in sorted(desired.chains) if key.family == family and key.table == table]
        jumps = [key for key in sorted(desired.jumps) if key.family == family and key.table == table]
        if not chains:
            continue
        lines.append(f"*{table}")
        lines += [f":{key.name} - [0:0]" for key in chains]
        lines += [f"-A {key.name} {rule_text(rule, family=family)}" for key in chains for rule in desired.chains[key]]
        lines += [f"-I {key.base} 1 {jump_text(key, desired.jumps[key], family=family)}" for key in jumps]
        lines.append("COMMIT")
    return _lines(lines)
