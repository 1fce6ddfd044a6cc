"""nftables tables that came with our chains go with them, and nobody loses anything by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration.kernel.chain_rules import SETS, creation, every_jump, every_rule
from laneway.kernel.ports import ChainsRead
from laneway.kernel.restore_chains import IptablesChains, removal
from laneway.plan.steps import Op, Step
from laneway.state.chains import ChainKey, XtTable

if TYPE_CHECKING:
    from integration.throwaway import Throwaway


def _run(steps: list[Step]) -> ChainsRead:
    chains = IptablesChains("nft")
    chains.run(steps)
    return chains.read()


def _create() -> ChainsRead:
    steps = [step for family in (4, 6) for step in creation(every_rule(family), every_jump(family))]
    return _run([*steps, Step(Op.CREATE, "priors", "net/ipv4/ip_forward", None, "0")])


def _remove() -> ChainsRead:
    return _run(list(removal(IptablesChains("nft").read())))


def test_a_host_without_nftables_tables_has_none_afterwards(throwaway: Throwaway) -> None:
    throwaway.sh(SETS)

    read = throwaway.call(_create)
    left = throwaway.call(_remove)

    assert all(key.name != "LANEWAY-MADE" for key in read.chains)
    assert left == ChainsRead({}, {}, {})
    assert throwaway.sh("nft list ruleset") == ""


@pytest.mark.parametrize(
    "theirs",
    [
        "iptables-nft -t mangle -A INPUT -j ACCEPT",
        "iptables-nft -t mangle -N THEIRS",
        "iptables-nft -t mangle -P INPUT DROP",
        "nft add set ip mangle theirs '{ type ipv4_addr; }'",
        "nft add chain ip mangle theirs",
    ],
)
def test_a_table_that_others_have_come_to_use_stays(throwaway: Throwaway, theirs: str) -> None:
    throwaway.sh(SETS)
    throwaway.call(_create)
    throwaway.sh(theirs)

    left = throwaway.call(_remove)

    assert left == ChainsRead({}, {}, {})
    ruleset = throwaway.sh("nft list tables; nft list ruleset")
    assert ruleset.startswith("table ip mangle\ntable ip mangle {")
    assert "LANEWAY" not in ruleset
    assert throwaway.sh("nft -s list ruleset | wc -l") != "0\n"


def test_a_table_that_was_there_before_stays(throwaway: Throwaway) -> None:
    throwaway.sh(SETS)
    throwaway.sh("nft add table ip nat; iptables-nft -t mangle -A INPUT -j ACCEPT; iptables-nft -t mangle -F")
    before = throwaway.sh("iptables-nft-save -t mangle | grep -v ^#")

    throwaway.call(_create)
    throwaway.call(_remove)

    assert throwaway.sh("iptables-nft-save -t mangle | grep -v ^#") == before
    assert throwaway.sh("nft list tables") == "table ip nat\ntable ip mangle\n"


def test_after_a_kill_the_sign_is_an_orphan_that_leads_to_the_table(throwaway: Throwaway) -> None:
    throwaway.sh("iptables-nft -t mangle -N LANEWAY-MADE")

    read = throwaway.call(_run, [])
    left = throwaway.call(_remove)

    assert read.chains == {ChainKey(4, XtTable.MANGLE, "LANEWAY-MADE"): ()}
    assert left == ChainsRead({}, {}, {})
    assert throwaway.sh("nft list ruleset") == ""
