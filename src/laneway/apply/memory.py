"""What laneway remembers on disk of the host before it: priors of sysctls, and the networks that others had then.

The kernel has the priors too, in a chain that nothing jumps to: but who flushes all rules takes that chain along. Both
are written before a sysctl changes. Where they differ the chain's word counts; what only one of them has counts as
well. Nothing here outlives the start of the machine, or the network namespace, that it is of.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

from laneway.apply.boots import boot
from laneway.apply.durable import make_directory, put_in_place, refusals, write_synced
from laneway.apply.journal import UNTOUCHED
from laneway.state.facts import Networks
from laneway.state.host import BOOT, recorded_priors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from laneway.state.host import HostState


class Memory(NamedTuple):
    """What is remembered."""

    netns: str = ""  # the network namespace it is of
    priors: Mapping[str, str] = {}
    before: Networks | None = None  # what others had when laneway turned forwarding on


def recall(path: Path, netns: str) -> Memory | None:
    """Return what is remembered of this network namespace in this start of the machine, None for nothing."""
    try:
        told = json.loads(path.read_bytes())
        if (told["boot"], told["netns"]) != (boot(), netns):
            return None
        before = told["before"]
        networks = before and Networks(*(frozenset((f, text) for f, text in before[each]) for each in Networks._fields))
        return Memory(netns, {str(key): str(value) for key, value in told["priors"].items()}, networks or None)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def remember(path: Path, memory: Memory) -> None:
    """Write it down, if it is not there already; raises OSError."""
    if recall(path, memory.netns) == memory:
        return
    before = memory.before and {name: sorted(getattr(memory.before, name)) for name in Networks._fields}
    told = {"boot": boot(), "netns": memory.netns, "priors": dict(memory.priors), "before": before}
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    make_directory(path.parent)
    write_synced(aside, json.dumps(told, indent=1, sort_keys=True).encode())
    put_in_place(aside, path)


class Notebook:
    """Has on disk what the host was before laneway: while a change is made, as it was remembered and as it will be."""

    def __init__(self, path: Path, after: Memory) -> None:
        """Take the file, and what will be remembered."""
        self._path = path
        self._after = after._replace(priors={key: each for key, each in after.priors.items() if key != BOOT})
        self._present: Memory | None = None
        self._begun = False

    @property
    def priors(self) -> Mapping[str, str]:
        """Return the priors that will be remembered."""
        return self._after.priors

    def begin(self, observed: HostState) -> None:
        """Write down both; raises HostRefused."""
        self._present, self._begun = recall(self._path, self._after.netns), True
        both = {**self._after.priors, **recorded_priors(observed)}
        with refusals(UNTOUCHED):
            remember(self._path, self._after._replace(priors=both))

    def keep(self, *, forget: bool) -> None:
        """Write down what is remembered from now on, or `forget` it; raises OSError."""
        if not forget:
            remember(self._path, self._after)
        elif self._path.exists():
            self._path.unlink()

    def drop(self) -> None:
        """Have what was there before, as far as the disk takes it: too much there is no harm."""
        try:
            if self._present is not None:
                remember(self._path, self._present)
            elif self._begun:
                self._path.unlink(missing_ok=True)
        except OSError:
            return
