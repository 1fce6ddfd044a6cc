"""python-iptables' view of the legacy tables, from a child process that may crash."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from laneway.errors import HostRefused
from laneway.state.chains import ChainKey, XtTable
from laneway.state.prefix import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    What = Literal["ours", "marks"]
    Tables = Mapping[int, Sequence[str]]

_PROGRAM = Path(__file__).with_name("iptc_reader.py")
_TIMEOUT = 30  # seconds

_ENVIRONMENT = {"LC_ALL": "C", "PATH": "/nonexistent", "SETUPTOOLS_USE_DISTUTILS": "stdlib"}
"""No PATH: importing iptc runs a compiler when it finds one (ctypes.util.find_library). And its `import distutils`
would load all of setuptools, which takes three times as long as the rest; without any distutils it does as well."""


class RuleShape(NamedTuple):
    """What python-iptables tells of one rule of ours without decoding its matches."""

    packets: int
    bytes: int
    target: str
    matches: int  # how many, the comment not counted
    comment: str


class MarkRule(NamedTuple):
    """A rule of others' that reads or writes marks."""

    family: int
    table: str
    chain: str
    extensions: tuple[tuple[str, dict[str, list[str]]], ...]  # matches, then the target: name, options and their values


class LegacyRules(NamedTuple):
    """What the child found."""

    ours: dict[ChainKey, tuple[RuleShape, ...]]
    marks: tuple[MarkRule, ...]


def read_legacy(what: What, tables: Tables) -> LegacyRules:
    """Return what python-iptables finds in the given xt_tables of each family: our chains, or others' use of marks.

    Raises HostRefused when a child fails, which it does for rules that it does not understand.
    """
    with reading_legacy(what, tables) as answer:
        return answer()


@contextmanager
def reading_legacy(what: What, tables: Tables) -> Iterator[Callable[[], LegacyRules]]:
    """Have python-iptables read while the block goes on; what the block is given returns, or raises, as `read_legacy`.

    Raises HostRefused when a child cannot be started.
    """
    with ExitStack() as stack:
        asked = {
            family: _start(stack, [str(family), what, *tables[family]]) for family in FAMILIES if tables.get(family)
        }
        yield lambda: _understood({family: _answer(child) for family, child in asked.items()})


def _understood(answers: Mapping[int, dict[str, Any]]) -> LegacyRules:
    ours: dict[ChainKey, tuple[RuleShape, ...]] = {}
    marks: list[MarkRule] = []
    for family, answer in answers.items():
        for table in XtTable:
            for name, rules in answer["ours"].get(table, {}).items():
                ours[ChainKey(family, table, name)] = tuple(RuleShape(*rule) for rule in rules)
        for table, chain, extensions in answer["marks"]:
            marks.append(MarkRule(family, table, chain, tuple((name, options) for name, options in extensions)))
    return LegacyRules(ours, tuple(marks))


def _start(stack: ExitStack, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a child that `stack` ends, whatever happens."""
    # -I: nothing of the caller's directory or environment is imported.
    argv = [sys.executable, "-I", str(_PROGRAM), *arguments]
    null, pipe = subprocess.DEVNULL, subprocess.PIPE
    try:
        child = subprocess.Popen(argv, stdin=null, stdout=pipe, stderr=pipe, env=_ENVIRONMENT)  # noqa: S603
    except OSError as error:
        msg = f"python-iptables could not be started: {error}"
        raise HostRefused(msg) from error
    stack.enter_context(child)
    stack.callback(child.kill)
    return child


def _answer(child: subprocess.Popen[bytes]) -> dict[str, Any]:
    try:
        output, errors = child.communicate(timeout=_TIMEOUT)
    except subprocess.TimeoutExpired as error:
        msg = f"python-iptables did not end within {_TIMEOUT} seconds"
        raise HostRefused(msg) from error
    if child.returncode:
        how = f"signal {-child.returncode}" if child.returncode < 0 else f"exit status {child.returncode}"
        last = errors.decode(errors="replace").strip().rpartition("\n")[2]
        msg = f"python-iptables ended with {how}{': ' if last else ''}{last}"
        raise HostRefused(msg)
    try:
        answer: dict[str, Any] = json.loads(output)
        return {"ours": answer["ours"], "marks": answer["marks"]}
    except (ValueError, TypeError, KeyError) as error:
        msg = "python-iptables answered something that is not understood"
        raise HostRefused(msg) from error
