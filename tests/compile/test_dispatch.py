"""A walk over a tree of chains finds the rules of its number, all of them and no others, in a few steps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laneway.compile.dispatch import LEAF_RULES, ByOwner, ByPort, Entry, dispatch
from laneway.lanes.field import MarkField
from laneway.state.chains import ChainRule, Jump, Mark, Match, Protocol, ToPorts, Verdict

FIELD = MarkField.of(0xFFFF0000, 7)


def met(chains: dict[str, tuple[ChainRule, ...]], *, port: int = 0, mark: int = 0) -> tuple[list[str], int]:
    """Return the comments of the leaf rules a packet meets, and how many rules were looked at."""
    chain, found, looked, at = chains["ROOT"], [], 0, 0
    while at < len(chain):
        rule = chain[at]
        looked, at = looked + 1, at + 1
        if isinstance(rule.target, Jump):
            if all(holds(match, port, mark) for match in rule.matches):
                chain, at = chains[rule.target.chain], 0
        else:
            found.append(rule.comment)
    return found, looked


def holds(match: Match, port: int, mark: int) -> bool:
    match match:
        case ToPorts(first, last):
            return first <= port <= last
        case Mark(wanted, _):
            return mark & wanted.mask == wanted.value
        case Protocol():
            return True
    raise AssertionError(match)


def entry(first: int, last: int) -> Entry:
    return Entry(first, last, (ChainRule((), Verdict.DROP, f"{first}-{last}"),))


@given(st.lists(st.tuples(st.integers(1, 65535), st.integers(0, 40)), max_size=60, unique_by=lambda each: each[0]))
def test_a_port_meets_every_rule_about_it(ranges: list[tuple[int, int]]) -> None:
    entries = [entry(first, min(first + more, 65535)) for first, more in ranges]

    chains = dispatch("ROOT", entries, ByPort(6))

    for first, more in ranges:
        for port in (first, min(first + more, 65535)):
            wanted = {each.rules[0].comment for each in entries if each.first <= port <= each.last}
            assert wanted <= set(met(chains, port=port)[0])


def test_thousands_of_owners_cost_a_few_rules() -> None:
    entries = [entry(owner, owner) for owner in range(2, 8190)]

    chains = dispatch("ROOT", entries, ByOwner(FIELD))

    for owner in (2, 4711, 8189):
        comments, looked = met(chains, mark=owner << 19)
        assert f"{owner}-{owner}" in comments
        assert looked <= 6 * 3 + LEAF_RULES


@pytest.mark.parametrize("last", [999, 1000, 1023, 1024, 4000])
def test_one_entry_more_changes_few_chains(last: int) -> None:
    before = dispatch("ROOT", [entry(n, n) for n in range(2, last)], ByOwner(FIELD))
    after = dispatch("ROOT", [entry(n, n) for n in range(2, last + 1)], ByOwner(FIELD))

    assert 1 <= sum(before.get(name) != chain for name, chain in after.items()) <= 4


def test_a_number_that_no_entry_is_about_meets_rules_of_others_only_where_it_ends() -> None:
    chains = dispatch("ROOT", [entry(n, n) for n in range(2, 40)], ByOwner(FIELD))

    comments, _ = met(chains, mark=4000 << 19)

    assert len(comments) <= LEAF_RULES


def test_chain_names_fit_the_kernel() -> None:
    chains = dispatch("LANEWAY-OWN-SNAT", [entry(n, n) for n in range(2, 8190)], ByOwner(FIELD))

    assert max(map(len, chains)) <= 28
