"""A program: prints as JSON what python-iptables finds in the legacy tables of one family.

It is a process of its own because python-iptables can crash (a rule about a set that is gone), stays bound to the
network namespace it began in, and handles NAT targets for one family only. It runs by its path, isolated, so it uses
nothing of laneway; it never commits, and makes no xt_table that the kernel does not have yet.

Usage: iptc_reader.py 4|6 ours|marks [XT_TABLE ...]
"""

from __future__ import annotations

import ctypes
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "LANEWAY-"

MARK_EXTENSIONS = {b"mark", b"connmark", b"socket", b"MARK", b"CONNMARK", b"TPROXY", b"HMARK", b"SET"}
"""Matches and targets that read or write packet marks; only their rules are decoded, at half a millisecond each."""

_NAME = slice(2, 31)  # struct xt_entry_match and xt_entry_target: u16 size, char name[29], u8 revision, data
_DATA = 32


def main(arguments: list[str]) -> None:
    """Print `{"ours": {table: {chain: [rule, ...]}}, "marks": [...]}`."""
    import iptc

    family, what, *tables = arguments
    kind = iptc.Table if family == "4" else iptc.Table6
    ours: dict[str, dict[str, list[Any]]] = {}
    marks: list[Any] = []
    for name in tables:
        table = kind(name, autocommit=False)
        for chain in table.chains:
            if chain.name.startswith(PREFIX) and what == "ours":
                ours.setdefault(name, {})[chain.name] = [shape(table, entry) for entry in entries(table, chain)]
            elif not chain.name.startswith(PREFIX) and what == "marks":
                theirs = (entry for entry in entries(table, chain) if not leads_to_ours(table, entry))
                marks += [[name, chain.name, decoded(table, each, chain)] for each in theirs if uses_marks(each)]
    sys.stdout.write(json.dumps({"ours": ours, "marks": marks}))


def entries(table: Any, chain: Any) -> Iterator[Any]:
    """Yield the kernel's own entries, without decoding them."""
    entry = table.first_rule(chain.name)
    while entry:
        yield entry
        entry = table.next_rule(entry)


def parts(entry: Any) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and the data of each match, and last of the target."""
    raw = ctypes.string_at(ctypes.addressof(entry), entry.next_offset)
    at = ctypes.sizeof(type(entry))
    while at < entry.next_offset:
        size = entry.next_offset - at if at >= entry.target_offset else int.from_bytes(raw[at : at + 2], sys.byteorder)
        part = raw[at : at + size]
        yield part[_NAME].partition(b"\0")[0], part[_DATA:]
        at += size


def leads_to_ours(table: Any, entry: Any) -> bool:
    """Return whether the rule is a jump to a chain of ours, which may match marks."""
    return (table.get_target(entry) or b"").startswith(PREFIX.encode())


def uses_marks(entry: Any) -> bool:
    """Return whether the rule reads or writes packet marks."""
    return any(name in MARK_EXTENSIONS for name, _ in parts(entry))


def shape(table: Any, entry: Any) -> list[Any]:
    """Return packets, bytes, the target's name, the number of matches but for the comment, and the comment."""
    *matches, _ = parts(entry)
    comments = [data.partition(b"\0")[0].decode(errors="replace") for name, data in matches if name == b"comment"]
    target = (table.get_target(entry) or b"").decode(errors="replace")
    counters = entry.counters
    return [counters.pcnt, counters.bcnt, target, len(matches) - len(comments), "".join(comments)]


def decoded(table: Any, entry: Any, chain: Any) -> list[Any]:
    """Return the rule's matches and target as python-iptables decodes them: `[[name, {option: [value, ...]}], ...]`."""
    rule = table.create_rule(entry, chain)
    extensions = [*rule.matches, *([rule.target] if rule.target else [])]
    return [[each.name, each.get_all_parameters()] for each in extensions]


if __name__ == "__main__":
    # Isolated, Python looks into its own directories alone; the Debian package has python-iptables beside laneway.
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main(sys.argv[1:])
