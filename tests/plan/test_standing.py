"""Known flows are judged by the host as it should be, whatever somebody took away before."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from laneway.apply.target import target
from laneway.lanes.field import MarkField
from laneway.plan.standing import Standing
from laneway.policy.model import Allow, PolicySet, Ports, Service
from laneway.state.flows import Ends
from laneway.state.host import HostState
from tests.worlds import FACTS, publish, tenant, world

FIELD = MarkField.of(0xFFFF0000, 7)
ACME, GLOBEX = tenant("acme", 1), tenant("globex", 2)
DATABASE = ACME._replace(allow=(Allow("globex", "web", (Service("udp", Ports(53, 53)),), ACME.source),))
WEB, GATEWAY, DB, HOST, OUTSIDE, OWN, NOBODY = (
    ip_address(each).packed
    for each in ("10.0.1.10", "10.0.1.1", "10.0.2.10", "192.0.2.2", "203.0.113.9", "192.0.2.20", "10.0.9.10")
)
WEB6, OUTSIDE6 = (ip_address(each).packed for each in ("fd00:0:1::10", "2001:db8:ffff::9"))
NORTH, SOUTH, CROSSING = FIELD.mark(2, 1).value, FIELD.mark(2, 2).value, FIELD.crossing.value

BEGUN = Ends(WEB, OUTSIDE, OUTSIDE, 17, 53, NORTH, OWN)
CAME = Ends(OUTSIDE, HOST, WEB, 6, 8001, SOUTH)
SHADOW = Ends(WEB, OUTSIDE, OUTSIDE, 6, 443, SOUTH, HOST, 8002)
ASKED = Ends(WEB, DB, DB, 17, 53, CROSSING)


def lost(flow: Ends, policy: PolicySet | None = None) -> bool:
    desired = target(policy or world(DATABASE, GLOBEX), HostState(), FACTS).desired
    return Standing(desired, FIELD).lost(flow)


@pytest.mark.parametrize(
    "flow",
    [
        pytest.param(BEGUN, id="begun"),
        pytest.param(BEGUN._replace(mark=SOUTH, seen_as=HOST), id="of a class, masqueraded"),
        pytest.param(SHADOW._replace(seen_port=40000), id="from a port that nobody publishes"),
        pytest.param(SHADOW._replace(protocol=17), id="from one that is published for another protocol"),
        pytest.param(Ends(WEB6, OUTSIDE6, OUTSIDE6, 17, 53, NORTH), id="IPv6"),
        pytest.param(Ends(WEB, GATEWAY, GATEWAY, 1, 0, NORTH), id="to the host, untranslated"),
        pytest.param(Ends(GATEWAY, WEB, WEB, 6, 22, NORTH), id="from the host"),
        pytest.param(CAME, id="to a published port"),
        pytest.param(CAME._replace(port=9999), id="to another: its set entry says so when it goes"),
        pytest.param(ASKED, id="allowed"),
        pytest.param(Ends(DB, HOST, WEB, 6, 8001, CROSSING), id="from a tenant to a published port"),
        pytest.param(ASKED._replace(port=4711, expected=True), id="foretold by an allowed one"),
        pytest.param(Ends(OUTSIDE, HOST, HOST, 6, 22, FIELD.mark(1, 2).value), id="an operator's session"),
        pytest.param(Ends(WEB, HOST, HOST, 6, 22, FIELD.mark(1, 2).value), id="an operator's, from such an address"),
        pytest.param(Ends(WEB, OUTSIDE, OUTSIDE, 17, 53, 0), id="in no lane"),
        pytest.param(Ends(WEB, OUTSIDE, OUTSIDE, 17, 53, 0x1234), id="somebody else's mark"),
    ],
)
def test_what_is_as_it_should_be_goes_on(flow: Ends) -> None:
    assert not lost(flow)


@pytest.mark.parametrize(
    "flow",
    [
        pytest.param(BEGUN._replace(mark=FIELD.mark(2, 3).value), id="no such lane"),
        pytest.param(BEGUN._replace(mark=FIELD.mark(9, 1).value), id="no such tenant"),
        pytest.param(BEGUN._replace(mark=FIELD.mark(3, 1).value), id="another tenant's lane"),
        pytest.param(BEGUN._replace(source=NOBODY), id="from nobody's prefix"),
        pytest.param(BEGUN._replace(seen_as=HOST), id="with another source than its own"),
        pytest.param(SHADOW, id="from a port that another publishes, of an uplink's address"),
        pytest.param(SHADOW._replace(mark=NORTH, seen_as=OWN), id="of its own address, which is another's as well"),
        pytest.param(CAME._replace(answers=DB), id="to a prefix of another's"),
        pytest.param(Ends(DB, HOST, DB, 6, 8001, CROSSING), id="to a published port, sent on by others"),
        pytest.param(Ends(WEB, HOST, DB, 6, 8001, CROSSING), id="to one's own, sent on to another tenant"),
        pytest.param(CAME._replace(answers=NOBODY), id="to nobody's prefix"),
        pytest.param(ASKED._replace(port=54), id="not allowed"),
        pytest.param(ASKED._replace(source=DB, to=WEB, answers=WEB), id="not allowed in this direction"),
        pytest.param(ASKED._replace(source=NOBODY), id="between tenants, from nobody's prefix"),
        pytest.param(Ends(DB, HOST, WEB, 6, 9999, CROSSING), id="from a tenant to a port that is not published"),
    ],
)
def test_what_is_not_begins_again(flow: Ends) -> None:
    assert lost(flow)


def test_without_classes_a_tenant_begins_its_flows_in_its_first_lane() -> None:
    plain = world(ACME._replace(classes=()), GLOBEX)

    assert not lost(BEGUN, plain)
    assert lost(BEGUN._replace(mark=SOUTH, seen_as=HOST), plain)
    assert not lost(BEGUN._replace(mark=SOUTH, expected=True), plain)


def test_an_own_address_that_is_nobody_elses_keeps_its_ports() -> None:
    assert not lost(SHADOW._replace(mark=NORTH, seen_as=OWN), world(DATABASE, GLOBEX._replace(snat=())))


def test_a_published_address_alone_is_published() -> None:
    only = publish(8001, 80)._replace(host=ip_address("198.51.100.2"))
    policy = world(ACME._replace(workloads=(ACME.workloads[0]._replace(publish=(only,)),)), GLOBEX)

    assert not lost(Ends(DB, ip_address("198.51.100.2").packed, WEB, 6, 8001, CROSSING), policy)
    assert lost(Ends(DB, HOST, WEB, 6, 8001, CROSSING), policy)


def test_a_host_without_tenants_has_no_lanes() -> None:
    assert lost(BEGUN, world())
    assert lost(ASKED, world())
    assert not lost(Ends(OUTSIDE, HOST, HOST, 6, 22, FIELD.mark(1, 2).value), world())
