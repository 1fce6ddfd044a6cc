"""Packets through a small policy, every step of them written out."""

from __future__ import annotations

import pytest

from laneway.explain.explanation import explain
from laneway.explain.hop import Verdict
from laneway.explain.terrain import Terrain
from laneway.explain.walk import walk
from laneway.state.chains import ChainKey, ChainRule, Dnat, XtTable
from laneway.state.links import HOST as HERE
from laneway.state.marks import FwMark
from laneway.state.prefix import prefix
from laneway.state.routing import Route, RouteKey, RouteKind
from laneway.state.underlay import HostAddress
from tests.explain.samples import APP, DB, HOST, NORTH, SOUTH, WEB, every_step, ground, packet, steps, told


def test_a_class_takes_a_packet_to_its_lane_and_the_answer_comes_back_by_it() -> None:
    found = told(WEB, "203.0.113.9", "tcp/443")

    assert (found.verdict, found.uplink, str(found.lane), found.by) == ("delivered", "south", "acme.south", "internet")
    assert steps(found.walk.forward) == [
        "workload: acme-web sends it as 10.20.0.10",
        "raw PREROUTING: passes [lw:-:anti-spoof]",
        "mangle PREROUTING: marks it [lw:-:tenant]",
        "mangle PREROUTING: marks it [lw:acme:class-bulk]",
        "ip rule: looks into table 20018 [10589]",
        "route: via 198.51.100.1 dev eth1",
        "filter FORWARD: passes [lw:south:pin]",
        "filter FORWARD: passes [lw:south:out]",
        "nat POSTROUTING: SNAT to 198.51.100.2 [lw:south:snat]",
        "out: leaves by eth1 as 198.51.100.2",
    ]
    assert found.walk.reply is not None
    assert steps(found.walk.reply) == [
        "arrives: from outside by eth1",
        "mangle PREROUTING: takes the flow's mark []",
        "conntrack: reply: the destination becomes 10.20.0.10",
        "ip rule: looks into table 20018 [10589]",
        "route: dev lwb-acme",
        "filter FORWARD: passes []",
        "workload: acme-web gets it",
    ]


@pytest.mark.parametrize("to", ["224.0.0.1", "239.1.1.1", "ff02::1", "ff0e::1", "fe80::1"])
def test_the_host_forwards_nothing_that_stays_on_its_link(to: str) -> None:
    found = told(WEB, to, "udp/53")

    assert (found.verdict, found.uplink) == ("dropped", None)
    assert steps(found.walk.forward)[-1] == f"route: drops it: what is for {to} stays on its link"


@pytest.mark.parametrize(
    ("to", "seen"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "::1"), ("::", "::1")],  # noqa: S104  no socket
)
def test_the_loopback_is_the_workloads_own(to: str, seen: str) -> None:
    found = told(WEB, to, "udp/53")

    assert (found.verdict, found.by, found.source_seen) == ("delivered", "acme/web", prefix(seen).address)
    assert steps(found.walk.forward) == ["workload: acme-web sends it to itself"]


def test_what_is_for_everybody_is_the_hosts_too_and_goes_no_further() -> None:
    found = told(WEB, "255.255.255.255", "udp/67")

    assert found.verdict == "refused"
    assert steps(found.walk.forward)[-2:] == [
        "route: is for everybody on the link",
        "filter INPUT: refuses it with icmp-admin-prohibited [lw:-:host]",
    ]


def test_every_step_is_there_the_gotos_too() -> None:
    found = told(WEB, "203.0.113.9", "udp/123")

    rules = [each for each in every_step(found.walk.forward) if each.startswith("ip rule")]
    assert rules == [
        "ip rule: goes to 10005 [10002]",
        "ip rule: goes to 10013 [10005]",
        "ip rule: goes to 10077 [10013]",
        "ip rule: goes to 10589 [10077]",
        "ip rule: looks into table 20017 [10589]",
    ]


