"""The difference between what a host should hold and what it holds, as steps in a safe order.

Creation begins with the walls, and with what translates: a workload may send from the moment its link is up, and until
its lane is there nothing of it gets out; nor does anything, by an uplink that moves, with its own address. Then it
goes from what others stand on to what stands on others, and new comes before old: a lane has its routes and rules
before a packet is marked for it. A tenant that goes is shut in first of all. Deletion begins with what sends packets
(set entries, routes), takes the tenant's links next, and only then the FIB rules, which refuse what has no route, and
the walls around them. A published port leads to its workload once there is a way there, and no more before that way is
taken down: else what is for it would go where the private address is not.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from laneway.compile.names import DNAT, ISOLATE, USER, inside_set, net_set, src_set
from laneway.compile.sysctls import FORWARD6, flipped_by, left_otherwise
from laneway.plan.diff import Delta, diff
from laneway.plan.implied import without_links
from laneway.plan.steps import Op, Step
from laneway.state.chain_text import PRIOR_CHAIN
from laneway.state.chains import ChainRule, Jump, XtTable
from laneway.state.host import DIRECTORY_MARK, DISK, recorded_priors
from laneway.state.links import HOST, LinkKey, LinkKind
from laneway.state.marks import FwMark
from laneway.state.prefix import FAMILIES
from laneway.state.routing import TERMINATOR_METRIC, RuleAction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from laneway.state.host import HostState
    from laneway.state.routing import FibRule

KINDS = (
    "netns",
    "links",
    "addresses",
    "priors",
    "sysctls",
    "routes",
    "files",
    "sets",
    "entries",
    "fib_rules",
    "chains",
    "jumps",
    "leftovers",
    "nft_tables",
    "nft_elements",
)
DELETE_ORDER = (
    "entries",
    "routes",  # the default first; and with every IPv6 rule or link that goes the kernel walks the routes that are left
    "links",
    "netns",
    "addresses",
    "fib_rules",
    "jumps",
    "chains",
    "leftovers",
    "nft_elements",
    "nft_tables",
    "sets",
    "sysctls",
    "priors",
    "files",
)

LEFTOVERS = ("priors", "chains", "jumps")
"""Kinds of what may be left in the other variant of iptables, in the order of creation."""

_BEFORE_ROUTES = frozenset((XtTable.FILTER, XtTable.NAT, XtTable.RAW))
"""The tables that must be ready when a route leads anywhere: what filter lets out, nat translates."""

_PREFIXES = frozenset(map(net_set, FAMILIES))
_HOMES = frozenset(map(src_set, FAMILIES))
_INSIDE = frozenset(map(inside_set, FAMILIES))

_WITH_MORE = frozenset(("fib_rules", "entries", "routes"))
"""Kinds of objects that somebody can have given more than laneway gives them."""

_WALLS_FIRST = {XtTable.FILTER: 0, XtTable.NAT: 1, XtTable.RAW: 2, XtTable.MANGLE: 3}


def plan(desired: HostState, observed: HostState) -> tuple[Step, ...]:
    """Return the steps, in order, that make `observed` into `desired`; none when they are alike."""
    observed = _without_recreated(desired, _with_room_for_priors(desired, _without_marks(desired, observed)))
    observed = _without_lost_elements(desired, observed)
    wanted, present = desired.kinds(), observed.kinds()
    deltas = {kind: diff(wanted[kind], present[kind]) for kind in KINDS}
    leaving, gone = _leaving(_gone(deltas))
    made = list(_made(deltas, {key.name for key in desired.links if key.netns == HOST}))
    clashing = list(_clashing(made, gone))
    gone = [step for step in gone if step not in clashing]
    return (*leaving, *clashing, *made, *_without_implied(gone, observed))


def _made(deltas: Mapping[str, Delta[Any, Any]], our_links: set[str]) -> Iterator[Step]:
    made = {kind: list(_creation(kind, deltas[kind])) for kind in KINDS}
    links = made["links"]
    down = [_made_down(step) for step in links]
    on_links, sysctls = _parted(made["sysctls"], lambda step: not our_links.isdisjoint(step.key.split("/")[3:4]))
    look_ups, ladder = _parted(made["fib_rules"], lambda step: step.key.action == RuleAction.LOOKUP)
    walls, chains = _parted(made["chains"], lambda step: _stands_first(step.key.table, step.key.name))
    gates, jumps = _parted(made["jumps"], lambda step: _stands_first(step.key.table, step.key.chain))
    refusals, entries = _parted(made["entries"], _stands_with_walls)
    # With every IPv6 rule the kernel walks all IPv6 tables and routes (fib6_rules.c), with every link that comes up all
    # tables. A look-up makes its table, an address its routes: so the look-ups come between them, and the others before
    # there is anything to walk. Until it has routes a lane is closed.
    yield from (*made["nft_tables"], *made["nft_elements"])
    yield from (*ladder, *made["sets"], *refusals, *walls, *gates, *made["netns"])
    changed = (step for step in down if step.old != step.new)
    yield from (*changed, *on_links, *_raised(links, down), *_leaders_first(look_ups), *made["addresses"])
    yield from (*made["priors"], *sysctls, *made["routes"], *made["files"])
    yield from (*chains, *jumps, *made["leftovers"], *entries)


def _leaving(gone: Sequence[Step]) -> tuple[list[Step], list[Step]]:
    """Return the deletions of what says whose the packets are of tenants that go, and the other deletions.

    Those come first: chains that know their classes no more would let what a class refuses, or sends by another uplink,
    leave by the tenant's first one, and with the uplink's address. Of what is in no set nothing passes.
    """
    bridges = {step.key.name for step in gone if step.kind == "links" and step.key.netns == HOST}
    return _parted(gone, lambda step: step.kind == "entries" and step.key.set in _HOMES and step.key.iface in bridges)


def _gone(deltas: Mapping[str, Delta[Any, Any]]) -> list[Step]:
    """Return the deletions in their order, as if there were nothing that the kernel removes itself."""
    gone: dict[str, list[Step]] = {}
    for kind in DELETE_ORDER:
        steps = [Step(Op.DELETE, kind, key, value) for key, value in deltas[kind].delete.items()]
        # Backwards, also those of one rank: of routes that are alike, the last first.
        gone[kind] = sorted((step for step in steps if not _kept(step)), key=_creation_rank)[::-1]
    refusals, entries = _parted(gone["entries"], _stands_with_walls)
    publishing, jumps = _parted(gone["jumps"], lambda step: step.key.chain == DNAT)
    gone |= {"entries": [*entries, *publishing], "jumps": jumps, "sets": [*refusals, *gone["sets"]]}
    return [step for kind in DELETE_ORDER for step in gone[kind]]


def _stands_first(table: XtTable, chain: str) -> bool:
    """Return whether a chain is ready before anything leads anywhere: a wall, or what translates what gets out."""
    return (table in _BEFORE_ROUTES and not chain.startswith(DNAT)) or chain.startswith((ISOLATE, USER))


def _stands_with_walls(step: Step) -> bool:
    """Return whether a set's entry is asked by the walls, and brings no packet anywhere by itself.

    What is for a tenant's prefix leaves by no uplink; what is for a published port passes while its rules are replaced.
    """
    return step.key.set in _PREFIXES or step.key.set in _INSIDE


def _creation(kind: str, delta: Delta[Any, Any]) -> Iterator[Step]:
    steps = [Step(Op.CREATE, kind, key, None, value) for key, value in delta.create.items()]
    steps += [Step(Op.REPLACE, kind, key, old, new) for key, (old, new) in delta.replace.items()]
    return (step for step in sorted(steps, key=_creation_rank) if not _kept(step))


def _made_down(step: Step) -> Step:
    """Return the step that makes or changes a link of the host so that the link is still down, if it is not up now.

    It comes up when it has its sysctls. A workload's own end comes up at once, without a carrier.
    """
    link = step.new
    anew = step.op == Op.CREATE or not step.old.up or not link.can_be_made_of(step.old)
    return step._replace(new=link._replace(up=False)) if anew and link.kind != LinkKind.PEER else step


def _raised(links: Sequence[Step], down: Sequence[Step]) -> Iterator[Step]:
    """Yield the steps that bring up, bridges first, what was `down` when it was made, and should not be."""
    for whole, made in zip(links, down, strict=True):
        if whole.new != made.new:
            yield Step(Op.REPLACE, "links", whole.key, made.new, whole.new)


def _clashing(made: list[Step], gone: list[Step]) -> Iterator[Step]:
    """Yield the deletions of what keeps its like from being made: there is one of both, or it is refused.

    The kernel takes a rule from or to a prefix for the one that names none (fib4_rule_compare), an entry with `nomatch`
    for the one without, and a route with an MTU for the one without.
    """
    if made and gone:
        coming = {(step.kind, step.key._replace(more="")) for step in made if _may_clash(step)}
        yield from (each for each in gone if _may_clash(each) and (each.kind, each.key._replace(more="")) in coming)


def _may_clash(step: Step) -> bool:
    return step.kind in _WITH_MORE and step.op != Op.REPLACE


def _with_room_for_priors(desired: HostState, observed: HostState) -> HostState:
    """Return `observed` less the chain of priors, which somebody emptied, where priors are to be in it again."""
    if not desired.priors:
        return observed
    return observed.replaced(chains={key: each for key, each in observed.chains.items() if key.name != PRIOR_CHAIN})


def _without_marks(desired: HostState, observed: HostState) -> HostState:
    """Return `observed` less what marks directories that files are to be in: they are no leftovers then."""
    marks = {str(each / DIRECTORY_MARK) for path in desired.files for each in PurePosixPath(path).parents}
    return observed.replaced(files={path: text for path, text in observed.files.items() if path not in marks})


def _without_lost_elements(desired: HostState, observed: HostState) -> HostState:
    """Return `observed` less what goes when a native table is made anew, since its sets are others."""
    kept = all(
        desired.nft_tables[key].sets == each.sets
        for key, each in observed.nft_tables.items()
        if key in desired.nft_tables
    )
    return observed if kept else observed.replaced(nft_elements={})


def _without_recreated(desired: HostState, observed: HostState) -> HostState:
    """Return `observed` less what goes when a link is made anew, since it cannot be changed into the desired one."""
    recreated = {
        key: link
        for key, link in observed.links.items()
        if key in desired.links and not desired.links[key].can_be_made_of(link)
    }
    if not recreated:
        return observed
    left = without_links(observed, recreated.keys())
    return left.replaced(links={**left.links, **recreated})


def _leaders_first(look_ups: Sequence[Step]) -> tuple[Step, ...]:
    """Return the look-ups with one of each block before the others.

    While some goto has no rule to lead to, the kernel searches all rules with each that comes (fib_newrule).
    """
    leaders = {(step.key.family, step.key.priority): step for step in reversed(look_ups)}
    return tuple(sorted(look_ups, key=lambda step: leaders[step.key.family, step.key.priority] is not step))


def _parted(steps: Sequence[Step], first: Callable[[Step], bool]) -> tuple[list[Step], list[Step]]:
    """Return the steps that are `first`, and the others."""
    return [step for step in steps if first(step)], [step for step in steps if not first(step)]


def _kept(step: Step) -> bool:
    """Return whether the step is not to be done.

    It would flush the operator's own chain, or remove it with rules in it, or change what is remembered on disk.
    """
    if step.kind == "leftovers" and step.key.variant == DISK:
        return True
    inner = _inner(step)
    return inner.kind == "chains" and inner.key.name == USER and bool(inner.old)


def _inner(step: Step) -> Step:
    """Return what a step on a leftover does to the chain, jump or prior that it is."""
    return step._replace(kind=step.key.kind, key=step.key.key) if step.kind == "leftovers" else step


def _creation_rank(step: Step) -> Any:  # noqa: ANN401, PLR0911  keys of every kind, each with its rank
    """Return what sorts the steps of one kind: first the objects the others need."""
    key = step.key
    match step.kind:
        case "links":
            return (key.netns != HOST, not key.name.startswith("lwb-"), key)
        case "routes":
            # A lane refuses before it leads anywhere; gateways come after the routes to them.
            return (key.metric != TERMINATOR_METRIC, key.netns, key.table, -key.to.length, key.to, key.metric)
        case "fib_rules":
            return _fib_rank(key)
        case "chains":
            rules = step.old if step.op == Op.DELETE else step.new
            jumps = any(isinstance(rule, ChainRule) and isinstance(rule.target, Jump) for rule in rules)
            # A chain exists before the chains that jump to it: first those that jump nowhere, then the tree upwards.
            return (_wall_rank(key.table, key.name), key.family, jumps, -key.name.count("."), key)
        case "jumps":
            return (_wall_rank(key.table, key.chain), key)
        case "sysctls":
            # Who begins to forward forgets what links learnt from routers that were not told to go on (addrconf.c).
            return (key == FORWARD6, key)
        case "leftovers":
            return (LEFTOVERS.index(key.kind), _creation_rank(_inner(step)))
        case _:
            return key


def _wall_rank(table: XtTable, chain: str) -> int:
    """Rank first what stands in mangle before filter: of what it lets pass, filter asks no more by which link."""
    return -1 if table == XtTable.MANGLE and chain.startswith((ISOLATE, USER)) else _WALLS_FIRST[table]


def _fib_rank(rule: FibRule) -> tuple[int, bool, int, bool, tuple[Any, ...]]:
    """Rank blocks from the last to the first, each before the goto to it: others' way past the ladder comes first.

    Look-ups come last, in the order of their marks: the kernel's list of IPv6 tables then begins with the newest
    lane's, as that of IPv4. Until it has its look-ups, a block refuses: a goto to nothing is passed over (fib_rules.c),
    and what follows it is the end of its block.
    """
    mark = rule.mark or FwMark(0, 0)  # somebody else's of our protocol may have none
    among = (rule.action, rule.mark is not None, mark, rule.target, rule.inverted, rule.more)
    if rule.action == RuleAction.LOOKUP:
        return (rule.family, True, rule.priority, False, among)
    jumps = rule.action == RuleAction.GOTO
    stands = max(rule.priority, rule.target) if jumps else rule.priority
    return (rule.family, False, -stands, jumps, among)


def _without_implied(steps: list[Step], observed: HostState) -> Iterator[Step]:
    """Yield the deletions less those the kernel does itself, and with sysctls put back rather than dropped."""
    dead_netns = {step.key for step in steps if step.kind == "netns"}
    links = [step for step in steps if step.kind == "links" and step.old.kind != LinkKind.PEER]
    dead_links: set[LinkKey] = {step.key for step in links}
    dead_links |= {step.old.peer for step in links if step.old.peer is not None}
    tables_go = any(step.kind == "nft_tables" for step in steps)
    priors = recorded_priors(observed)
    put_back = {each.key for each in steps if each.kind == "sysctls" and priors.get(each.key, each.old) != each.old}
    for step in steps:
        match step.kind:
            case "links" if step.key.netns != HOST:
                continue
            case "addresses" if step.key.netns in dead_netns or LinkKey(step.key.netns, step.key.link) in dead_links:
                continue
            case "routes" if step.key.netns in dead_netns:
                continue
            case "nft_elements" if tables_go:
                continue
            case "sysctls":
                before = priors.get(step.key)
                asked = before is not None and not left_otherwise(step.key, step.old)
                if asked and (before != step.old or put_back.intersection(flipped_by(step.key))):
                    yield Step(Op.REPLACE, "sysctls", step.key, step.old, before)
            case _:
                yield step
