"""Only the flows of lanes that changed are forgotten."""

from __future__ import annotations

from ipaddress import ip_address

from laneway.apply.target import target
from laneway.compile.names import TAKE
from laneway.lanes.field import MarkField
from laneway.plan.flows import closed_flows, moved_flows
from laneway.plan.plan import plan
from laneway.policy.model import Allow, PolicySet, Ports, Service, Tenant
from laneway.state.chains import ChainKey, XtTable
from laneway.state.flows import Closed, Doors, Ends
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


def test_the_crossing_lane_is_everybodys_and_stays() -> None:
    assert FIELD.crossing not in forgotten(world(ACME, GLOBEX), world(ACME))


def closed(before: PolicySet, after: PolicySet) -> tuple[Closed, ...]:
    observed = target(before, HostState(), FACTS).desired
    desired = target(after, observed, FACTS).desired
    return closed_flows(plan(desired, observed), desired, FIELD)


DATABASE = ACME._replace(allow=(Allow("globex", "web", (Service("udp", Ports(53, 53)),), ACME.source),))
WEB, DB, HOST = (ip_address(each).packed for each in ("10.0.1.10", "10.0.2.10", "192.0.2.2"))
ASKED = Ends(WEB, DB, DB, 17, 53, mark=FIELD.crossing.value)
PUBLISHED = Ends(DB, HOST, WEB, 6, 8001, mark=FIELD.crossing.value)


def test_an_allow_that_is_withdrawn_ends_the_flows_it_let_begin() -> None:
    doors = Doors(closed(world(DATABASE, GLOBEX), world(ACME, GLOBEX)))

    assert doors.lead(ASKED)
    assert not doors.lead(ASKED._replace(port=54))
    assert not doors.lead(ASKED._replace(protocol=6))
    assert not doors.lead(ASKED._replace(source=ip_address("10.0.9.10").packed))
    assert not doors.lead(ASKED._replace(mark=FIELD.mark(2, 1).value))


def test_a_port_that_is_published_no_more_ends_the_flows_to_it_whoever_asked() -> None:
    web = ACME.workloads[0]._replace(publish=())
    doors = Doors(closed(world(ACME, GLOBEX), changed(workloads=(web,))))

    assert doors.lead(PUBLISHED)
    assert doors.lead(PUBLISHED._replace(mark=0))
    assert not doors.lead(PUBLISHED._replace(port=8002))
    assert not doors.lead(PUBLISHED._replace(answers=ip_address("10.0.3.10").packed))


def test_a_service_of_the_hosts_that_is_withdrawn_ends_the_flows_to_it() -> None:
    dns = ACME._replace(host_access=(Service("udp", Ports(53, 53)), Service("icmp", None)))
    doors = Doors(closed(world(dns, GLOBEX), world(ACME._replace(host_access=()), GLOBEX)))
    asked = ASKED._replace(to=ip_address("10.0.1.1").packed, answers=ip_address("10.0.1.1").packed, mark=0x110000)

    assert doors.lead(asked)
    assert doors.lead(asked._replace(protocol=1, port=0))
    assert not doors.lead(asked._replace(seen_as=HOST)), "masqueraded: it went to the internet"


def test_a_tenant_that_goes_leaves_no_flow_to_who_has_its_prefix_next() -> None:
    doors = Doors(closed(world(ACME, GLOBEX), world(GLOBEX)))

    assert doors.lead(ASKED)
    assert doors.lead(PUBLISHED)
    assert not doors.lead(ASKED._replace(source=ASKED.to, to=PUBLISHED.to, answers=ASKED.to))


def test_a_prefix_that_is_a_tenants_no_more_ends_its_flows_in_each_of_that_tenants_lanes() -> None:
    smaller = ACME._replace(subnets=ACME.subnets[1:], workloads=())
    doors = Doors(closed(world(ACME, GLOBEX), world(smaller, GLOBEX)))
    begun = Ends(WEB, HOST, HOST, 17, 443, mark=FIELD.mark(2, 2).value, seen_as=HOST)
    came = Ends(HOST, HOST, WEB, 6, 8001, mark=FIELD.mark(2, 2).value)

    assert doors.lead(begun)
    assert doors.lead(came)
    assert not doors.lead(begun._replace(mark=FIELD.mark(3, 2).value))
    assert not doors.lead(begun._replace(source=ip_address("fd00:0:1::10").packed)), "that prefix is kept"
    assert not doors.lead(begun._replace(mark=FIELD.mark(1, 2).value)), "the host's own"


BEGUN = Ends(WEB, HOST, HOST, 17, 443, mark=FIELD.mark(2, 1).value, seen_as=HOST)
CAME = Ends(HOST, HOST, WEB, 6, 8001, mark=FIELD.mark(2, 1).value)
BY_SOUTH = FIELD.mark(2, 2).value


def test_another_first_uplink_moves_what_the_tenant_began_by_that_one_and_not_what_came_to_it() -> None:
    after = changed(uplinks=("south", "north"), classes=())
    doors = Doors(closed(changed(classes=()), after))

    assert doors.lead(BEGUN)
    assert not doors.lead(BEGUN._replace(mark=BY_SOUTH))
    assert not doors.lead(CAME)
    assert not doors.lead(CAME._replace(mark=BY_SOUTH))
    assert forgotten(changed(classes=()), after) == ()


def test_a_port_that_is_published_no_more_leaves_the_other_ports_their_flows() -> None:
    web = ACME.workloads[0]._replace(publish=(publish(8001, 80),))
    doors = Doors(closed(world(ACME, GLOBEX), changed(workloads=(web,))))

    assert doors.lead(CAME._replace(port=18001))
    assert not doors.lead(CAME)
    assert forgotten(world(ACME, GLOBEX), changed(workloads=(web,))) == ()