def test_a_published_port_is_answered_by_the_uplink_it_was_asked_by() -> None:
    found = told(SOUTH, "198.51.100.2", "tcp/8080", source="203.0.113.5")

    assert (found.verdict, found.by, found.uplink, found.reply_uplink) == ("delivered", "acme/web", "south", "south")
    assert steps(found.walk.forward) == [
        "arrives: from outside by eth1",
        "mangle PREROUTING: marks it [lw:south:publish]",
        "nat PREROUTING: DNAT to 10.20.0.10 port 80 [lw:acme:publish-web]",
        "ip rule: looks into table 20018 [10589]",
        "route: dev lwb-acme",
        "filter FORWARD: passes [lw:-:published]",
        "mangle POSTROUTING: passes [lw:-:not-published]",
        "workload: acme-web gets it",
    ]
    assert found.walk.reply is not None
    assert steps(found.walk.reply)[-2:] == [
        "conntrack: reply: the source becomes 198.51.100.2",
        "out: leaves by eth1 as 198.51.100.2",
    ]


def test_a_workload_reaches_its_own_published_port() -> None:
    found = told(WEB, "192.0.2.2", "tcp/8080")

    assert str(found.lane) == "crossing"
    assert steps(found.walk.forward)[3:] == [
        "mangle PREROUTING: marks it [lw:-:publish]",
        "nat PREROUTING: DNAT to 10.20.0.10 port 80 [lw:acme:publish-web]",
        "ip rule: looks into table 20008 [19997]",
        "route: dev lwb-acme",
        "filter FORWARD: passes [lw:-:published]",
        "mangle POSTROUTING: passes [lw:-:not-published]",
        "nat POSTROUTING: SNAT to 10.20.0.1 [lw:-:hairpin]",
        "workload: acme-web gets it",
    ]
    assert found.walk.answered


def test_a_hole_in_the_wall_lets_one_port_through() -> None:
    found = told(WEB, "10.30.0.10", "tcp/5432")

    assert (found.verdict, found.by, found.walk.answered) == ("delivered", "globex/app", True)
    assert steps(found.walk.forward)[2:] == [
        "mangle PREROUTING: marks it [lw:-:tenant]",
        "mangle PREROUTING: marks it [lw:-:allow]",
        "ip rule: looks into table 20008 [19997]",
        "route: dev lwb-globex",
        "filter FORWARD: passes [lw:-:allow]",
        "workload: globex-app gets it",
    ]


REFUSALS = [
    pytest.param(WEB, "203.0.113.9", "tcp/25", "refused", "ip rule: refuses it [10589]", id="class that rejects"),
    pytest.param(
        WEB, "203.0.113.9", "tcp/445", "dropped", "mangle PREROUTING: drops it [lw:acme:class-no-smb]", id="drops"
    ),
    pytest.param(WEB, "172.16.0.9", "udp/53", "refused", "route: refuses it", id="route"),
    pytest.param(WEB, "2001:db8:ffff::9", "tcp/443", "refused", "route: refuses it", id="uplink without the family"),
    pytest.param(
        *(WEB, "10.30.0.10", "tcp/80", "refused"),
        "filter FORWARD: refuses it with icmp-admin-prohibited [lw:-:not-here]",
        id="wall",
    ),
    pytest.param(
        *(WEB, "10.20.0.1", "tcp/22", "refused"),
        "filter INPUT: refuses it with icmp-admin-prohibited [lw:-:host]",
        id="host",
    ),
    pytest.param(
        *(WEB, "10.30.0.1", "icmp", "refused"),
        "filter INPUT: refuses it with icmp-admin-prohibited [lw:-:others-gateway]",
        id="another tenant's gateway",
    ),
    pytest.param(APP, "10.20.0.10", "tcp/5432", "refused", "lw:-:not-here]", id="a hole is one way"),
    pytest.param(NORTH, "10.20.0.10", "tcp/80", "dropped", "lw:-:between-tenants]", id="unpublished, from outside"),
    pytest.param(NORTH, "8.8.8.8", "udp/53", "dropped", "lw:north:not-a-router]", id="no router"),
    pytest.param(DB, "fd20::10", "icmp", "refused", "workload: acme-db has no route to fd20::10", id="no address"),
    pytest.param(WEB, "10.20.0.99", "tcp/80", "dropped", "nobody on lwb-acme has 10.20.0.99", id="nobody"),
]


