"""What a rule of nftables asks of a packet, as each version of nft(8) prints it."""

from __future__ import annotations

from typing import Any

import pytest

from laneway.kernel.nft_tests import tests_of as asked_by
from laneway.state.gates import GateTest

META = {"meta": {"key": "mark"}}


@pytest.mark.parametrize(
    "match",
    [
        pytest.param({"op": "!=", "left": META, "right": {"prefix": {"addr": 0, "len": 16}}}, id="1.0.6"),
        pytest.param({"op": "!=", "left": {"&": [META, 0xFFFF0000]}, "right": 0}, id="1.1.3"),
    ],
)
def test_a_mask_of_the_highest_bits(match: dict[str, Any]) -> None:
    assert asked_by(match) == (GateTest("mark", ("0x0/0xffff0000",), negated=True),)
