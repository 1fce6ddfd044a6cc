"""Steps on iptables as the commands an operator would type."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from laneway.compile.names import USER
from laneway.plan.shell import quoted
from laneway.plan.steps import Op
from laneway.state.chain_text import MADE_CHAIN, PRIOR_CHAIN, PRIOR_TABLE, jump_text, prior_rule, rule_text
from laneway.state.prefix import IPV4
from laneway.state.visible import visible_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from laneway.plan.steps import Step
    from laneway.state.facts import Variant

_END = "END"


def tool(family: int, variant: Variant | None = None) -> str:
    """Return the program of a family; without a variant the one that this host's `iptables` is."""
    name = "iptables" if family == IPV4 else "ip6tables"
    return f"{name}-{variant}" if variant else name


def chain_command(step: Step, variant: Variant | None) -> str:
    """Return what makes, replaces or deletes a chain of ours."""
    program, key = tool(step.key.family, variant), step.key
    on_table = f"{program} -w 5 -t {key.table}"
    if step.op == Op.DELETE:
        # The operator's chain is not emptied: with a rule in it, it refuses to go.
        flush = "" if key.name == USER else f"{on_table} -F {key.name} && "
        return f"{flush}{on_table} -X {key.name}"
    rules = [f"-A {key.name} {rule_text(rule, family=key.family)}" for rule in step.new]
    lines = [f"*{key.table}", f":{key.name} - [0:0]", *rules, "COMMIT"]
    return here_document(f"{program}-restore -w 5 --noflush", "".join(f"{line}\n" for line in lines))


def jump_command(step: Step, variant: Variant | None) -> str:
    """Return what puts the jump of a base chain to a chain of ours in its place, or takes it away."""
    key = step.key
    program = tool(key.family, variant)
    on_table = f"{program} -w 5 -t {key.table}"
    if step.op == Op.DELETE and step.old.first:
        return f"{on_table} -D {key.base} {_words(jump_text(key, step.old, family=key.family))}"
    made = [f"-I {key.base} 1 {jump_text(key, step.new, family=key.family)}"] if step.op != Op.DELETE else []
    if step.op == Op.CREATE:
        return f"{on_table} -I {key.base} 1 {_words(jump_text(key, step.new, family=key.family))}"
    # Every copy that is there goes, whatever it was made into, and the new one comes first: in one COMMIT.
    chain = key.chain.replace(".", r"\.")
    copies = rf"s/^-A \({key.base} .*-[jg] {chain}\)$/-D \1/p"
    parts = [
        f"echo '*{key.table}'",
        f"{program}-save -t {key.table} | sed -n '{copies}'",
        *(f"echo {quoted(line)}" for line in made),
        "echo COMMIT",
    ]
    return f"{{ {'; '.join(parts)}; }} | {program}-restore -w 5 --noflush"


def prior_command(step: Step, variant: Variant | None) -> str:
    """Return what changes, in the chain that remembers them, what a sysctl was before laneway."""
    on_table = f"{tool(IPV4, variant)} -w 5 -t {PRIOR_TABLE}"
    shown = f"{on_table} -S {PRIOR_CHAIN}"
    old = f"{on_table} -D {PRIOR_CHAIN} {_words(rule_text(prior_rule(step.key, step.old), family=IPV4))}"
    new = f"{on_table} -A {PRIOR_CHAIN} {_words(rule_text(prior_rule(step.key, step.new), family=IPV4))}"
    match step.op:
        case Op.CREATE:
            return f"{on_table} -N {PRIOR_CHAIN} 2>/dev/null || true; {new}"
        case Op.REPLACE:
            return f"{new} && {old}"
        case Op.DELETE:
            return f"{old}; {shown} | grep -q '^-A' || {on_table} -X {PRIOR_CHAIN}"


def signing_commands(steps: Iterable[Step]) -> tuple[str, ...]:
    """Return what comes before `steps` in the nft variant: new tables get the sign that laneway made them."""
    tables = {_table_of(step) for step in steps if step.kind in ("chains", "priors") and step.op == Op.CREATE}
    # Asked for one table alone, iptables-nft-save shows it though it is not there.
    return tuple(
        rf"{program}-save 2>/dev/null | grep -q '^\*{table}$' || {program} -w 5 -t {table} -N {MADE_CHAIN}"
        for program, table in sorted((tool(family, "nft"), table) for family, table in tables)
    )


def clearing_commands(steps: Iterable[Step]) -> tuple[str, ...]:
    """Return what comes after `steps` in the nft variant: a table that laneway made goes when nothing is in it."""
    tables = {_table_of(step) for step in steps if step.kind in ("chains", "priors") and step.op == Op.DELETE}
    return tuple(_clearing(family, table) for family, table in sorted(tables))


def _clearing(family: int, table: str) -> str:
    saved, kind = f"{tool(family, 'nft')}-save -t {table} 2>/dev/null", "ip" if family == IPV4 else "ip6"
    empty = rf"^(#|\*|COMMIT|:[A-Z]+ ACCEPT |:{MADE_CHAIN} )"
    condition = f"{saved} | grep -q '^:{MADE_CHAIN} ' && ! {saved} | grep -qvE '{empty}'"
    return f"if {condition}; then nft delete table {kind} {table}; fi"


def _table_of(step: Step) -> tuple[int, str]:
    return (IPV4, PRIOR_TABLE) if step.kind == "priors" else (step.key.family, step.key.table)


def here_document(reader: str, content: str) -> str:
    """Return the command that gives `content` to a program, whatever is in it."""
    if visible_lines(content) != content:
        return f"printf %s {quoted(content)} | {reader}"
    if not content.endswith("\n") or _END in content.splitlines():
        return f"printf %s {shlex.quote(content)} | {reader}"
    return f"{reader} <<'{_END}'\n{content}{_END}"


def _words(text: str) -> str:
    """Return the text of a rule, which iptables-save has quoted, as a shell takes it."""
    return " ".join(word if word == "!" else quoted(word) for word in shlex.split(text))
