"""Rules differ when a part of them is of another kind, whatever values the parts have."""

from __future__ import annotations

from itertools import permutations
from typing import get_args

import pytest

from laneway.state.chains import ChainRule, InInterface, Masquerade, Match, NoTarget, OutInterface, Target, Verdict

PARTS = [kind for kind in (*get_args(Match), *get_args(Target)) if kind is not Verdict]
LOOK_ALIKES = [(one, other) for one, other in permutations(PARTS, 2) if len(one._fields) == len(other._fields)]


@pytest.mark.parametrize(("one", "other"), LOOK_ALIKES)
def test_no_part_equals_one_of_another_kind(one: type, other: type) -> None:
    values = ["eth0"] * len(one._fields)  # type: ignore[attr-defined]

    assert one(*values) == one(*values)
    assert one(*values) != other(*values)
    assert not one(*values) == other(*values)  # noqa: SIM201  the other operator


def test_rules_of_such_parts_differ() -> None:
    pairs = [
        (ChainRule((InInterface("eth0"),), Verdict.DROP), ChainRule((OutInterface("eth0"),), Verdict.DROP)),
        (ChainRule((), Masquerade()), ChainRule((), NoTarget())),
    ]

    for rule, other in pairs:
        assert (rule,) != (other,)
        assert {rule: None} != {other: None}
        assert (rule,) == (rule._replace(),)
