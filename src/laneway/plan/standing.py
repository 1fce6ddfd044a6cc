"""Which known flows a host lets go on, told by the host as it should be and not by what a plan changes in it.

What somebody else took away (an ip rule, the entries of a set) is in no difference between what was and what will be,
and the flows that it let begin are there all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.compile.names import CLASS_OF, DNAT, OWN_SNAT, SNAT, allow_set, src_set
from laneway.lanes.field import HOST_OWNER
from laneway.state.chains import ChainRule, Dnat, Mark, Protocol, Snat, ToPorts, ToPrefix
from laneway.state.flows import Closed, Doors
from laneway.state.marks import FwMark
from laneway.state.prefix import FAMILIES, ByPrefix, Prefix, family_of
from laneway.state.routing import RuleAction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.lanes.field import MarkField
    from laneway.state.flows import Ends
    from laneway.state.host import HostState

_HOLES = frozenset(map(allow_set, FAMILIES))
_HOMES = frozenset(map(src_set, FAMILIES))


class Standing:
    """What a host has for the flows in its lanes; each flow takes a few look-ups, however many tenants there are."""

    def __init__(self, desired: HostState, field: MarkField) -> None:
        """Sort it by what is known of a flow."""
        rules = desired.fib_rules
        self._field = field
        self._lanes = {rule.mark for rule in rules if rule.action == RuleAction.LOOKUP and rule.mark is not None}
        homes = ((entry.net, mark) for entry, mark in desired.entries.items() if entry.set in _HOMES)
        self._homes = ByPrefix((net, mark) for net, mark in homes if mark is not None)
        self._classed = {_owner(key.name) for key in desired.chains if key.name.startswith(CLASS_OF)}
        self._doors = Doors((*_holes(desired, field), *_published(desired)))
        self._sources = _sources(desired)
        self._shared = set(_shared(desired))
        self._published_ports = set(_ports(desired))

    def lost(self, flow: Ends) -> bool:
        """Return whether the flow has a lane that is not, or no longer, for whom it is between.

        Those of the host's own lanes, which may be the session of an operator, never are; nor are those of no lane.
        """
        field = self._field
        mark = FwMark(flow.mark & field.mask, field.mask)
        owner = field.owner_of(mark)
        if not mark.value or (owner == HOST_OWNER and mark != field.crossing):
            return False
        home = next(self._homes.around(flow.source), None)
        if mark == field.crossing:
            return home is None or not (flow.expected or self._doors.lead(flow))
        if mark not in self._lanes:
            return True
        if home is not None and field.owner_of(home) == owner:
            return not flow.expected and self._astray(flow, mark, home)
        return self._misled(flow) or all(field.owner_of(there) != owner for there in self._homes.around(flow.answers))

    def _misled(self, flow: Ends) -> bool:
        """Return whether the flow is for a published port, and goes to another workload than who publishes it."""
        published = (flow.protocol, flow.port) in self._published_ports
        return published and flow.answers != flow.to and not (flow.expected or self._doors.lead(flow))

    def _astray(self, flow: Ends, mark: FwMark, home: FwMark) -> bool:
        """Return whether a flow that a tenant began is in another of its lanes than it can be, or has another source.

        What is not translated may be for the host, or for another subnet of the tenant's; and which address of an
        uplink masquerading takes is the kernel's to say. From a published port of an uplink's address it must not
        leave: it would be given what others send there.
        """
        field = self._field
        if mark != home and field.owner_of(mark) not in self._classed:
            return True
        family = family_of(flow.source)
        keeps_port = (family, mark) in self._sources.keys() - self._shared
        if flow.seen_as and not keeps_port and (flow.protocol, flow.seen_port) in self._published_ports:
            return True
        by_uplink = self._sources.get((family, field.by_uplink(field.uplink_of(mark))))
        source = self._sources.get((family, mark), by_uplink)
        return bool(flow.seen_as) and source is not None and flow.seen_as != source


def _owner(name: str) -> int:
    return int(name.rpartition(".")[2])


def _holes(desired: HostState, field: MarkField) -> Iterator[Closed]:
    for entry in desired.entries:
        if entry.set in _HOLES:
            yield Closed(entry.net2, entry.net, None, entry.protocol, (entry.port, entry.port), field.crossing)


def _published(desired: HostState) -> Iterator[Closed]:
    """Yield the flows to the ports that are published."""
    for key, chain in desired.chains.items():
        if key.name.startswith(DNAT):
            for rule in chain:
                if isinstance(rule, ChainRule) and isinstance(rule.target, Dnat):
                    yield through(rule, rule.target.address)


def _ports(desired: HostState) -> Iterator[tuple[int, int]]:
    """Yield protocol and number of every published port."""
    for closed in _published(desired):
        if closed.ports is not None and closed.protocol is not None:
            first, last = closed.ports
            yield from ((closed.protocol, port) for port in range(first, last + 1))


def through(rule: ChainRule, address: bytes) -> Closed:
    """Return the flows that the rule translates to the address: whoever asked, the host itself too."""
    to = next((match.prefix for match in rule.matches if isinstance(match, ToPrefix)), None)
    protocol = next((match.number for match in rule.matches if isinstance(match, Protocol)), None)
    ports = next(((match.first, match.last) for match in rule.matches if isinstance(match, ToPorts)), None)
    return Closed(None, to, Prefix(address, len(address) * 8), protocol, ports, direct=False)


def _shared(desired: HostState) -> Iterator[tuple[int, FwMark]]:
    """Yield, as in `_sources`, the tenants' own source addresses that others use as well."""
    for key, chain in desired.chains.items():
        if key.name.startswith(OWN_SNAT):
            for rule in chain:
                if isinstance(rule, ChainRule) and isinstance(rule.target, Snat) and rule.target.first:
                    yield from ((key.family, match.mark) for match in rule.matches if isinstance(match, Mark))


def _sources(desired: HostState) -> dict[tuple[int, FwMark], bytes]:
    """Return the source addresses that the policy names, by the family and the mark of a lane or of an uplink."""
    found = {}
    for key, chain in desired.chains.items():
        if key.name.startswith((SNAT, OWN_SNAT)):
            for rule in chain:
                if isinstance(rule, ChainRule) and isinstance(rule.target, Snat):
                    marks = [match.mark for match in rule.matches if isinstance(match, Mark)]
                    found.update({(key.family, mark): rule.target.address for mark in marks})
    return found
