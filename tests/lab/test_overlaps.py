"""What two classes would both have."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from laneway.lab.overlaps import common
from laneway.policy.model import ClassMatch, Ports

LOW, MIDDLE, HIGH = Ports(1, 100), Ports(50, 150), Ports(101, 200)
WIDE, NARROW, SIX = ip_network("10.0.0.0/8"), ip_network("10.1.0.0/16"), ip_network("fd00::/8")


@pytest.mark.parametrize(
    ("one", "other", "family", "both"),
    [
        pytest.param(ClassMatch(), ClassMatch("tcp"), 4, ClassMatch("tcp"), id="everything"),
        pytest.param(ClassMatch("udp"), ClassMatch("tcp"), 4, None, id="protocols"),
        pytest.param(ClassMatch("6"), ClassMatch("tcp"), 4, ClassMatch("6"), id="one protocol, two names"),
        pytest.param(ClassMatch("tcp", (LOW,)), ClassMatch("tcp", (HIGH,)), 4, None, id="ports apart"),
        pytest.param(
            ClassMatch("tcp", (LOW,)),
            ClassMatch("tcp", (HIGH, MIDDLE)),
            4,
            ClassMatch("tcp", (Ports(50, 100),)),
            id="ports shared",
        ),
        pytest.param(ClassMatch(to=(WIDE,)), ClassMatch(to=(NARROW,)), 4, ClassMatch(to=(NARROW,)), id="networks"),
        pytest.param(ClassMatch(to=(WIDE,)), ClassMatch(to=(SIX,)), 4, None, id="families"),
        pytest.param(ClassMatch(to=(SIX,)), ClassMatch(), 4, None, id="not in this family"),
        pytest.param(ClassMatch(from_=(WIDE,)), ClassMatch(dscp=10), 4, ClassMatch(from_=(WIDE,), dscp=10), id="parts"),
        pytest.param(ClassMatch(dscp=8), ClassMatch(dscp=10), 4, None, id="dscp"),
    ],
)
def test_common(one: ClassMatch, other: ClassMatch, family: int, both: ClassMatch | None) -> None:
    assert common(one, other, family) == both
    assert (common(other, one, family) is None) == (both is None)
