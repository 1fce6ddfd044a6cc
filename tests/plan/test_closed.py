"""Which lanes of a host are closed, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.compile.host import compile_host
from laneway.doctor.closed import judge
from laneway.lanes.allocate import allocate
from laneway.lanes.leases import Leases
from laneway.plan.closed import Host, closed_lanes
from laneway.policy.model import AUTO
from laneway.state.closed import ClosedLane, Why
from laneway.state.facts import HostFacts
from laneway.state.prefix import ANY
from laneway.state.routing import TERMINATOR_METRIC
from tests.worlds import tenant, with_uplinks, world

if TYPE_CHECKING:
    from laneway.policy.model import PolicySet

ACME = tenant("acme", 1)
UP = frozenset({"eth0", "eth1"})


def closed(policy: PolicySet, *, up: frozenset[str] = UP, lost: tuple[str, int] | None = None) -> list[ClosedLane]:
    lanes = allocate(policy, Leases())
    desired = compile_host(policy, lanes, HostFacts("nft", up))
    routes = dict(desired.routes)
    if lost:
        table = lanes.table(lanes.mark("acme", lost[0]))
        gone = [
            key for key in routes if (key.table, key.to) == (table, ANY[lost[1]]) and key.metric < TERMINATOR_METRIC
        ]
        assert gone
        for key in gone:
            del routes[key]
    return list(closed_lanes(policy, lanes, Host(desired, desired.replaced(routes=routes), up)))


def test_a_lane_with_its_defaults_is_open() -> None:
    assert closed(world(ACME)) == []


def test_one_that_lost_a_default_is_closed_in_that_family_and_the_doctor_says_what_mends_it() -> None:
    found = closed(world(ACME), lost=("south", 4))

    assert found == [ClosedLane("acme", "south", 4, Why.NO_ROUTE)]
    (told,) = judge(found)
    assert told.what == "uplink south: its lanes are closed in IPv4, the default routes are gone (acme)"
    assert told.commands == ("laneway apply --in-force",)


def test_one_whose_interface_is_not_up_is_for_others_to_tell() -> None:
    found = closed(world(ACME), up=frozenset({"eth0"}))

    assert {(each.uplink, each.why) for each in found} == {("south", Why.NOT_UP)}
    assert list(judge(found)) == []


def test_one_whose_gateway_nobody_knows_is_closed() -> None:
    policy = world(ACME)
    north, south = policy.uplinks
    found = closed(with_uplinks(policy, north, south._replace(gateway4=AUTO)))

    assert found == [ClosedLane("acme", "south", 4, Why.NO_GATEWAY)]
