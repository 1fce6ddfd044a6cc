"""Only the flows of lanes that changed are forgotten."""

from __future__ import annotations

from laneway.apply.target import target
from laneway.lanes.field import MarkField
from laneway.plan.flows import moved_flows
from laneway.plan.plan import plan
from laneway.policy.model import PolicySet, Tenant
from laneway.state.host import HostState
from laneway.state.marks import FwMark
from tests.worlds import FACTS, NORTH, SOUTH, publish, tenant, with_uplinks, world

FIELD = MarkField.of(0xFFFF0000, 7)
ACME, GLOBEX = tenant("acme", 1), tenant("globex", 2)


def forgotten(before: PolicySet, after: PolicySet) -> tuple[FwMark, ...]:
    observed = target(before, HostState(), FACTS).desired
    return moved_flows(plan(target(after, observed, FACTS).desired, observed), observed, FIELD)


def changed(**what: object) -> PolicySet:
    other: Tenant = ACME._replace(**what)  # type: ignore[arg-type]
    return world(other, GLOBEX)


def test_nothing_changed() -> None:
    assert forgotten(world(ACME, GLOBEX), world(ACME, GLOBEX)) == ()


def test_a_new_tenant_has_no_flows_and_moves_nobodys() -> None:
    assert forgotten(world(GLOBEX), world(ACME, GLOBEX)) == ()


def test_a_removed_tenants_lanes() -> None:
    marks = forgotten(world(ACME, GLOBEX), world(GLOBEX))

    assert {FIELD.owner_of(mark) for mark in marks} == {2}


def test_another_preferred_uplink_moves_the_lane_that_was_first() -> None:
    assert FIELD.mark(2, 1) in forgotten(world(ACME, GLOBEX), changed(uplinks=("south", "north"), classes=()))


def test_another_class_moves_all_of_the_tenants_lanes_and_no_others() -> None:
    bulk = ACME.classes[0]._replace(name="bulkier", match=ACME.classes[0].match._replace(protocol="udp"))

    assert forgotten(world(ACME, GLOBEX), changed(classes=(bulk,))) == (FIELD.by_owner(2),)


def test_an_unpublished_port_moves_the_lanes_it_came_by() -> None:
    web = ACME.workloads[0]._replace(publish=(publish(8001, 80),))

    assert forgotten(world(ACME, GLOBEX), changed(workloads=(web,))) == (FIELD.mark(2, 1), FIELD.mark(2, 2))


def test_an_own_address_moves_its_one_lane() -> None:
    assert forgotten(world(ACME, GLOBEX), changed(snat=())) == (FIELD.mark(2, 1),)


def test_an_uplinks_address_moves_all_lanes_by_it() -> None:
    bare = NORTH._replace(masquerade=False)

    marks = forgotten(world(ACME, GLOBEX), with_uplinks(world(ACME, GLOBEX), bare, SOUTH))

    assert marks == (FIELD.by_uplink(1),)


def test_the_crossing_lane_is_everybodys_and_stays() -> None:
    assert FIELD.crossing not in forgotten(world(ACME, GLOBEX), world(ACME))
