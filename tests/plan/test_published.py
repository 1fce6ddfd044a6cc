"""Which flows began before the port they are for was published."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from laneway.apply.target import target
from laneway.lanes.field import MarkField
from laneway.plan.published import Published
from laneway.plan.standing import Standing
from laneway.policy.model import Ports, Publish
from laneway.state.flows import Ends
from laneway.state.host import HostState
from tests.worlds import FACTS, NOWHERE, tenant, world

FIELD = MarkField.of(0xFFFF0000, 7)
NORTH_ONLY = tenant("acme", 1)._replace(uplinks=("north",), classes=())
PORTS = (
    Publish(None, Ports(53, 53), Ports(53, 53), "udp", NOWHERE),
    Publish(ip_address("192.0.2.9"), Ports(514, 514), Ports(514, 514), "udp", NOWHERE),
)
WEB = NORTH_ONLY.workloads[0]._replace(publish=PORTS)
DESIRED = target(world(NORTH_ONLY._replace(workloads=(WEB,)), tenant("globex", 2)), HostState(), FACTS).desired
HERE, HERE6 = ip_address("192.0.2.2").packed, ip_address("2001:db8:a::2").packed
SENDER, SENDER6 = ip_address("203.0.113.9").packed, ip_address("2001:db8:ffff::9").packed
HOSTS_BY_NORTH, HOSTS_BY_SOUTH = FIELD.mark(1, 1).value, FIELD.mark(1, 2).value
CAME = Ends(SENDER, HERE, HERE, 17, 53, HOSTS_BY_NORTH)


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        pytest.param(CAME, True, id="from outside"),
        pytest.param(Ends(SENDER6, HERE6, HERE6, 17, 53, HOSTS_BY_NORTH), True, id="IPv6"),
        pytest.param(CAME._replace(mark=0), True, id="from the host, or before laneway"),
        pytest.param(CAME._replace(mark=FIELD.mark(3, 0).value), True, id="from a tenant that was refused"),
        pytest.param(CAME._replace(mark=HOSTS_BY_SOUTH), False, id="by an uplink that the tenant has not"),
        pytest.param(CAME._replace(protocol=6), False, id="another protocol"),
        pytest.param(CAME._replace(protocol=1, port=0), False, id="an echo request"),
        pytest.param(CAME._replace(port=54), False, id="another port"),
        pytest.param(CAME._replace(port=514), False, id="published at another address"),
        pytest.param(CAME._replace(answers=ip_address("10.0.1.10").packed), False, id="translated"),
        pytest.param(
            CAME._replace(to=bytes([127, 0, 0, 1]), answers=bytes([127, 0, 0, 1]), mark=0), False, id="on the loopback"
        ),
        pytest.param(
            Ends(ip_address("fe80::1").packed, HERE6, HERE6, 17, 53),
            False,
            id="from the link itself, which has no lane",
        ),
    ],
)
def test_a_flow_misses_the_port_that_was_published_after_it_began(flow: Ends, expected: bool) -> None:  # noqa: FBT001
    assert Published(DESIRED, FIELD).missed(flow) is expected


def test_what_came_by_a_port_that_another_workload_has_now_is_lost_though_the_rules_were_gone_before() -> None:
    standing = Standing(DESIRED, FIELD)
    web = ip_address("10.0.1.10").packed
    through = Ends(SENDER, HERE, web, 17, 53, FIELD.mark(2, 1).value)

    assert not standing.lost(through)
    assert standing.lost(through._replace(answers=ip_address("10.0.1.11").packed)), "moved"
    assert not standing.lost(through._replace(to=web)), "not by a published port: somebody's own route"
    assert not standing.lost(through._replace(answers=ip_address("10.0.1.11").packed, mark=0)), "somebody else's"
