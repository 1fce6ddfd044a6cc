"""A chain of others is asked rule by rule about tenants' packets, and is blamed for what it refuses of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from laneway.doctor.finding import Severity
from laneway.doctor.judge import judge
from laneway.kernel.save_text import saved_tables
from laneway.kernel.xt_gates import xt_forwarded, xt_gates
from laneway.state.facts import Foreign, ForwardedPort
from laneway.state.gates import UNKNOWN, GateChain, GateRule, GateTable, GateTest
from laneway.state.prefix import prefix
from tests.doctor.test_judge import HEALTHY, MAIN
from tests.worlds import crowd, tenant, world

TWO = world(tenant("acme", 7)._replace(snat=()), tenant("globex", 8)._replace(snat=()))
BRIDGES = GateTest("iif", ("lwb-*",))
TO_BRIDGES = GateTest("oif", ("lwb-*",))
KNOWN = GateTest("state", ("established", "related"))
ACCEPT, DROP = "accept", "drop"


def rule(verdict: str, *tests: GateTest, target: str = "") -> GateRule:
    return GateRule(tests, verdict, target, "the rule")


def table(*rules: GateRule, drops: bool = False, hook: str = "forward", more: tuple[GateChain, ...] = ()) -> GateTable:
    return GateTable("nft", "inet fw", (4, 6), (GateChain("f", rules, hook, drops), *more))


def found(gate: GateTable) -> list[tuple[Severity, str]]:
    seen = replace(HEALTHY, foreign=Foreign(fib_rules=MAIN, gates=(gate,)))
    return [(each.severity, each.what.partition(": ")[2]) for each in judge(seen, TWO) if "refused" in each.rule]


LANE = GateTest("mark", ("0x0/0xffff0000",))


def at(hook: str, *devices: str, of: GateTest | None = None, family: int = 0) -> GateTable:
    """Return a table whose only chain drops what comes to some links, or leaves by them."""
    chain = GateChain("f", (rule(DROP, *([of] if of else [])),), hook, devices=devices)
    return GateTable("nft", "netdev fw", (family,) if family else (4, 6), (chain,))


ALL = "IPv4 and IPv6 of all tenants"


@pytest.mark.parametrize(
    ("gate", "severity", "whose"),
    [
        pytest.param(table(drops=True), Severity.ERROR, ALL, id="policy"),
        pytest.param(table(rule(DROP)), Severity.ERROR, ALL, id="a drop of everything"),
        pytest.param(table(rule(ACCEPT, KNOWN), drops=True), Severity.ERROR, ALL, id="new flows"),
        pytest.param(table(rule(ACCEPT, BRIDGES), drops=True), Severity.ERROR, ALL, id="answers"),
        pytest.param(
            table(rule(ACCEPT, UNKNOWN), drops=True), Severity.WARNING, ALL, id="what nobody knows is let pass"
        ),
        pytest.param(table(rule(DROP, UNKNOWN)), Severity.INFO, ALL, id="what nobody knows is refused"),
        pytest.param(
            table(rule(DROP, GateTest("source", prefixes=(prefix("10.99.0.0/16"),)))),
            Severity.INFO,
            "IPv4 of all tenants",
            id="some senders",
        ),
        pytest.param(
            table(rule(DROP, GateTest("family", ("6",)))), Severity.ERROR, "IPv6 of all tenants", id="a family"
        ),
        pytest.param(
            table(rule(DROP, GateTest("iif", ("lwb-globex",)))),
            Severity.ERROR,
            "IPv4 and IPv6 of tenant globex",
            id="a tenant",
        ),
        pytest.param(
            table(rule(DROP, GateTest("source", prefixes=(prefix("10.0.8.0/24"),)))),
            Severity.ERROR,
            "IPv4 of tenant globex",
            id="a subnet",
        ),
        pytest.param(
            table(rule("jump", target="x"), more=(GateChain("x", (rule("return", KNOWN), rule(DROP))),)),
            Severity.ERROR,
            ALL,
            id="another chain",
        ),
        pytest.param(
            table(rule("goto", BRIDGES, target="x"), drops=True, more=(GateChain("x"),)), Severity.ERROR, ALL, id="goto"
        ),
        pytest.param(table(rule("unknown"), drops=True), Severity.WARNING, ALL, id="a queue"),
        pytest.param(
            table(rule(ACCEPT, GateTest("port", ("22",))), drops=True, hook="input"),
            Severity.ERROR,
            "IPv6 of all tenants",
            id="neighbours",
        ),
        pytest.param(
            table(rule(DROP, GateTest("oif", ("eth1",)))), Severity.ERROR, ALL, id="the uplink that is nobody's first"
        ),
        pytest.param(table(rule(DROP, LANE._replace(negated=True))), Severity.ERROR, ALL, id="whoever has a mark"),
        pytest.param(
            table(rule(ACCEPT, GateTest("mark", ("0x1",))), drops=True), Severity.ERROR, ALL, id="all but a mark"
        ),
        pytest.param(
            table(rule(DROP, GateTest("mark", ("0x8000/0x8000",)))), Severity.INFO, ALL, id="a mark of others' bits"
        ),
        pytest.param(
            table(rule(DROP, LANE._replace(negated=True)), hook="prerouting"), Severity.INFO, ALL, id="no lane yet"
        ),
        pytest.param(at("ingress", "eth1"), Severity.ERROR, ALL, id="what comes by an uplink"),
        pytest.param(
            at("ingress", "eth0", of=GateTest("source", prefixes=(prefix("10.0.0.0/8"),)), family=4),
            Severity.INFO,
            "IPv4 of all tenants",
            id="private senders outside",
        ),
        pytest.param(at("egress", "docker0", "eth0"), Severity.ERROR, ALL, id="what leaves by one"),
        pytest.param(
            at("ingress", "lwb-globex"), Severity.ERROR, "IPv4 and IPv6 of tenant globex", id="what comes to a bridge"
        ),
        pytest.param(at("ingress"), Severity.WARNING, ALL, id="what comes by a link that is not told"),
    ],
)
def test_what_is_refused(gate: GateTable, severity: Severity, whose: str) -> None:
    assert found(gate) == [(severity, whose)]


@pytest.mark.parametrize(
    "gate",
    [
        pytest.param(table(rule(ACCEPT, BRIDGES), rule(ACCEPT, TO_BRIDGES), drops=True), id="let pass both ways"),
        pytest.param(table(rule(ACCEPT), rule(DROP)), id="a drop behind an accept"),
        pytest.param(table(rule(DROP, GateTest("iif", ("docker0",)))), id="another's link"),
        pytest.param(table(rule(DROP, GateTest("state", ("invalid",)))), id="what is invalid"),
        pytest.param(
            table(rule("goto", BRIDGES, target="x"), more=(GateChain("x"),)), id="goto, and the policy lets pass"
        ),
        pytest.param(table(rule("jump", target="f"), rule(DROP, KNOWN._replace(values=("x",)))), id="a jump to itself"),
        pytest.param(table(rule(DROP), hook=""), id="a chain that nothing comes to"),
        pytest.param(at("ingress", "docker0"), id="what comes by another's link"),
        pytest.param(table(drops=True, hook="output")._replace(families=(4,)), id="what the host sends"),
    ],
)
def test_what_passes(gate: GateTable) -> None:
    assert found(gate) == []


def test_of_thousands_of_tenants_one_is_asked_about() -> None:
    seen = replace(HEALTHY, foreign=Foreign(fib_rules=MAIN, gates=(table(*[rule(DROP, UNKNOWN)] * 1000),)))

    (told,) = [each for each in judge(seen, crowd(2000)) if "refused" in each.rule]

    assert told.severity is Severity.INFO


SAVED = """*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:f2b - [0:0]
-A FORWARD ! -i docker+ -s 10.0.0.0/8 -p tcp -m comment --comment "a -j b" -m multiport --dports 80,90:99 -j REJECT
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -m set --match-set bad src -g f2b
-A FORWARD -j LOG --log-prefix "-j DROP"
-A f2b -j DROP
-A FORWARD -j LANEWAY-FORWARD
COMMIT
"""


def test_rules_of_iptables_are_read() -> None:
    (gate,) = xt_gates(4, "iptables-legacy", saved_tables(SAVED))
    forward, f2b = gate.chains

    assert (forward.name, forward.hook, forward.drops, f2b.name, f2b.hook) == ("FORWARD", "forward", True, "f2b", "")
    assert [(each.verdict, each.target, each.tests) for each in forward.rules] == [
        (
            "drop",
            "",
            (
                GateTest("iif", ("docker*",), negated=True),
                GateTest("source", prefixes=(prefix("10.0.0.0/8"),)),
                GateTest("protocol", ("tcp",)),
                GateTest("port", ("80", "90-99")),
            ),
        ),
        ("accept", "", (GateTest("state", ("related", "established")),)),
        ("goto", "f2b", (UNKNOWN,)),
    ]


NAT = """*nat
:PREROUTING ACCEPT [0:0]
:CNI-DN - [0:0]
:KUBE-NODEPORTS - [0:0]
:MARKED - [0:0]
-A PREROUTING -p tcp -m multiport --dports 8080,9000:9010 -j CNI-DN
-A PREROUTING -d 192.0.2.2/32 -p udp -m udp --dport 53 -j REDIRECT --to-ports 5353
-A PREROUTING -p tcp -m tcp --dport 1 -j MARKED
-A PREROUTING ! -d 192.0.2.2/32 -p tcp -m tcp --dport 2 -j DNAT --to-destination 10.88.0.2:2
-A KUBE-NODEPORTS -p tcp -m tcp --dport 30080 -j KUBE-EXT
-A KUBE-EXT -j KUBE-SEP
-A KUBE-SEP -p tcp -m tcp -j DNAT --to-destination 10.244.0.5:80
-A CNI-DN -p tcp -j DNAT --to-destination 10.88.0.2:80
-A MARKED -j MARK --set-xmark 0x1/0x1
COMMIT
"""


def test_ports_that_rules_send_on_are_found() -> None:
    ports = [each[:5] for each in xt_forwarded(4, "iptables-nft", saved_tables(NAT))]

    assert ports == [
        (4, "tcp", 8080, 8080, b""),
        (4, "tcp", 9000, 9010, b""),
        (4, "udp", 53, 53, prefix("192.0.2.2").address),
        (4, "tcp", 2, 2, b""),
        (4, "tcp", 30080, 30080, b""),
    ]
    assert isinstance(next(iter(xt_forwarded(4, "iptables-nft", saved_tables(NAT)))), ForwardedPort)
