"""What of laneway's own is not as it was applied: without it nothing else that is found matters."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.doctor.finding import APPLY, error, warning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from laneway.doctor.finding import Finding

SHOWN = 5
"""Objects named in one finding."""


class Damage(NamedTuple):
    """An object of laneway's that is not as it was applied."""

    kind: str  # of `HostState`
    netns: str  # "": the host's
    object: str  # which, in words
    state: str  # "missing", "different" or "unexpected"
    behind: bool = False  # a jump, with rules of others before it
    steers: bool = False  # a default route, one to who is on the link, or one that is somebody else's


_RULES = frozenset({"chains", "jumps"})
_ROUTING = frozenset({"fib_rules"})
_SETS = frozenset({"sets", "entries"})
_SECOND_LAYER = frozenset({"nft_tables", "nft_elements"})
_PLUMBING = frozenset({"netns", "links", "addresses"})
_NOT_HERE = frozenset({"leftovers"})  # those are `laneway.doctor.platform`'s


def judge(damage: Sequence[Damage]) -> Iterator[Finding]:
    """Yield findings about laneway's chains, jumps, ip rules, sets and links, and the step that brings them back."""
    rest = [each for each in damage if each.kind not in _NOT_HERE]
    for rule, make, is_it, what, why in _GROUPS:
        found = [each for each in rest if is_it(each)]
        rest = [each for each in rest if not is_it(each)]
        if found:
            yield make(rule, f"{what}: {_named(found)}", why, APPLY)


def _named(found: Sequence[Damage]) -> str:
    """Return the objects by what has become of them: the first of them, and how many more."""
    states: dict[str, list[str]] = {}
    for each in found[:SHOWN]:
        states.setdefault("behind rules of others" if each.behind else each.state, []).append(each.object)
    told = "; ".join(f"{state}: {', '.join(objects)}" for state, objects in states.items())
    return told + (f", and {len(found) - SHOWN} more" if len(found) > SHOWN else "")


def _is_behind(each: Damage) -> bool:
    return each.behind


def _is_rule(each: Damage) -> bool:
    return each.kind in _RULES


def _is_routing(each: Damage) -> bool:
    return each.kind in _ROUTING or (each.steers and not each.netns)


def _is_set(each: Damage) -> bool:
    return each.kind in _SETS


def _is_second_layer(each: Damage) -> bool:
    return each.kind in _SECOND_LAYER


def _is_plumbing(each: Damage) -> bool:
    return each.kind in _PLUMBING and not each.netns


def _is_rest(_: Damage) -> bool:
    return True


_GROUPS: tuple[tuple[str, Callable[..., Finding], Callable[[Damage], bool], str, str], ...] = (
    (
        "own-jump-behind",
        error,
        _is_behind,
        "laneway's chains are not the first to see packets",
        "an ACCEPT before them opens tenants to whom it lets pass, a DROP cuts them off",
    ),
    (
        "own-chains",
        error,
        _is_rule,
        "laneway's rules in iptables are not as they were applied",
        "they mark, translate and separate tenants' packets: somebody flushed or changed them",
    ),
    (
        "own-routing",
        error,
        _is_routing,
        "laneway's ip rules and routes are not as they were applied",
        "tenants' packets take another route because of them, or none",
    ),
    (
        "own-sets",
        error,
        _is_set,
        "laneway's sets are not as they were applied",
        "by them packets are known as a tenant's: what is in none is dropped, or taken for another's",
    ),
    (
        "own-second-layer",
        error,
        _is_second_layer,
        "laneway's table in nftables is not as it was applied",
        "it keeps tenants apart when somebody flushes laneway's rules in iptables, or puts an ACCEPT before them",
    ),
    (
        "own-links",
        error,
        _is_plumbing,
        "tenants' bridges, links and namespaces are not as they were applied",
        "workloads behind them are not reached",
    ),
    (
        "own-rest",
        warning,
        _is_rest,
        "of what was applied some is not as it was",
        "`laneway verify` says what each is, and should be",
    ),
)
