"""Which known flows a plan makes homeless: their conntrack entries are deleted, and nobody else's.

A flow keeps the lane and the translation it began with, so what changed in a set entry, a class or a source address
reaches it only when its entry goes. Flows in the crossing lane share one mark: of them, and of those to the host, go
the ones through a door that is closed. What somebody else took away beforehand shows in no step: that is `standing`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.compile.names import CLASS_OF, DNAT, IN, OWN_SNAT, SNAT, TAKE, allow_set, host_set, src_set
from laneway.lanes.leases import PATH, holders
from laneway.plan.standing import through
from laneway.plan.steps import Op
from laneway.state.chains import ChainRule, Dnat, Jump, Mark, Masquerade, Protocol, SetConnMark, Snat, XtTable
from laneway.state.flows import Closed
from laneway.state.prefix import FAMILIES
from laneway.state.routing import PLACE, RuleAction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from laneway.lanes.field import MarkField
    from laneway.plan.steps import Step
    from laneway.state.chains import Chain, ChainKey
    from laneway.state.host import HostState
    from laneway.state.marks import FwMark
    from laneway.state.routing import FibRule
    from laneway.state.sets import SetEntry

_HOLES = frozenset(map(allow_set, FAMILIES))
_SERVICES = frozenset(map(host_set, FAMILIES))
_HOMES = frozenset(map(src_set, FAMILIES))


def moved_flows(steps: Sequence[Step], observed: HostState, field: MarkField) -> tuple[FwMark, ...]:
    """Return, sorted, the marks whose conntrack entries no longer say the truth once `steps` are done.

    `observed` is the host before them: a lane that was not there has no flows to move.
    """
    lived = {*_lookups(observed.fib_rules), *_flushed(steps, observed, field)}
    arrivals = set(_of_arrivals(steps))
    moved = {field.uplink_of(mark) for mark in arrivals}
    marks = {*_of_lanes(steps), *arrivals, *(lane for lane in lived if field.uplink_of(lane) in moved)}
    return tuple(
        sorted(
            mark
            for mark in marks
            if mark != field.crossing and any(lane.value & mark.mask == mark.value for lane in lived)
        )
    )


def _lookups(rules: Iterable[FibRule]) -> Iterator[FwMark]:
    return (rule.mark for rule in rules if rule.action == RuleAction.LOOKUP and rule.mark is not None)


def _flushed(steps: Sequence[Step], observed: HostState, field: MarkField) -> Iterator[FwMark]:
    """Yield the lanes that are made again: the host has their owners' numbers, but not their rules any more."""
    owners = {number >> field.uplink_bits for number in holders(observed.files.get(PATH, ""))}
    owners |= {field.owner_of(mark) for mark in observed.entries.values() if mark is not None}
    again = _lookups(step.key for step in steps if step.kind == "fib_rules" and step.op == Op.CREATE)
    return (mark for mark in again if field.owner_of(mark) in owners)


def _of_lanes(steps: Iterable[Step]) -> Iterator[FwMark]:
    """Yield the lanes that go: not one whose rule only moved, or has another table, nor one that was there twice."""
    look_ups = [step for step in steps if step.kind == "fib_rules" and step.key.action == RuleAction.LOOKUP]
    stay = {(step.key.family, step.key.mark) for step in look_ups if step.op == Op.CREATE}
    for step in look_ups:
        gone = step.op == Op.DELETE and (step.key.family, step.key.mark) not in stay
        if gone and step.key.mark is not None and PLACE not in step.key.more.split():  # one of ours has a mark
            yield step.key.mark


def _of_sources(steps: Iterable[Step]) -> Iterator[tuple[int, FwMark]]:
    """Yield family and mark of what leaves with another source address; a rule that only moved in the tree is the same.

    Nor did one whose ports changed: what leaves from a port that is published now is found by itself.
    """
    old, new = ({(family, _portless(rule)) for family, rule in each} for each in _rules_of(steps, (SNAT, OWN_SNAT)))
    for family, rule in old ^ new:
        if rule.comment.endswith(":snat"):
            yield from ((family, match.mark) for match in rule.matches if isinstance(match, Mark) and match.mark.value)


def _portless(rule: ChainRule) -> ChainRule:
    if not isinstance(rule.target, Snat | Masquerade):
        return rule
    matches = tuple(match for match in rule.matches if not isinstance(match, Protocol))
    return rule._replace(matches=matches, target=rule.target._replace(first=0, last=0))


def _of_arrivals(steps: Iterable[Step]) -> Iterator[FwMark]:
    """Yield the host's lanes by uplinks that are another interface now: who came by the old one is answered there."""
    old, new = _rules_of(steps, (IN,))
    yield from (rule.target.mark for _, rule in old - new if isinstance(rule.target, SetConnMark))


def closed_flows(steps: Sequence[Step], desired: HostState, field: MarkField) -> tuple[Closed, ...]:
    """Return, sorted, which flows may not go on once `steps` are done and the host is as `desired`.

    These are what an allow, a host_access or a published port let in that is no more; in the crossing lane and in any
    of its tenant's, what began with or came to a prefix that is no longer that tenant's, since it may be another's
    next; what a tenant began that has another first lane, other classes or another source address now; and what began
    in no lane. What came to a published port stays in the lane by which it came.
    """
    doors = {*_of_doors(steps, field), *_of_published(steps), *_of_turned(steps)}
    doors |= {*_of_classes(steps, desired, field), *_without_lane(steps, desired, field)}
    doors |= set(_of_translated(steps, desired, field))
    return tuple(sorted(doors, key=repr))