def test_an_own_address_moves_what_the_tenant_began_in_that_lane_and_family() -> None:
    doors = Doors(closed(world(ACME, GLOBEX), changed(snat=())))

    assert doors.lead(BEGUN)
    assert not doors.lead(BEGUN._replace(mark=BY_SOUTH))
    assert not doors.lead(BEGUN._replace(source=DB, mark=FIELD.mark(3, 1).value))
    assert not doors.lead(BEGUN._replace(source=ip_address("fd00:0:1::10").packed))
    assert not doors.lead(CAME)
    assert forgotten(world(ACME, GLOBEX), changed(snat=())) == ()


def test_an_uplinks_address_moves_what_tenants_began_by_it_and_nobodys_session_with_the_host() -> None:
    after = with_uplinks(world(ACME, GLOBEX), NORTH._replace(masquerade=False), SOUTH)
    doors = Doors(closed(world(ACME, GLOBEX), after))

    assert doors.lead(BEGUN)
    assert doors.lead(BEGUN._replace(source=DB, mark=FIELD.mark(3, 1).value))
    assert not doors.lead(BEGUN._replace(mark=BY_SOUTH))
    assert not doors.lead(CAME)
    assert not doors.lead(CAME._replace(answers=HOST, mark=FIELD.mark(1, 1).value))
    assert forgotten(world(ACME, GLOBEX), after) == ()


def test_a_lane_whose_rules_somebody_deleted_has_its_flows_still() -> None:
    observed = target(world(ACME, GLOBEX), HostState(), FACTS).desired.replaced(fib_rules={})
    desired = target(changed(snat=()), observed, FACTS).desired

    assert Doors(closed_flows(plan(desired, observed), desired, FIELD)).lead(BEGUN)


def test_another_class_moves_what_the_tenant_began_in_any_lane_and_not_what_came_to_it() -> None:
    bulk = ACME.classes[0]._replace(name="bulkier", match=ACME.classes[0].match._replace(protocol="udp"))
    before, after = world(ACME, GLOBEX), changed(classes=(bulk,))
    doors = Doors(closed(before, after))
    begun = Ends(WEB, HOST, HOST, 17, 443, mark=FIELD.mark(2, 2).value, seen_as=HOST)

    assert doors.lead(begun)
    assert doors.lead(begun._replace(mark=FIELD.mark(2, 1).value))
    assert not doors.lead(begun._replace(source=DB, mark=FIELD.mark(3, 2).value))
    assert not doors.lead(Ends(HOST, HOST, WEB, 6, 8001, mark=FIELD.mark(2, 2).value))
    assert forgotten(before, after) == ()


def test_the_uplink_of_classes_flushed_by_somebody_moves_the_flows_of_who_has_such_a_class() -> None:
    observed = target(world(ACME, GLOBEX._replace(classes=())), HostState(), FACTS).desired
    take = ChainKey(4, XtTable.MANGLE, f"{TAKE}2")
    flushed = observed.replaced(chains={**observed.chains, take: ()})

    doors = Doors(closed_flows(plan(observed, flushed), observed, FIELD))

    begun = Ends(WEB, HOST, HOST, 6, 443, mark=FIELD.mark(2, 1).value, seen_as=HOST)
    assert doors.lead(begun)
    assert not doors.lead(begun._replace(source=DB, mark=FIELD.mark(3, 1).value))


def test_what_only_comes_closes_nothing() -> None:
    assert closed(world(ACME), world(DATABASE, GLOBEX)) == ()


def test_an_uplink_on_another_interface_forgets_who_reached_the_host_by_the_old_one() -> None:
    bare = NORTH._replace(masquerade=False)
    before = with_uplinks(world(ACME, GLOBEX), bare, SOUTH)

    marks = forgotten(before, with_uplinks(world(ACME, GLOBEX), bare._replace(interface="eth2"), SOUTH))

    assert marks == tuple(FIELD.mark(owner, 1) for owner in (1, 2, 3))


def test_what_began_while_a_jump_was_missing_begins_again_in_its_lane() -> None:
    desired = target(world(ACME, GLOBEX), HostState(), FACTS).desired
    left = {key: each for key, each in desired.jumps.items() if key.family == 6 or key.table == "nat"}
    flushed = desired.replaced(jumps=left)
    doors = Doors(closed_flows(plan(desired, flushed), desired, FIELD))
    untranslated = Ends(WEB, HOST, HOST, 17, 53)

    assert doors.lead(untranslated)
    assert not doors.lead(untranslated._replace(mark=FIELD.mark(2, 1).value))
    assert not doors.lead(untranslated._replace(source=ip_address("10.0.9.10").packed))
    assert not doors.lead(untranslated._replace(source=ip_address("fd00:1::10").packed)), "IPv6 kept its jumps"


def test_what_began_untranslated_while_nat_was_away_begins_again() -> None:
    desired = target(world(ACME, GLOBEX), HostState(), FACTS).desired
    jumps = {key: each for key, each in desired.jumps.items() if key.base != "POSTROUTING"}
    doors = Doors(closed_flows(plan(desired, desired.replaced(jumps=jumps)), desired, FIELD))
    untranslated = Ends(WEB, HOST, HOST, 17, 53, mark=FIELD.mark(2, 1).value)

    assert doors.lead(untranslated)
    assert not doors.lead(untranslated._replace(seen_as=HOST)), "it has its translation"
    assert not doors.lead(untranslated._replace(mark=FIELD.crossing.value)), "between tenants nothing is translated"


def test_a_first_apply_has_nobodys_flows_to_look_for() -> None:
    assert closed(world(), world(ACME, GLOBEX)) == ()
