"""The rules of others that use packet marks, found in both variants of iptables, in nftables and in traffic control."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from laneway.errors import HostRefused
from laneway.kernel.iptables_variant import PROGRAMS
from laneway.kernel.mark_census import extension_marks, extensions, statement_marks
from laneway.kernel.save_text import foreign_rules, saved_tables
from laneway.kernel.tc_marks import tc_marks
from laneway.kernel.tools import run_tool
from laneway.kernel.xt_tables import instantiated_tables
from laneway.state.facts import MarkUse
from laneway.state.prefix import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.kernel.iptc_child import MarkRule
    from laneway.state.facts import Variant

_NFT_FAMILIES = {4: "ip", 6: "ip6"}
_XT_NAMES = frozenset({"raw", "mangle", "nat", "filter", "security"})


class Census(NamedTuple):
    """What was found, and what could not be asked in the best way."""

    marks: tuple[MarkUse, ...]
    warnings: tuple[str, ...] = ()


def foreign_marks() -> Census:
    """Return the mark bits that others' rules use; a program the host does not have is not asked."""
    legacy = _legacy_marks()
    marks = dict.fromkeys((*legacy.marks, *_saved_marks("nft"), *_native_marks(), *tc_marks(_output)))
    return Census(tuple(each for each in marks if each.mark.mask), legacy.warnings)


def _legacy_marks() -> Census:
    """Return what python-iptables finds in the legacy tables, or when it fails, what iptables-legacy-save prints."""
    from laneway.kernel.iptc_child import read_legacy

    tables = {family: instantiated_tables(family) for family in FAMILIES}
    if not any(tables.values()):
        return Census(())
    try:
        return Census(tuple(use for rule in read_legacy("marks", tables).marks for use in _decoded_uses(rule)))
    except HostRefused as error:
        return Census(tuple(_saved_marks("legacy")), (f"{error}: the text of iptables-legacy-save was read instead",))


def _decoded_uses(rule: MarkRule) -> Iterator[MarkUse]:
    text = " ".join(f"{name} {_options_text(options)}".strip() for name, options in rule.extensions)
    for name, options in rule.extensions:
        for mark in extension_marks(name, options):
            yield MarkUse(mark, f"{PROGRAMS[rule.family]}-legacy {rule.table} {rule.chain}: {text}")


def _options_text(options: dict[str, list[str]]) -> str:
    return " ".join(
        f"{'! ' * (values[:1] == ['!'])}--{name} {' '.join(v for v in values if v != '!')}".strip()
        for name, values in options.items()
    )


def _saved_marks(variant: Variant) -> Iterator[MarkUse]:
    for family in FAMILIES:
        program = f"{PROGRAMS[family]}-{variant}"
        for table, chain, rule in foreign_rules(saved_tables(_output(f"{program}-save"))):
            if "mark" in rule.lower():
                for name, options in extensions(rule):
                    for mark in extension_marks(name, options):
                        yield MarkUse(mark, f"{program} {table} {chain}: {rule}")


def _output(*argv: str) -> str:
    """Return what the program prints, or nothing when the host does not have it or it fails."""
    try:
        done = run_tool(argv)
    except HostRefused:
        return ""
    return "" if done.returncode else done.stdout


def _native_marks() -> Iterator[MarkUse]:
    """Yield the marks of nftables rules that iptables does not show."""
    for table in _objects(_output("nft", "-j", "list", "tables"), "table"):
        family, name = table["family"], table["name"]
        if name in _XT_NAMES and family in _NFT_FAMILIES.values():
            continue
        for rule in _objects(_output("nft", "-j", "list", "table", family, name), "rule"):
            for statement in rule.get("expr", ()):
                for mark in statement_marks(statement):
                    yield MarkUse(mark, f"nft {family} {name} {rule['chain']}: handle {rule['handle']}")


def _objects(output: str, kind: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of one kind in what `nft -j` prints."""
    try:
        shown = json.loads(output or "{}")
    except ValueError:
        return
    yield from (each[kind] for each in shown.get("nftables", ()) if kind in each)
