"""python-iptables looks at legacy chains with eyes of its own, and its failures are survived."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from integration.kernel.chain_rules import SETS, creation, every_jump, every_rule
from laneway.kernel.restore_chains import IptablesChains
from laneway.state.chains import ChainKey, XtTable

if TYPE_CHECKING:
    from integration.throwaway import Throwaway

CHAIN = ChainKey(4, XtTable.MANGLE, "LANEWAY-MARK")


def _create() -> None:
    for family in (4, 6):
        IptablesChains("legacy").run(creation(every_rule(family), every_jump(family)))


def _disagreements() -> tuple[tuple[str, ...], tuple[str, ...]]:
    chains = IptablesChains("legacy")
    with chains.second_look({**every_rule(4), **every_rule(6)}) as told:
        return told(), chains.warnings


@pytest.fixture
def written(throwaway: Throwaway) -> Throwaway:
    """A host with every rule of the vocabulary in legacy tables of both families."""
    throwaway.sh(SETS)
    throwaway.call(_create)
    return throwaway


def test_python_iptables_agrees_with_what_was_written(written: Throwaway) -> None:
    assert written.call(_disagreements) == ((), ())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            "iptables-legacy -t mangle -D LANEWAY-MARK 3",
            "chain LANEWAY-MARK of iptables-legacy mangle has {} rules, not {}",
        ),
        (
            "iptables-legacy -t mangle -R LANEWAY-MARK 1 -m comment --comment theirs -j DROP",
            "chain LANEWAY-MARK of iptables-legacy mangle has another rule 1: theirs",
        ),
        ("ip6tables-legacy -t raw -D PREROUTING 1; ip6tables-legacy -t raw -F; ip6tables-legacy -t raw -X",
         "chain LANEWAY-RAW of ip6tables-legacy raw is not there"),
    ],
)  # fmt: skip
def test_python_iptables_sees_what_others_did(written: Throwaway, change: str, sentence: str) -> None:
    written.sh(change)

    rules = len(every_rule(4)[CHAIN])
    assert written.call(_disagreements) == ((sentence.format(rules - 1, rules),), ())


def _census_and_counters() -> tuple[list[str], bool, tuple[str, ...]]:
    chains = IptablesChains("legacy")
    marks, warned = [str(use.mark) for use in chains.others().marks], chains.warnings
    counters = chains.counters()
    return (
        marks,
        all(len(counters[key]) == len(rules) for key, rules in every_rule(4).items()),
        warned + chains.warnings,
    )


@pytest.mark.parametrize("break_it", ["import os; os.abort()", "import nothing.of.this.name", "print(5)"])
def test_when_python_iptables_fails_the_text_is_read_and_that_is_said(written: Throwaway, break_it: str) -> None:
    written.sh("iptables-legacy -t mangle -A PREROUTING -m mark --mark 0x1/0x3 -j ACCEPT")
    assert written.call(_census_and_counters) == (["0x1/0x3"], True, ())
    spec = importlib.util.find_spec("iptc")
    assert spec is not None
    written.sh(f"""
        echo '{break_it}' > /run/broken.py
        mount --bind /run/broken.py {spec.origin}""")

    marks, complete, warnings = written.call(_census_and_counters)

    assert (marks, complete) == (["0x1/0x3"], True)
    assert len(warnings) == 2
    assert "iptables-legacy-save was read instead" in warnings[0]
