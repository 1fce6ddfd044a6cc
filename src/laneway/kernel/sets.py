"""ipsets made, exchanged and destroyed by pyroute2, and their entries in bulk."""

from __future__ import annotations

import errno
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from laneway.kernel.delivery import deliver
from laneway.kernel.netlink import NETFILTER, NetlinkSocket
from laneway.kernel.reasons import failed
from laneway.kernel.set_messages import DUMP_NAMES, LIST, dump_set, entry_request, names, parse_set
from laneway.plan.steps import Op, Step
from laneway.state.prefix import IPV4
from laneway.state.sets import ASIDE, MAX_ENTRIES, IpSet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyroute2 import IPSet

    from laneway.kernel.known import Known
    from laneway.state.marks import FwMark
    from laneway.state.sets import SetEntry

PREFIX = "lw-"
"""What the names of our sets begin with; no other mark of ownership fits on a set."""

# linux/netfilter/ipset/ip_set.h, enum ipset_errno, with the types' own from 4352 on.
_SPECIAL = {
    2: "there is no such set",
    17: "a set of that name is already there",
    4097: "the kernel does not understand the request",
    4098: "this kernel does not have that type of set",
    4099: "there can be no more sets on this host",
    4100: "the set is in use by a rule",
    4101: "a set of that name is already there",
    4102: "sets of two types cannot be exchanged",
    4103: "the entry is there already",
    4104: "a set cannot hold a prefix of that length",
    4114: "this set's entries cannot carry a mark",
    4352: "the set is full",
}


_VALUED = frozenset(("timeout", "maxelem"))
"""Words of a set's header that a number follows."""


def read(known: Known) -> tuple[dict[str, IpSet], dict[SetEntry, FwMark | None]]:
    """Return our sets and their entries."""
    sets: dict[str, IpSet] = {}
    entries: dict[SetEntry, FwMark | None] = {}
    with NetlinkSocket(NETFILTER) as kernel:
        for name in sorted(names(kernel.dump(LIST, DUMP_NAMES))):
            if name.startswith(PREFIX):
                seen = parse_set(name, kernel.dump(LIST, dump_set(name)), known.entries(name).read)
                if seen.header is not None:
                    sets[name] = seen.header
                    entries.update(seen.entries)
    return sets, entries


def run(op: Op, steps: Sequence[Step]) -> None:
    """Do steps of the kind "sets"; raises StepFailed."""
    from pyroute2 import IPSet

    do = {Op.CREATE: _create, Op.REPLACE: _replace, Op.DELETE: _destroy}[op]
    with IPSet() as ipset:
        for step in steps:
            with _reported(step):
                do(ipset, step)


@contextmanager
def _reported(step: Step) -> Iterator[None]:
    """Raise what pyroute2 raises as the failure of `step`."""
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        yield
    except NetlinkError as error:
        raise failed(step, error.code, special=_SPECIAL) from error


def _make(ipset: IPSet, name: str, header: IpSet) -> None:
    family = socket.AF_INET if header.family == IPV4 else socket.AF_INET6
    words = iter(header.more.split())
    more: dict[str, Any] = {word: int(next(words)) if word in _VALUED else True for word in words}
    options = {"maxelem": MAX_ENTRIES, "skbinfo": header.marks} | more
    ipset.create(name, str(header.type), family=family, **options)


def _create(ipset: IPSet, step: Step) -> None:
    _make(ipset, step.key, step.new)


def _destroy(ipset: IPSet, step: Step) -> None:
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        ipset.destroy(step.key)
    except NetlinkError as error:
        if error.code != errno.ENOENT:
            raise


def _replace(ipset: IPSet, step: Step) -> None:
    """Give a set another header; rules may go on using it, and its entries stay."""
    old: IpSet = step.old
    new: IpSet = step.new
    if (old.type, old.family) != (new.type, new.family):
        # The kernel exchanges sets of one type only; one that no rule uses can go.
        _destroy(ipset, step)
        _make(ipset, step.key, new)
        return
    _destroy(ipset, step._replace(key=ASIDE))
    _make(ipset, ASIDE, new)
    _copy_entries(step, new)
    ipset.swap(ASIDE, step.key)
    ipset.destroy(ASIDE)


def _copy_entries(step: Step, header: IpSet) -> None:
    with NetlinkSocket(NETFILTER) as kernel:
        entries = parse_set(step.key, kernel.dump(LIST, dump_set(step.key))).entries
        requests = [
            (step, entry_request(Op.CREATE, entry._replace(set=ASIDE), mark if header.marks else None))
            for entry, mark in entries.items()
        ]
        deliver(kernel, requests, special=_SPECIAL)


def run_entries(op: Op, steps: Sequence[Step]) -> None:
    """Do steps of the kind "entries"; raises StepFailed."""
    with NetlinkSocket(NETFILTER) as kernel:
        deliver(kernel, [(step, entry_request(op, step.key, step.new)) for step in steps], special=_SPECIAL)