@pytest.mark.parametrize(("sender", "to", "what", "verdict", "last"), REFUSALS)
def test_a_refusal_ends_at_the_rule_that_refused(sender: object, to: str, what: str, verdict: str, last: str) -> None:
    source = "203.0.113.5" if sender == NORTH else ""
    found = told(sender, to, what, source=source)  # type: ignore[arg-type]

    assert (found.verdict, found.walk.reply, found.source_seen) == (verdict, None, None)
    assert last in steps(found.walk.forward)[-1]


def test_a_forged_source_goes_no_further_than_raw() -> None:
    found = told(WEB, "203.0.113.9", "udp/53", source="10.30.0.10")

    assert steps(found.walk.forward)[-1] == "raw PREROUTING: drops it [lw:-:anti-spoof]"
    assert found.verdict is Verdict.DROPPED


@pytest.mark.parametrize("source", ["fd20::1", "fd20::"])
def test_the_gateway_s_address_as_a_source_is_the_host_s_and_not_the_tenant_s(source: str) -> None:
    found = told(WEB, "2001:db8:ffff::9", "udp/53", source=source)

    assert steps(found.walk.forward)[-1] == "mangle PREROUTING: drops it [lw:-:host-source]"
    assert found.verdict is Verdict.DROPPED


def test_what_stays_on_a_bridge_is_no_class_s_business() -> None:
    found = told(WEB, "10.20.0.11", "tcp/445")

    assert (found.verdict, found.by) == ("delivered", "acme/db")
    assert steps(found.walk.forward)[1] == "bridge: reaches acme-db without the host's routing"
    assert steps(found.walk.forward)[-2] == "filter FORWARD: passes [lw:-:bridged]"


def test_where_iptables_does_not_see_frames_no_chain_is_walked() -> None:
    here = ground()
    blind = Terrain(here.terrain.state, here.terrain.underlay._replace(filters_bridged=frozenset()))

    found = walk(blind, packet(WEB, "10.20.0.11", "tcp/445"))

    assert steps(found.forward) == [
        "workload: acme-web sends it as 10.20.0.10",
        "bridge: reaches acme-db without the host's routing",
        "workload: acme-db gets it",
    ]


def test_the_host_s_own_packets_go_by_main() -> None:
    found = told(HOST, "203.0.113.9", "tcp/443")

    assert (found.uplink, found.lane) == ("north", None)
    assert steps(found.walk.forward) == ["route: via 192.0.2.1 dev eth0", "out: leaves by eth0 as 192.0.2.2"]


def test_the_host_s_own_service_answers_by_the_uplink_it_was_asked_by() -> None:
    found = told(SOUTH, "198.51.100.2", "tcp/22", source="203.0.113.5")

    assert (found.by, found.reply_uplink, str(found.lane)) == ("host", "south", "host.south")
    assert found.walk.reply is not None
    assert steps(found.walk.reply) == [
        "route: via 192.0.2.1 dev eth0",
        "mangle OUTPUT: takes the flow's mark [lw:-:answer]",
        "ip rule: looks into table 20010 [19997]",
        "route: via 198.51.100.1 dev eth1",
        "out: leaves by eth1 as 198.51.100.2",
    ]


def test_the_host_reaches_workloads_and_what_they_publish() -> None:
    assert told(HOST, "10.20.0.10", "tcp/80").walk.answered
    found = told(HOST, "192.0.2.2", "tcp/8080")
    assert (found.by, found.walk.answered) == ("acme/web", True)


