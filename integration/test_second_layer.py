"""Tenants stay apart when other software takes the first layer away, and each rule of the second layer is needed.

One host of each variant meets what others do to a firewall: tables flushed, one or all; rules restored without ours; an
ACCEPT first. After each event conntrack is emptied, so that no packet passes because its flow is known.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from laneway.cli.wire import carry_out, linux_host, look_at
from laneway.lab.run import Lab
from laneway.lab.trial import Outside
from laneway.plan.plan import plan
from laneway.policy.load import load_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.lab.report import LabReport
    from laneway.lab.trial import Result
    from laneway.policy.model import PolicySet

POLICY = """
[host]
iptables = "{variant}"
[uplinks.north]
interface = "eth0"
gateways = ["192.0.2.1", "2001:db8:a::1"]
[uplinks.south]
interface = "eth1"
gateways = ["198.51.100.1", "2001:db8:b::1"]
[tenants.acme]
subnets = ["10.20.0.0/24", "10.21.0.0/24", "fd20::/64"]
uplinks = ["north", "south"]
host_access = ["icmp", "53/udp"]
[tenants.acme.workloads.web]
addresses = ["10.20.0.10", "fd20::10"]
publish = ["8080:80/tcp"]
[tenants.acme.workloads.db]
addresses = ["10.21.0.11"]
[[tenants.acme.classes]]
name = "bulk"
match = {{ protocol = "tcp", ports = [443] }}
uplink = "south"
[[tenants.acme.allow]]
to = "globex/app"
ports = ["5432/tcp"]
[tenants.globex]
subnets = ["10.30.0.0/24", "fd30::/64"]
uplinks = ["south"]
[tenants.globex.workloads.app]
addresses = ["10.30.0.10", "fd30::10"]
publish = ["8081:80/tcp"]
"""

BOTH = "for t in iptables ip6tables; do {}; done"
SECOND_WAY = """
ip route add default via 192.0.2.1 dev eth0 metric 5000; ip route add default via 198.51.100.1 dev eth1 metric 5001
ip -6 route add default via 2001:db8:a::1 dev eth0 metric 5000
ip -6 route add default via 2001:db8:b::1 dev eth1 metric 5001
"""
"""Whichever uplink fails a tenant, main leads by the other one."""


def flushed(*tables: str) -> str:
    """Return the script that empties these xt_tables, as `iptables -F` does, and opens their policies."""
    each = "; ".join(f"$t-{{v}} -w 5 -t {table} -F" for table in tables)
    return BOTH.format(f"{each}; $t-{{v}} -w 5 -P FORWARD ACCEPT; $t-{{v}} -w 5 -P INPUT ACCEPT")


ACCEPT_FIRST = BOTH.format("$t-{v} -w 5 -I FORWARD -j ACCEPT; $t-{v} -w 5 -I INPUT -j ACCEPT")
ACCEPT_IN_BOTH = ACCEPT_FIRST + "\n" + ACCEPT_FIRST.replace("{v}", "{o}")
RESTORED = BOTH.format(
    "printf '*raw\\nCOMMIT\\n*mangle\\nCOMMIT\\n*nat\\nCOMMIT\\n*filter\\nCOMMIT\\n' | $t-{v}-restore -w 5"
)
NO_RULES = """
for family in -4 -6; do for pref in $(ip $family rule | sed -n 's/^\\(1[0-9]\\{4\\}\\):.*/\\1/p'); do
    ip $family rule del pref $pref
done; done
"""
EVENTS = {
    "filter flushed": flushed("filter"),
    "nat flushed": flushed("nat"),
    "mangle flushed": flushed("mangle"),
    "nat and filter flushed": flushed("nat", "filter"),
    "mangle and filter flushed": flushed("mangle", "filter"),
    "raw and mangle flushed": flushed("raw", "mangle"),
    "all four flushed": flushed("raw", "mangle", "nat", "filter"),
    "all four restored without ours": RESTORED,
    "an ACCEPT first": ACCEPT_FIRST,
    "an ACCEPT first in both variants": ACCEPT_IN_BOTH,
    "an ACCEPT first and our ip rules flushed": ACCEPT_FIRST + NO_RULES,
}
"""What other software does to the variant in use (firewalld with its iptables backend, netfilter-persistent, ufw)."""

ALL_NATIVE = "nft flush ruleset"
"""Leaves a legacy host its first layer, and nothing of either to one whose iptables is nft's."""


def policy_of(variant: str) -> PolicySet:
    return load_text(POLICY.format(variant=variant))


@pytest.fixture(params=["nft", "legacy"])
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def lab(variant: str) -> Iterator[Lab]:
    """A host that holds the policy, sees bridged frames in iptables, and whose main table leads by both uplinks."""
    sysctls = {f"net/bridge/bridge-nf-call-{tool}": "1" for tool in ("iptables", "ip6tables")}
    with Lab(policy_of(variant), sysctls=sysctls) as made:
        made.call(lambda: apply(made.policy))
        made.run("sh", "-ec", SECOND_WAY)
        yield made


def apply(policy: PolicySet) -> None:
    carry_out(look_at(policy))


def happens(lab: Lab, variant: str, script: str) -> None:
    """Have the event happen, and every flow be forgotten."""
    other = {"nft": "legacy", "legacy": "nft"}[variant]
    lab.run("sh", "-c", script.replace("{v}", variant).replace("{o}", other))
    lab.run("sh", "-c", "conntrack -F 2>/dev/null")


