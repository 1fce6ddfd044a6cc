"""The rules of others: what they do with marks, refuse and forward, in both iptables, nftables and traffic control."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.errors import HostRefused
from laneway.kernel.iptables_variant import PROGRAMS
from laneway.kernel.mark_census import extension_marks, extensions, statement_marks
from laneway.kernel.native_nft import native_tables
from laneway.kernel.nft_gates import nft_forwarded, nft_gates
from laneway.kernel.save_text import foreign_rules, saved_tables
from laneway.kernel.tc_marks import tc_marks
from laneway.kernel.tools import run_tool
from laneway.kernel.xt_gates import not_behind_ours, xt_forwarded, xt_gates
from laneway.kernel.xt_tables import instantiated_tables
from laneway.state.facts import MarkUse
from laneway.state.prefix import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.kernel.iptc_child import MarkRule
    from laneway.kernel.native_nft import NativeTable
    from laneway.kernel.save_text import SavedTable
    from laneway.state.facts import ForwardedPort, Variant
    from laneway.state.gates import GateTable

    Saved = tuple[tuple[int, str, dict[str, SavedTable]], ...]


class ForeignRules(NamedTuple):
    """What was found, what could not be asked, and what not in the best way."""

    marks: tuple[MarkUse, ...] = ()
    gates: tuple[GateTable, ...] = ()
    forwarded: tuple[ForwardedPort, ...] = ()
    unseen: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read(variant: Variant) -> ForeignRules:
    """Return what others' rules do; a program the host does not have is not asked.

    What is forwarded meets laneway's own verdict before what stands in the filter table of the `variant` in use.
    """
    legacy = _saved("legacy")
    legacy_marks, warnings = _legacy_marks(legacy)
    saved = (*_saved("nft"), *legacy)
    native, unseen = native_tables()
    marks = dict.fromkeys((*legacy_marks, *_saved_marks(_of("nft", saved)), *_native_marks(native), *tc_marks(_output)))
    gates = not_behind_ours((gate for each in saved for gate in xt_gates(*each)), variant)
    forwarded = (port for each in saved for port in xt_forwarded(*each))
    return ForeignRules(
        tuple(each for each in marks if each.mark.mask),
        tuple(sorted((*gates, *nft_gates(native)))),
        tuple(sorted({*forwarded, *nft_forwarded(native)})),
        unseen,
        warnings,
    )


def _saved(variant: Variant) -> Saved:
    found = []
    for family in FAMILIES:
        # Asked for where there are none yet, the legacy variant would load its modules.
        if variant == "nft" or instantiated_tables(family):
            program = f"{PROGRAMS[family]}-{variant}"
            found.append((family, program, saved_tables(_output(f"{program}-save"))))
    return tuple(found)


def _of(variant: Variant, saved: Saved) -> Saved:
    return tuple(each for each in saved if each[1].endswith(variant))


def _legacy_marks(saved: Saved) -> tuple[tuple[MarkUse, ...], tuple[str, ...]]:
    """Return what python-iptables finds in the legacy tables, or when it fails, what iptables-legacy-save prints."""
    from laneway.kernel.iptc_child import read_legacy

    tables = {family: instantiated_tables(family) for family in FAMILIES}
    if not any(tables.values()):
        return (), ()
    try:
        return tuple(use for rule in read_legacy("marks", tables).marks for use in _decoded_uses(rule)), ()
    except HostRefused as error:
        return tuple(_saved_marks(saved)), (f"{error}: the text of iptables-legacy-save was read instead",)


def _decoded_uses(rule: MarkRule) -> Iterator[MarkUse]:
    text = " ".join(f"{name} {_options_text(options)}".strip() for name, options in rule.extensions)
    where = f"{PROGRAMS[rule.family]}-legacy {rule.table} {rule.chain}: {text}"
    for name, options in rule.extensions:
        for used in extension_marks(name, options):
            yield MarkUse(used.mark, where, used.writes, used.masked)


def _options_text(options: dict[str, list[str]]) -> str:
    return " ".join(
        f"{'! ' * (values[:1] == ['!'])}--{name} {' '.join(v for v in values if v != '!')}".strip()
        for name, values in options.items()
    )


def _saved_marks(saved: Saved) -> Iterator[MarkUse]:
    for _, program, tables in saved:
        for table, chain, rule in foreign_rules(tables):
            if "mark" in rule.lower():  # most rules are about none
                for name, options in extensions(rule):
                    for used in extension_marks(name, options):
                        yield MarkUse(used.mark, f"{program} {table} {chain}: {rule}", used.writes, used.masked)


def _output(*argv: str) -> str:
    """Return what the program prints, or nothing when the host does not have it or it fails."""
    try:
        done = run_tool(argv)
    except HostRefused:
        return ""
    return "" if done.returncode else done.stdout


def _native_marks(tables: tuple[NativeTable, ...]) -> Iterator[MarkUse]:
    """Yield the marks of nftables rules that iptables does not show."""
    for table in tables:
        for rule in table.rules:
            for statement in rule.get("expr", ()):
                for used in statement_marks(statement):
                    where = f"nft {table.name} {rule['chain']}: handle {rule['handle']}"
                    yield MarkUse(used.mark, where, used.writes, used.masked)