def test_a_strict_reverse_path_filter_drops_what_main_would_answer_by_another_link() -> None:
    here = ground()
    strict = Terrain(here.terrain.state, here.terrain.underlay._replace(reverse_filter={"eth1": 1}))

    found = walk(strict, packet(SOUTH, "198.51.100.2", "tcp/22", source="203.0.113.5"))

    assert steps(found.forward)[-1] == "rp_filter: drops it: main's route back is eth0, and rp_filter is strict"


def test_the_host_s_address_as_a_source_from_outside_is_a_martian() -> None:
    found = told(SOUTH, "198.51.100.2", "tcp/22", source="192.0.2.2")

    assert steps(found.walk.forward)[-1] == "rp_filter: drops it: 192.0.2.2 is the host's own address"


def test_a_host_that_does_not_forward_keeps_what_is_not_for_it() -> None:
    here = ground()
    still = Terrain(here.terrain.state, here.terrain.underlay._replace(forwards=frozenset()))

    found = walk(still, packet(WEB, "203.0.113.9", "udp/53"))

    assert (found.forward.verdict, found.forward.hops[-1].effect) == (
        "dropped",
        "drops it: the host does not forward IPv4",
    )


def test_flushed_fib_rules_end_at_the_pin() -> None:
    here = ground()
    state = here.terrain.state.replaced(fib_rules={})

    found = walk(Terrain(state, here.terrain.underlay), packet(WEB, "203.0.113.9", "tcp/443"))

    assert steps(found.forward)[-2:] == [
        "route: via 192.0.2.1 dev eth0",
        "filter FORWARD: refuses it with icmp-admin-prohibited [lw:north:pin]",
    ]


def test_flushed_marks_end_in_silence() -> None:
    here = ground()
    chains = {**here.terrain.state.chains, ChainKey(4, XtTable.MANGLE, "LANEWAY-MARK"): ()}
    state = here.terrain.state.replaced(chains=chains)

    found = walk(Terrain(state, here.terrain.underlay), packet(WEB, "203.0.113.9", "tcp/443"))

    assert steps(found.forward)[-1] == "mangle FORWARD: drops it [lw:-:unmarked]"


def test_a_lost_default_ends_at_the_terminator() -> None:
    here = ground()
    routes = {key: route for key, route in here.terrain.state.routes.items() if route.dev != "eth1"}
    state = here.terrain.state.replaced(routes=routes)

    found = explain(here._replace(terrain=Terrain(state, here.terrain.underlay)), packet(WEB, "203.0.113.9", "tcp/443"))

    assert (found.verdict, steps(found.walk.forward)[-1]) == ("refused", "route: refuses it")


def test_a_route_that_only_main_knows_ends_the_look_up_in_its_table() -> None:
    here = ground()
    mark = FwMark(0x90000, 0xFFFF0000)  # the host by north
    table = next(rule.target for rule in here.terrain.state.fib_rules if rule.mark == mark)
    thrown = {RouteKey(HERE, table, prefix("203.0.113.0/24"), 0): Route(RouteKind.THROW)}
    state = here.terrain.state.replaced(routes={**here.terrain.state.routes, **thrown})

    found = walk(Terrain(state, here.terrain.underlay), packet(NORTH, "192.0.2.2", "tcp/22", source="203.0.113.5"))

    assert found.reply is not None
    assert "route: goes on to the next rule" in steps(found.reply)
    assert (found.forward.verdict, found.reply.verdict) == ("delivered", "delivered")


REFUSED = 0x100000
"""The mark of what a class of acme's refuses."""


