"""Where in a file the values of a document stand, from the concrete syntax that tree-sitter keeps.

Only what is asked for is looked at: the headers of all tables, and the pairs of the tables in question.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from laneway.policy.problems import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tree_sitter import Node

    from laneway.policy.model import Path

TABLES = ("table", "table_array_element")
KEYS = ("bare_key", "quoted_key", "dotted_key")
WHOLE_FILE = Span(1, 1, 1)


class Spans:
    """The places of everything in one file."""

    def __init__(self, text: str) -> None:
        """Read the structure of `text`, which should be TOML; what is not is passed over."""
        import tree_sitter_toml
        from tree_sitter import Language, Parser

        self.lines = text.split("\n")
        self._bytes = [line.encode(errors="surrogatepass") for line in self.lines]
        source = b"\n".join(self._bytes)
        self._blocks: dict[Path, list[Node]] = {}  # tables not looked into yet, by their path
        self._values: dict[Path, Span] = {}
        self._keys: dict[Path, Span] = {}
        self._tree = Parser(Language(tree_sitter_toml.language())).parse(source)
        self._index_headers(self._tree.root_node)

    def line(self, number: int) -> str:
        """Return a line of the file; they count from 1."""
        return self.lines[number - 1].rstrip("\r") if 0 < number <= len(self.lines) else ""

    def value(self, path: Path) -> Span:
        """Return where the value at `path` stands, or else what it would be part of."""
        for length in range(len(path), 0, -1):
            part = path[:length]
            self._look_into_tables_of(part)
            span = self._values.get(part) or self._keys.get(part)
            if span is not None:
                return span
        return WHOLE_FILE

    def key(self, path: Path) -> Span:
        """Return where the key stands that names the value at `path`, or else the value or what it would be part of."""
        self._look_into_tables_of(path)
        return self._keys.get(path) or self.value(path)

    def _index_headers(self, root: Node) -> None:
        """Note where each table begins; `[a.b]` belongs to the last of `[[a]]` before it (TOML 1.0)."""
        self._blocks[()] = [root]
        counts: dict[Path, int] = {}
        for node in root.children:
            if node.type not in TABLES:
                continue
            header = next((child for child in node.children if child.type in KEYS), None)
            if header is None:
                continue
            keys = list(self._key_nodes(header))
            path: Path = ()
            for position, (key, key_node) in enumerate(keys):
                path = (*path, key)
                last = position == len(keys) - 1
                if last and node.type == "table_array_element":
                    counts[path] = counts.get(path, 0) + 1
                if last:
                    self._keys[path] = self._span(header)
                else:
                    self._keys.setdefault(path, self._span(key_node))
                if path in counts:
                    path = (*path, counts[path] - 1)
            self._keys.setdefault(path, self._span(header))
            self._blocks.setdefault(path, []).append(node)

    def _look_into_tables_of(self, path: Path) -> None:
        for length in range(len(path) + 1):
            for node in self._blocks.pop(path[:length], ()):
                self._index_pairs(node, path[:length])

    def _index_pairs(self, table: Node, prefix: Path) -> None:
        for pair in table.children:
            if pair.type != "pair":
                continue
            header = next((child for child in pair.children if child.type in KEYS), None)
            if header is None:
                continue
            path = prefix
            for key, node in self._key_nodes(header):
                path = (*path, key)
                self._keys.setdefault(path, self._span(node))
            value = next((child for child in reversed(pair.named_children) if child.type != "comment"), None)
            if value is not None and value.id != header.id:
                self._index_value(value, path)

    def _index_value(self, node: Node, path: Path) -> None:
        self._values.setdefault(path, self._span(node))
        if node.type == "array":
            elements = [child for child in node.named_children if child.type != "comment"]
            for index, element in enumerate(elements):
                self._index_value(element, (*path, index))
        elif node.type == "inline_table":
            self._index_pairs(node, path)

    def _key_nodes(self, header: Node) -> Iterator[tuple[str, Node]]:
        """Yield the parts of a key, decoded, with where each stands; tree-sitter nests dotted keys to the left."""
        parts: Sequence[Node] = header.named_children if header.type == "dotted_key" else (header,)
        for node in parts:
            if node.type == "dotted_key":
                yield from self._key_nodes(node)
            elif node.type in KEYS:
                yield self._decoded(node), node

    def _decoded(self, node: Node) -> str:
        text = (node.text or b"").decode(errors="replace")
        if node.type == "bare_key":
            return text
        try:
            return next(iter(tomllib.loads(f"{text} = 1")))
        except (ValueError, StopIteration):
            return text

    def _span(self, node: Node) -> Span:
        """Return where a node stands, of one with several lines the first."""
        row, start = node.start_point
        end = node.end_point.column if node.end_point.row == row else len(self._bytes[row])
        before, inside = self._bytes[row][:start], self._bytes[row][start:end]
        column = len(before.decode(errors="replace")) + 1
        return Span(row + 1, column, len(inside.decode(errors="replace").rstrip("\r")))
