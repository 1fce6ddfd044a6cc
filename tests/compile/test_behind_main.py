"""What is looked up when main has no route."""

from __future__ import annotations

from laneway.compile.behind_main import uplink_networks
from laneway.compile.host import compile_host
from laneway.lanes.allocate import allocate
from laneway.lanes.leases import Leases
from laneway.state.facts import HostFacts
from laneway.state.prefix import prefix
from laneway.state.routing import MAIN_PRIORITY, FibRule, RuleAction
from tests.worlds import tenant, world

OF_UPLINKS = (("eth0", prefix("192.0.2.2/24")), ("eth0", prefix("2001:db8::2/64")), ("eth9", prefix("10.9.0.0/16")))


def test_an_uplink_s_own_addresses_answer_by_it_and_for_rp_filter_there_is_a_way_back() -> None:
    policy = world(tenant("acme", 1))
    facts = HostFacts("nft", frozenset({"eth0", "eth1"}), addresses=OF_UPLINKS)

    state = compile_host(policy, allocate(policy, Leases()), facts)

    assert {rule for rule in state.fib_rules if rule.priority > MAIN_PRIORITY} == {
        FibRule(4, 32768, RuleAction.LOOKUP, target=20009, more="from 192.0.2.0/24 iif lo"),
        FibRule(6, 32768, RuleAction.LOOKUP, target=20009, more="from 2001:db8::/64 iif lo"),
        FibRule(4, 32769, RuleAction.LOOKUP, target=20000, inverted=True, more="iif lo"),
    }


def test_networks_of_uplinks_are_told_once_and_a_shared_one_by_its_addresses() -> None:
    found = uplink_networks(
        (link, prefix(address))
        for link, address in [
            ("eth0", "192.0.2.2/24"),
            ("eth0", "192.0.2.3/24"),
            ("eth0", "2001:db8::2/64"),
            ("eth0", "2001:db8::77/128"),
            ("eth0", "fe80::1/64"),
            ("ppp0", "10.64.3.7/32"),
            ("eth1", "198.51.100.2/24"),
            ("eth2", "198.51.100.130/25"),
        ]
    )

    assert [(link, str(network)) for link, network in found] == [
        ("eth0", "2001:db8::/64"),
        ("eth0", "192.0.2.0/24"),
        ("eth1", "198.51.100.2/32"),
        ("eth2", "198.51.100.130/32"),
        ("ppp0", "10.64.3.7/32"),
    ]