def test_a_mark_set_by_the_answer_does_not_keep_the_host_from_the_tenant() -> None:
    here = ground()
    # Without what marks the flow when it begins, and the rule that keeps classes from answers to the host, the answer
    # is given the mark of what is refused.
    key = ChainKey(4, XtTable.MANGLE, "LANEWAY-CLASS")
    chain = tuple(rule for rule in here.terrain.state.chains[key] if not rule[-1].endswith(":answer"))
    own = ChainKey(4, XtTable.MANGLE, "LANEWAY-CLASS-OF.2")
    everything = tuple(
        rule._replace(matches=())
        for rule in here.terrain.state.chains[own]
        if isinstance(rule, ChainRule) and rule.comment.endswith("class-no-mail")
    )
    chains = {
        **here.terrain.state.chains,
        key: chain,
        own: everything,
        ChainKey(4, XtTable.MANGLE, "LANEWAY-NEW"): (),
    }

    found = walk(
        Terrain(here.terrain.state.replaced(chains=chains), here.terrain.underlay), packet(HOST, "10.20.0.10", "tcp/80")
    )

    assert found.reply is not None
    assert found.later is not None
    assert (found.forward.verdict, found.reply.verdict, found.later.verdict) == ("delivered", "delivered", "delivered")
    marks = [each.mark for each in found.reply.hops if each.effect == "marks it"]
    assert REFUSED in marks


def test_another_tenant_s_published_port_sees_who_asks() -> None:
    found = told(APP, "198.51.100.2", "tcp/8080")

    assert (found.by, found.source_seen, found.walk.answered) == ("acme/web", bytes([10, 30, 0, 10]), True)


def test_what_follows_is_translated_as_the_first_packet_was() -> None:
    found = told(WEB, "192.0.2.2", "tcp/8080")

    assert found.walk.later is not None
    assert [each for each in steps(found.walk.later) if each.startswith(("nat", "conntrack"))] == [
        "conntrack: DNAT to 10.20.0.10, as before",
        "conntrack: SNAT to 10.20.0.1, as before",
    ]


def test_the_host_does_not_answer_on_a_bridge_for_its_other_addresses() -> None:
    here = ground()
    elsewhere = HostAddress("eth0", prefix("10.20.0.99"))
    underlay = here.terrain.underlay._replace(addresses=(*here.terrain.underlay.addresses, elsewhere))

    found = walk(Terrain(here.terrain.state, underlay), packet(WEB, "10.20.0.99", "icmp"))

    assert steps(found.forward)[-1] == "bridge: nobody on lwb-acme has 10.20.0.99"


@pytest.mark.parametrize(
    "source",
    ["224.0.0.1", "0.0.0.0", "0.1.2.3", "255.255.255.255", "127.0.0.1", "198.51.100.255", "ff02::1", "::", "::1"],  # noqa: S104
)
def test_what_comes_from_nobodys_address_is_dropped(source: str) -> None:
    to = "2001:db8:b::2" if ":" in source else "198.51.100.2"

    found = told(SOUTH, to, "tcp/8080", source=source)

    assert (found.verdict, steps(found.walk.forward)[-1]) == (
        "dropped",
        f"route: drops it: {source} is nobody's address",
    )


@pytest.mark.parametrize(("to", "elsewhere"), [("198.51.100.2", "10.30.0.10"), ("2001:db8:a::2", "fd30::10")])
def test_a_published_port_that_others_translate_leads_to_no_other_tenant(to: str, elsewhere: str) -> None:
    here = ground()
    state, family = here.terrain.state, 6 if ":" in to else 4
    dnat = next(key for key in state.chains if key.family == family and key.name == "LANEWAY-DNAT.tcp")
    first = tuple(
        rule._replace(target=Dnat(prefix(elsewhere).address, 80))
        for rule in state.chains[dnat]
        if isinstance(rule, ChainRule)
    )
    accepting = ChainKey(family, XtTable.FILTER, "LANEWAY-FORWARD")

    def to_published(**filtered: tuple[ChainRule, ...]) -> list[str]:
        chains = {**state.chains, dnat: first, **({accepting: filtered["forward"]} if filtered else {})}
        asks = packet(WEB, to, "tcp/8080")
        return steps(walk(Terrain(state.replaced(chains=chains), here.terrain.underlay), asks).forward)

    refusal = "icmp-admin-prohibited" if family == 4 else "icmp6-adm-prohibited"
    assert to_published()[-1] == f"filter FORWARD: refuses it with {refusal} [lw:-:between-tenants]"
    assert to_published(forward=())[-1] == "mangle POSTROUTING: drops it [lw:-:not-published]"
