"""What laneway needs of a kernel is tried, and nothing is left of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration.snapshot import snapshot
from laneway.kernel import trials
from laneway.state.chains import Dscp, Verdict, XtTable

if TYPE_CHECKING:
    from integration.throwaway import Throwaway
    from laneway.state.diagnosis import Trial
    from laneway.state.facts import Variant


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_this_kernel_can_do_all_and_nothing_is_left(throwaway: Throwaway, variant: Variant) -> None:
    before = snapshot(throwaway)

    assert throwaway.call(trials.failed_trials, variant) == ()

    assert snapshot(throwaway) == before


def test_what_fails_is_named_with_its_module(throwaway: Throwaway) -> None:
    assert throwaway.call(_with_a_match_that_cannot_be) == [
        ("iptables-nft -m dscp in table mangle", "xt_dscp"),
        ("ip6tables-nft -m dscp in table mangle", "xt_dscp"),
    ]


def _with_a_match_that_cannot_be() -> list[tuple[str, str]]:
    cannot_be = ("-m dscp", "xt_dscp", XtTable.MANGLE, (Dscp(64),), Verdict.DROP)
    trials._extensions = lambda _family: iter([cannot_be])  # type: ignore[assignment]  # in a child process
    failed: tuple[Trial, ...] = trials.failed_trials("nft")
    return [(each.what, each.module) for each in failed]