def _of_turned(steps: Sequence[Step]) -> Iterator[Closed]:
    """Yield what tenants began by the first lane that they had."""
    for step in steps:
        if step.kind == "entries" and step.op == Op.REPLACE and step.key.set in _HOMES and step.old is not None:
            yield Closed(source=step.key.net, mark=step.old)


def _of_translated(steps: Sequence[Step], desired: HostState, field: MarkField) -> Iterator[Closed]:
    """Yield what tenants began in lanes whose source address is another now."""
    changed = set(_of_sources(steps))
    if not changed:
        return
    lanes: dict[int, list[FwMark]] = {}
    for lane in dict.fromkeys(_lookups(desired.fib_rules)):
        lanes.setdefault(field.owner_of(lane), []).append(lane)
    for entry, owner in _residents(steps, desired, field):
        for lane in lanes.get(owner, ()):
            if any(family == entry.net.family and lane.value & of.mask == of.value for family, of in changed):
                yield Closed(source=entry.net, mark=lane)


def _of_classes(steps: Sequence[Step], desired: HostState, field: MarkField) -> Iterator[Closed]:
    """Yield what a tenant began whose classes changed: any lane may hold what a class now takes, or has let go.

    What came in by an uplink, to a published port, no class is about.
    """
    touched = {step.key for step in steps if step.kind == "chains" and step.key.name.startswith((CLASS_OF, TAKE))}
    if not touched:
        return
    # What is wrong with the mark that a class gives is wrong for all that share it.
    led = {key for key, chain in desired.chains.items() if _leads(key, chain, touched)}
    owners = {int(key.name.removeprefix(CLASS_OF)) for key in touched | led if key.name.startswith(CLASS_OF)}
    for entry, owner in _residents(steps, desired, field):
        if owner in owners:
            yield Closed(source=entry.net, mark=field.by_owner(owner))


def _residents(steps: Sequence[Step], desired: HostState, field: MarkField) -> Iterator[tuple[SetEntry, int]]:
    """Yield the prefixes of the tenants that were on the host before the steps, with their owners."""
    new = {step.key.name for step in steps if step.kind == "links" and step.op == Op.CREATE}
    for entry, mark in desired.entries.items():
        if entry.set in _HOMES and entry.iface not in new and mark is not None:
            yield entry, field.owner_of(mark)


def _leads(key: ChainKey, chain: Chain, to: set[ChainKey]) -> bool:
    return any(isinstance(rule.target, Jump) and key._replace(name=rule.target.chain) in to for rule in _rules(chain))


def _without_lane(steps: Sequence[Step], desired: HostState, field: MarkField) -> Iterator[Closed]:
    """Yield what workloads that were there began while somebody had taken out a jump of ours, or stood before it.

    It went by the host's own routes, or untranslated by its lane, and would for as long as conntrack knows it.
    """
    jumps = [step.key for step in steps if step.kind == "jumps" and step.op != Op.DELETE]
    new = {step.key for step in steps if step.kind == "netns" and step.op == Op.CREATE}
    if not jumps or desired.netns.keys() <= new:
        return
    numbers = {field.uplink_of(lane) for lane in _lookups(desired.fib_rules)} - {field.uplink_of(field.crossing)}
    uplinks = [field.by_uplink(number) for number in sorted(numbers)]
    homes = {src_set(family): family for family in {key.family for key in jumps}}
    untranslated = {key.family for key in jumps if key.table == XtTable.NAT}
    for entry in desired.entries:
        if entry.set in homes:
            yield Closed(source=entry.net, mark=field.unmarked)
            if homes[entry.set] in untranslated:
                yield from (Closed(source=entry.net, mark=mark, direct=True) for mark in uplinks)


def _of_doors(steps: Iterable[Step], field: MarkField) -> Iterator[Closed]:
    gone = ((step.key, step.old) for step in steps if step.kind == "entries" and step.op == Op.DELETE)
    for entry, mark in gone:
        ports = (entry.port, entry.port)
        if entry.set in _HOLES:
            yield Closed(entry.net2, entry.net, None, entry.protocol, ports, field.crossing)
        elif entry.set in _SERVICES:
            yield Closed(entry.net, protocol=entry.protocol, ports=ports, direct=True)
        elif entry.set in _HOMES:
            lanes = (field.crossing, *([] if mark is None else [field.by_owner(field.owner_of(mark))]))
            for each in lanes:
                yield Closed(source=entry.net, mark=each)
                yield Closed(answers=entry.net, mark=each)


def _of_published(steps: Iterable[Step]) -> Iterator[Closed]:
    """Yield what was published and is not, or elsewhere: whoever asked has its answers there."""
    old, new = _rules_of(steps, (DNAT,))
    for _, rule in old - new:
        if isinstance(rule.target, Dnat):
            yield through(rule, rule.target.address)


def _rules_of(
    steps: Iterable[Step], names: tuple[str, ...]
) -> tuple[set[tuple[int, ChainRule]], set[tuple[int, ChainRule]]]:
    """Return the rules that the steps take out of, and put into, the chains whose names begin so, with their family."""
    chains = [step for step in steps if step.kind == "chains" and step.key.name.startswith(names)]
    old = {(step.key.family, rule) for step in chains for rule in _rules(step.old)}
    return old, {(step.key.family, rule) for step in chains for rule in _rules(step.new)}


def _rules(chain: Chain | None) -> Iterator[ChainRule]:
    return (rule for rule in chain or () if isinstance(rule, ChainRule))
