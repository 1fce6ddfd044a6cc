"""What of the operator's own routing the host's answers no longer follow is named, with what mends it."""

from __future__ import annotations

import pytest

from laneway.plan.answers import unheard
from laneway.state.facts import Foreign, ForeignFibRule, ForeignRoute, ForeignWay
from laneway.state.prefix import prefix
from tests.worlds import tenant, world

POLICY = world(tenant("acme", 1))
CONNECTED = "192.0.2.0/24 dev eth0"
BEHIND = "10.99.0.0/16 via 192.0.2.253 dev eth0"
DEFAULT = "default via 192.0.2.1 dev eth0"


def host(rule: str, *routes: str, family: int = 4) -> Foreign:
    return Foreign(
        addresses=frozenset({("eth0", prefix("192.0.2.2/24")), ("eth0", prefix("2001:db8:a::2/64"))}),
        fib_rules=(ForeignFibRule(family, int(rule.partition(":")[0]), rule),),
        routes=tuple(ForeignRoute(100, f"{each} table 100 proto 3") for each in routes),
        ways=(ForeignWay("eth0", prefix("192.0.2.0/24"), f"{CONNECTED} table 254 proto 2"),),
    )


def test_a_rule_for_an_uplink_s_address_is_named_and_moved() -> None:
    (found,) = unheard(POLICY, host("32765: from 192.0.2.2/32 lookup 100", DEFAULT, BEHIND), {})

    assert found.text == (
        "ip rule 32765: from 192.0.2.2/32 lookup 100 comes after laneway's, "
        "and who comes in by north is answered without it; "
        "ip rule add pref 9999 from 192.0.2.2/32 lookup 100 && "
        "ip rule del pref 32765 from 192.0.2.2/32 lookup 100 mends it"
    )


@pytest.mark.parametrize(
    ("foreign", "named"),
    [
        pytest.param(host("32765: from 192.0.2.0/24 lookup 100", BEHIND), True, id="for its network"),
        pytest.param(host("32765: from 2001:db8:a::2/128 lookup 100", BEHIND, family=6), True, id="IPv6"),
        pytest.param(host("32765: from all oif eth0 lookup 100", BEHIND), True, id="for its interface"),
        pytest.param(host("32765: from all oif eth7 lookup 100", BEHIND), False, id="for another interface"),
        pytest.param(host("32765: from 198.51.100.2/32 lookup 100", BEHIND), False, id="for another address"),
        pytest.param(host("32765: from 192.0.2.2/32 lookup 100", DEFAULT, CONNECTED), False, id="says the same"),
        pytest.param(host("9000: from 192.0.2.2/32 lookup 100", BEHIND), False, id="comes before"),
        pytest.param(host("32766: from all lookup main"), False, id="main's own"),
        pytest.param(host("32765: from 192.0.2.2/32 unreachable", BEHIND), True, id="refuses"),
    ],
)
def test_rules_whose_answers_change(foreign: Foreign, named: bool) -> None:  # noqa: FBT001  a case
    assert len(list(unheard(POLICY, foreign, {}))) == named


def test_another_default_of_main_s_is_named() -> None:
    gateways = {("eth0", 4): prefix("192.0.2.253").address, ("eth1", 4): prefix("198.51.100.1").address}

    (found,) = unheard(POLICY, Foreign(), gateways)

    assert found.what == (
        "uplink north: the host's default route via eth0 uses 192.0.2.253; "
        "replies to connections that arrive on north will use the policy's gateway 192.0.2.1"
    )
    assert found.commands == ("ip route add NETWORK via 192.0.2.253 dev eth0", "laneway apply PATH")
