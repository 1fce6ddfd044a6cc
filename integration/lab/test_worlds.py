"""Every kind of uplink that a policy can name gets a provider and an internet that answer."""

from __future__ import annotations

import pytest

from laneway.lab.run import Lab
from laneway.policy.model import Uplink
from tests.lab.samples import policy, uplink


@pytest.mark.parametrize(
    ("made", "probes"),
    [
        pytest.param(uplink("plain", "192.0.2.1", "2001:db8:a::1"), 14, id="gateways"),
        pytest.param(uplink("four", "192.0.2.1"), 7, id="IPv4 alone"),
        pytest.param(uplink("six", None, "2001:db8:a::1"), 7, id="IPv6 alone"),
        pytest.param(uplink("dhcp", "auto", "auto"), 14, id="learned"),
        pytest.param(uplink("ra", None, "fe80::1"), 7, id="link-local gateway"),
        pytest.param(uplink("ppp", "onlink", "onlink"), 14, id="point-to-point"),
        pytest.param(uplink("mixed", "onlink", "2001:db8:a::1"), 14, id="point-to-point in IPv4 alone"),
        pytest.param(uplink("odd", "203.0.113.2", "2001:db8:ffff::2"), 14, id="where the lab's own hosts would be"),
    ],
)
def test_host_and_internet_reach_each_other(made: Uplink, probes: int) -> None:
    with Lab(policy(made)) as lab:
        report = lab.trial()

    assert [each.faults for each in report.failed] == []
    assert len(report.results) == probes


def test_uplinks_that_share_a_network_are_told_apart() -> None:
    with Lab(policy(uplink("one", "192.0.2.1"), uplink("two", "192.0.2.254"))) as lab:
        lab.run("ip", "route", "replace", "default", "via", "192.0.2.254", "dev", "two0", "metric", "1024")
        report = lab.trial()

    # The first uplink is the default's no more: all its probes fail, and say by which uplink and source they went.
    assert {each.outcome.uplink for each in report.failed if str(each.probe.sender) == "host"} == {"two"}
    assert {str(each.outcome.source) for each in report.failed if str(each.probe.sender) == "host"} == {"192.0.2.3"}


def test_hosts_own_settings_are_the_tests_to_choose() -> None:
    with Lab(policy(uplink("plain", "192.0.2.1")), sysctls={"net/ipv4/conf/default/rp_filter": "2"}) as lab:
        assert lab.run("cat", "/proc/sys/net/ipv4/conf/plain0/rp_filter") == "2\n"