def leaks(report: LabReport) -> list[str]:
    """Return what got through that may not: refused packets, wrong uplinks, private sources."""
    return [
        f"{each.probe.sender} {each.probe.protocol} {each.probe.port} to {each.probe.to}: {fault}"
        for each in report.results
        for fault in _leaks(each)
    ]


def _leaks(each: Result) -> Iterator[str]:
    wanted, got = each.expected, each.outcome
    if isinstance(each.probe.sender, Outside) and not got.delivered and not got.reached:
        return  # what strangers send each other through the host is no tenant's
    if not wanted.delivered:
        yield from each.faults
        return
    for seen in got.seen:
        if wanted.uplink is not None and seen.uplink != wanted.uplink:
            yield f"left by {seen.uplink}, should leave by {wanted.uplink}"
        if wanted.source is not None and seen.source != wanted.source:
            yield f"left as {seen.source}, should leave as {wanted.source}"
    if got.delivered and wanted.by not in (None, got.by):
        yield f"answered by {got.by}, should be by {wanted.by}"


def test_nothing_gets_through_whatever_others_do(lab: Lab, variant: str) -> None:
    report = lab.trial()
    assert not report.failed, report.failed

    found = {}
    for name, script in EVENTS.items():
        happens(lab, variant, script)
        found[name] = leaks(lab.trial())
        lab.run("sh", "-c", flushed("filter").replace("{v}", {"nft": "legacy", "legacy": "nft"}[variant]))
        lab.call(lambda: apply(lab.policy))
    assert {name: each for name, each in found.items() if each} == {}


FIRST_LAYER_GONE = "\n".join(
    f"for c in $({tool}-nft-save -t {table} | sed -n 's/^:\\({chains}\\) .*/\\1/p'); do "
    f"{tool}-nft -t {table} -F $c; done"
    for tool in ("iptables", "ip6tables")
    for table, chains in (
        ("filter", "LANEWAY-FORWARD\\|LANEWAY-INPUT\\|LANEWAY-UNMARKED"),
        ("mangle", "LANEWAY-ISOLATE[^ ]*\\|LANEWAY-NEW[^ ]*\\|LANEWAY-HOST[^ ]*"),
    )
)
"""What refuses is gone, what marks and translates is there: the second layer alone keeps tenants apart."""

NAT_GONE = "for t in iptables ip6tables; do $t-nft -t nat -F LANEWAY-SNAT; done"

OPENED = {
    # The rule that is taken out, by its chain and its place, and what has to be gone besides the first layer.
    ("postrouting", 0): NO_RULES,
    ("from_tenants", -1): NO_RULES,
    ("between_tenants", -1): NO_RULES,
    ("leaving", -1): NAT_GONE,
    ("host_services", -1): "",
    ("input", 0): "",
}
CLOSED = [
    ("from_tenants", 0),
    ("from_tenants", 1),
    ("from_tenants", 2),
    ("between_tenants", 0),
    ("between_tenants", 1),
    ("leaving", 0),
    ("host_services", 0),
    ("host_services", 2),  # neighbour solicitation
    ("host_services", 7),  # ports
    ("host_services", 8),  # ICMP
    ("host_services", 9),  # ICMPv6
]
"""Rules without which something is refused that may pass."""


def without(lab: Lab, chain: str, place: int) -> None:
    """Take a rule out of the second layer."""

    def take() -> None:
        state = linux_host("nft").read()
        table = state.nft_tables["laneway"]
        found = next(each for each in table.chains if each.name == chain)
        rules = [rule for rule in found.rules if rule is not found.rules[place]]
        chains = tuple(each if each is not found else each._replace(rules=tuple(rules)) for each in table.chains)
        changed = state.replaced(nft_tables={"laneway": table._replace(chains=chains)})
        linux_host("nft").run(plan(changed, state))

    lab.call(take)


def within(report: LabReport) -> list[str]:
    """Return the leaks but for what leaves by the sender's own uplink, translated, where nobody has such an address.

    That is for another tenant's prefix, and no lane leads there: the first layer alone refuses it (`not-here`).
    """
    left = re.compile(r" by (north|south)( as \S+)?, should be refused")
    return [each for each in leaks(report) if not left.search(each)]


def test_each_rule_is_needed() -> None:
    with Lab(policy_of("nft")) as lab:
        lab.call(lambda: apply(lab.policy))
        lab.run("sh", "-ec", SECOND_WAY)
        for chain, place in CLOSED:
            without(lab, chain, place)
            happens(lab, "nft", "for n in acme-web globex-app; do ip -n $n -6 neigh flush dev eth0; done")
            assert lab.trial().failed, (chain, place)
            lab.call(lambda: apply(lab.policy))

        found = []
        for (chain, place), besides in OPENED.items():
            happens(lab, "nft", FIRST_LAYER_GONE + "\n" + besides)
            assert within(lab.trial()) == [], (chain, place)
            without(lab, chain, place)
            happens(lab, "nft", "")
            found.append(((chain, place), bool(within(lab.trial()))))
            lab.call(lambda: apply(lab.policy))
    assert found == [(rule, True) for rule in OPENED]


def test_a_flush_of_all_nftables_leaves_what_the_limits_say() -> None:
    """On a host whose iptables is nft's it takes both layers, on a legacy host the second one alone."""
    for variant, kept in (("legacy", True), ("nft", False)):
        with Lab(policy_of(variant)) as lab:
            lab.call(lambda lab=lab: apply(lab.policy))  # type: ignore[misc]
            happens(lab, variant, ALL_NATIVE)
            assert (leaks(lab.trial()) == []) is kept
