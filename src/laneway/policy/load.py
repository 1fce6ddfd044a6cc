"""Policy files to a `PolicySet`: every error found and told at once, none of them costing a correct policy anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.policy.check import check
from laneway.policy.documents import parse_text, read
from laneway.policy.expects import expect
from laneway.policy.fields import Table
from laneway.policy.host import host_settings, max_owner
from laneway.policy.model import HostSettings, PolicySet
from laneway.policy.problems import Faults, Place, PolicyError, Problem
from laneway.policy.tenants import Surroundings, tenant
from laneway.policy.underlay import carried_expects, carried_tenants, carried_uplinks
from laneway.policy.uplinks import uplink

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from laneway.policy.documents import Document
    from laneway.policy.way import Judge

    Base = Callable[[Collection[str]], PolicySet | None]
    """Returns what is applied on the host, None for nothing; the tenants whose names it gets are not asked for."""

__all__ = ["PolicyError", "Problem", "load", "load_besides", "load_text"]

KEYS = frozenset({"host", "uplinks", "tenants", "expect"})
_NOTHING = PolicySet(HostSettings())


def load(paths: Sequence[Path], *, base: Base | None = None, judge: Judge | None = None) -> PolicySet:
    """Return the policy that files and directories say together.

    With `base`, what is already applied on the host: uplinks and host settings that the files do not mention, and
    tenants that they do not name, are taken from it. `judge` sees whatever leads to the files, and may raise. Raises
    PolicyError with everything that is wrong.
    """
    faults = Faults()
    if not paths:
        faults.located.append(Problem("no policy file is named", "<policy>"))
    return _policy(read(paths, faults, judge), base, faults)


def load_text(text: str, file: str = "<policy>", *, base: Base | None = None) -> PolicySet:
    """Return the policy that a text says, as `load` does; errors call it `file`."""
    faults = Faults()
    document = parse_text(text, file, faults)
    return _policy([document] if document else [], base, faults)


def load_besides(path: Path, tenants: Collection[str]) -> PolicySet:
    """Return what a policy file says besides these `tenants`, to build on: how the rest fits together is not checked.

    Raises PolicyError with what is wrong with each thing by itself.
    """
    faults = Faults()
    merged = _Merged(read([path], faults), faults)
    for name in tenants:
        merged.tenants.pop(name, None)
    return _faultless(_understood(merged, _NOTHING), faults)


def _policy(documents: Sequence[Document], base: Base | None, faults: Faults) -> PolicySet:
    complete = not faults  # or else names may be unknown only because their file could not be read
    merged = _Merged(documents, faults)
    policy = _understood(merged, (base and base(merged.tenants.keys())) or _NOTHING)
    if complete:
        limit = merged.host.source if merged.host and "max_uplinks" in merged.host else None
        check(policy, faults, order=merged.order(), limit=limit)
    return _faultless(policy, faults)


def _faultless(policy: PolicySet, faults: Faults) -> PolicySet:
    if faults:
        from laneway.policy.locate import located

        raise PolicyError(located(faults))
    return policy


class _Merged:
    """The tables of all documents; a thing defined twice is a fault that shows both places."""

    def __init__(self, documents: Sequence[Document], faults: Faults) -> None:
        self._faults = faults
        self.host: Table | None = None
        self.uplinks: dict[str, Table] = {}
        self.tenants: dict[str, Table] = {}
        self.expects: list[Table] = []
        for document in documents:
            root = Table(document.values, file=document.file, path=(), label="", faults=faults)
            root.only(KEYS)
            host = root.table("host", "host")
            if host is not None:
                self._once("host", self.host, host)
                self.host = self.host or host
            self._add(root, "uplinks", "uplink", self.uplinks)
            self._add(root, "tenants", "tenant", self.tenants)
            self.expects += root.tables("expect", "expect")

    def order(self) -> dict[str, list[str]]:
        """Return the names of tenants, and of each one's workloads, as they stand in the files."""
        below = {name: table.values.get("workloads") for name, table in self.tenants.items()}
        return {name: list(workloads) if isinstance(workloads, dict) else [] for name, workloads in below.items()}

    def _add(self, root: Table, key: str, noun: str, known: dict[str, Table]) -> None:
        for name, table in root.named(key, noun):
            self._once(f"{noun} {name}", known.get(name), table)
            known.setdefault(name, table)

    def _once(self, what: str, first: Table | None, second: Table) -> None:
        if first is not None:
            notes = [("note: first defined here", Place(first.file, first.path, on_key=True))]
            place = Place(second.file, second.path, on_key=True)
            self._faults.add(f"{what} is defined twice", place, notes=notes)


def _understood(merged: _Merged, base: PolicySet) -> PolicySet:
    host = host_settings(merged.host, base.host)
    named = {name: uplink(name, table) for name, table in merged.uplinks.items()}
    tenants = carried_tenants(base, merged.tenants.keys())
    uplinks = carried_uplinks(base, named, tenants.values()) | named
    around = Surroundings(uplinks, max_owner(host))
    expects = [each for table in merged.expects if (each := expect(table)) is not None]
    expects += carried_expects(base, tenants)
    tenants.update({name: tenant(name, table, around) for name, table in merged.tenants.items()})
    return PolicySet(
        host,
        tuple(uplinks[name] for name in sorted(uplinks)),
        tuple(tenants[name] for name in sorted(tenants)),
        tuple(expects),
    )
