"""What the real iptables refuses is laid at the right step's door, in seconds, and nothing of its table is done."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from laneway.errors import StepFailed
from laneway.kernel.restore_chains import IptablesChains
from laneway.plan.steps import Op, Step
from laneway.state.chains import Chain, ChainKey, ChainRule, InSet, Jump, Masquerade, Verdict, XtTable

if TYPE_CHECKING:
    from integration.throwaway import Throwaway
    from laneway.state.facts import Variant

GOOD = ChainKey(4, XtTable.FILTER, "LANEWAY-GOOD")
BAD = ChainKey(4, XtTable.FILTER, "LANEWAY-BAD")
FINE = ChainRule((), Verdict.DROP, "lw:-:fine")


def _failure(variant: Variant, steps: list[Step]) -> tuple[object, str, str]:
    """Return the key of the step that fails, the reason, and the hint."""
    try:
        IptablesChains(variant).run(steps)
    except StepFailed as error:
        return error.step.key, error.reason, error.hint
    return None, "", ""


def _create(key: ChainKey, *rules: ChainRule) -> Step:
    return Step(Op.CREATE, "chains", key, None, rules)


def _chains(variant: Variant) -> dict[ChainKey, Chain]:
    return IptablesChains(variant).read().chains


@pytest.mark.parametrize("variant", ["legacy", "nft"])
@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (ChainRule((InSet("lw-none4", "src"),), Verdict.DROP, "lw:-:x"), "Set lw-none4 doesn't exist."),
        (ChainRule((), Jump("LANEWAY-NONE"), "lw:-:x"), "LANEWAY-NONE"),
    ],
)
def test_a_refused_rule_names_its_step_and_nothing_is_done(
    throwaway: Throwaway, variant: Variant, rule: ChainRule, said: str
) -> None:
    key, reason, _ = throwaway.call(_failure, variant, [_create(GOOD, FINE), _create(BAD, FINE, rule, FINE)])

    assert key == BAD
    assert said in reason
    assert "lw:-:x" in reason
    assert throwaway.call(_chains, variant) == {}


def test_what_the_kernel_refuses_names_its_step_in_nft(throwaway: Throwaway) -> None:
    masquerade = ChainRule((), Masquerade(), "lw:-:x")  # not in filter

    key, reason, _ = throwaway.call(_failure, "nft", [_create(GOOD, FINE), _create(BAD, FINE, masquerade)])

    assert key == BAD
    assert "Invalid argument" in reason


def test_what_the_kernel_refuses_names_the_table_in_legacy(throwaway: Throwaway) -> None:
    masquerade = ChainRule((), Masquerade(), "lw:-:x")

    key, reason, _ = throwaway.call(_failure, "legacy", [_create(BAD, FINE, masquerade)])

    assert key == BAD
    assert "the kernel refused the new contents of this xt_table" in reason


@pytest.mark.parametrize("variant", ["legacy", "nft"])
def test_a_chain_that_others_lead_to_is_not_deleted(throwaway: Throwaway, variant: Variant) -> None:
    throwaway.call(_failure, variant, [_create(GOOD, FINE)])
    throwaway.sh(f"iptables-{variant} -N THEIRS; iptables-{variant} -A THEIRS -j LANEWAY-GOOD")

    key, reason, _ = throwaway.call(_failure, variant, [Step(Op.DELETE, "chains", GOOD, (FINE,))])

    assert key == GOOD
    assert "[-X LANEWAY-GOOD]" in reason
    assert throwaway.call(_chains, variant) == {GOOD: (FINE,)}


def test_a_held_lock_is_reported_with_its_holder_in_seconds(throwaway: Throwaway) -> None:
    throwaway.sh("flock -o /run/xtables.lock sleep 12 > /dev/null 2>&1 & sleep 0.3")
    start = time.monotonic()

    key, reason, hint = throwaway.call(_failure, "legacy", [_create(GOOD, FINE)])

    assert time.monotonic() - start < 8
    assert key == GOOD
    assert reason.startswith("the xtables lock is held by flock (pid ")
    assert hint


@pytest.mark.parametrize("variant", ["legacy", "nft"])
def test_without_the_tools_the_host_is_refused_with_a_remedy(throwaway: Throwaway, variant: Variant) -> None:
    throwaway.sh("for each in /usr/sbin/xtables-*-multi; do mount --bind /dev/null $each; done")

    key, reason, _ = throwaway.call(_failure, variant, [_create(GOOD, FINE)])

    assert key == GOOD
    assert reason
