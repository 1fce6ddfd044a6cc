"""A compiler broken on purpose is caught by a packet: each mutant of what it makes fails a probe of the lab."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from laneway.apply.target import target
from laneway.cli.wire import linux_host
from laneway.compile.filter import KNOWN
from laneway.compile.marking import TO_TENANTS
from laneway.lab.run import Lab
from laneway.plan.plan import plan
from laneway.policy.load import load_text
from laneway.state.chains import ChainRule, Jump, MapMark, SaveMark, Verdict
from laneway.state.host import HostState
from laneway.state.marks import FwMark
from laneway.state.prefix import ANY, IPV4, IPV6
from laneway.state.routing import RouteKind, RuleAction

if TYPE_CHECKING:
    from laneway.lab.report import LabReport
    from laneway.policy.model import PolicySet

POLICY = """
[uplinks.north]
interface = "eth0"
gateways = ["192.0.2.1", "2001:db8:a::1"]

[uplinks.south]
interface = "eth1"
gateways = ["198.51.100.1"]

[tenants.acme]
subnets = ["10.20.0.0/24", "fd20::/64"]
uplinks = ["north", "south"]
snat = { south = ["198.51.100.20"] }

[tenants.acme.workloads.web]
addresses = ["10.20.0.10", "fd20::10"]
publish = ["8080:80/tcp", "5300-5301:53-54/udp"]

[tenants.acme.workloads.db]
addresses = ["10.20.0.11", "fd20::11"]

[[tenants.acme.classes]]
name = "bulk"
match = { protocol = "tcp", ports = [443] }
uplink = "south"

[[tenants.acme.classes]]
name = "mail"
match = { protocol = "tcp", ports = [25] }
action = "reject"

[[tenants.acme.allow]]
to = "globex/app"
ports = ["5432/tcp"]

[tenants.globex]
subnets = ["10.30.0.0/24", "fd30::/64"]
uplinks = ["south"]

[tenants.globex.workloads.app]
addresses = ["10.30.0.10", "fd30::10"]
"""

Change = Callable[[HostState], None]


def rules(name: str, change: Callable[[ChainRule], ChainRule | None]) -> Change:
    """Return the change that alters, or with None drops, each rule of the chains whose name begins with `name`."""

    def mutate(state: HostState) -> None:
        for key in [key for key in state.chains if key.name.startswith(name)]:
            changed = (change(rule) for rule in state.chains[key] if isinstance(rule, ChainRule))
            state.chains[key] = tuple(rule for rule in changed if rule is not None)

    return mutate


def without(name: str, what: str) -> Change:
    """Return the change that drops the rules with this comment."""
    return rules(name, lambda rule: None if rule.comment.endswith(what) else rule)


def accepting(name: str, what: str) -> Change:
    """Return the change that lets pass what the rules with this comment refuse."""
    return rules(name, lambda rule: rule._replace(target=Verdict.ACCEPT) if rule.comment.endswith(what) else rule)


def entries(sets: str, mark: Callable[[FwMark], FwMark]) -> Change:
    """Return the change that gives other marks to the entries of the sets whose name begins so."""

    def mutate(state: HostState) -> None:
        for entry, old in state.entries.items():
            if entry.set.startswith(sets) and old is not None:
                state.entries[entry] = mark(old)

    return mutate


def no_entries(sets: str) -> Change:
    """Return the change that empties the sets whose name begins so."""

    def mutate(state: HostState) -> None:
        for entry in [entry for entry in state.entries if entry.set.startswith(sets)]:
            del state.entries[entry]

    return mutate


def other_uplink(mark: FwMark) -> FwMark:
    """Return the mark of the same owner by the other uplink."""
    return FwMark(mark.value ^ 0x30000, mark.mask)


def both(one: Change, other: Change) -> Change:
    """Return two changes in one."""

    def mutate(state: HostState) -> None:
        one(state)
        other(state)

    return mutate


def swapped_defaults(state: HostState) -> None:
    """Lead the lanes by north out of south."""
    for key, route in state.routes.items():
        if not key.netns and key.to == ANY[IPV4] and route.dev == "eth0":
            state.routes[key] = route._replace(dev="eth1", via=bytes([198, 51, 100, 1]))


def lanes_know_all(state: HostState) -> None:
    """Lead every lane to every tenant."""
    tables = {key.table for key in state.routes if not key.netns}
    homes = [(k, r) for k, r in state.routes.items() if not k.netns and r.dev.startswith("lwb-")]
    for key, route in homes:
        state.routes.update({key._replace(table=table): route for table in tables})


def no_way_home(state: HostState) -> None:
    """Leave the tenants' own prefixes out of their lanes' tables."""
    for key in [k for k, r in state.routes.items() if not k.netns and r.dev.startswith("lwb-") and k.table != 20008]:
        del state.routes[key]


def no_crossing(state: HostState) -> None:
    """Leave the crossing table without tenants."""
    for key in [k for k, r in state.routes.items() if r.dev.startswith("lwb-") and k.table == 20008]:
        del state.routes[key]


def no_end(state: HostState) -> None:
    """Let lanes without a default, and packets without a lane, go on to main."""
    for key in [k for k, r in state.routes.items() if r.kind == RouteKind.UNREACHABLE]:
        del state.routes[key]
    for rule in [rule for rule in state.fib_rules if rule.action in (RuleAction.UNREACHABLE, RuleAction.PROHIBIT)]:
        del state.fib_rules[rule]
    without("LANEWAY-FORWARD", ":pin")(state)
    without("LANEWAY-NEW", ":elsewhere")(state)


def one_family_lost(state: HostState) -> None:
    """Forget the IPv6 leaves of the ladder."""
    for rule in [rule for rule in state.fib_rules if rule.family == IPV6 and rule.action == RuleAction.LOOKUP]:
        del state.fib_rules[rule]


def no_hairpin(state: HostState) -> None:
    """Let no frame go back out of the port it came by."""
    for key, link in state.links.items():
        state.links[key] = link._replace(hairpin=False)


def drop_jump(base: str) -> Change:
    """Return the change that leaves out the jumps from a base chain."""

    def mutate(state: HostState) -> None:
        for key in [key for key in state.jumps if key.base == base]:
            del state.jumps[key]

    return mutate


MUTANTS: dict[str, Change] = {
    "mark: the other uplink's lane": entries("lw-src", other_uplink),
    "mark: tenants unknown": no_entries("lw-src"),
    # One wall alone is not enough for a forged packet: each is taken away with the one behind it.
    "mark: no anti-spoofing": both(
        without("LANEWAY-RAW", ":anti-spoof"),
        both(without("LANEWAY-UNMARKED", ":unmarked"), without("LANEWAY-ISOLATE", ":unmarked")),
    ),
    "mark: the host's address as a source": without("LANEWAY-FROM", ":host-source"),
    "mark: no classes": without("LANEWAY-CLASS", "class-bulk"),
    "mark: a refusing class missing": without("LANEWAY-CLASS", "class-mail"),
    "mark: classes reach everybody": rules(
        "LANEWAY-CLASS-OF", lambda rule: rule._replace(matches=()) if isinstance(rule.target, Jump) else rule
    ),
    "mark: published by the wrong uplink": entries("lw-pub4-north", other_uplink),
    "mark: not remembered": rules("LANEWAY-MARK", lambda rule: None if isinstance(rule.target, SaveMark) else rule),
    "mark: the host's answers by main": without("LANEWAY-IN", ":host"),
    "mark: no answer restored": drop_jump("OUTPUT"),
    "mark: nothing crosses": rules(
        "LANEWAY-FROM",
        lambda rule: None if isinstance(rule.target, MapMark) and "crossing" in rule.target.set else rule,
    ),
    "mark: no allowed crossing": no_entries("lw-allow"),
    "route: defaults swapped": swapped_defaults,
    "route: no way home": no_way_home,
    "route: nothing crosses": no_crossing,
    "route: no end": no_end,
    "route: IPv6 forgotten": one_family_lost,
    "filter: tenants may meet": both(
        both(lanes_know_all, accepting("LANEWAY-FORWARD", ":between-tenants")),
        both(accepting("LANEWAY-ISOLATE", ":between-tenants"), accepting("LANEWAY-NEW.TO", ":not-published")),
    ),
    "filter: neighbours unheard": without("LANEWAY-INPUT", ":neighbours"),
    "filter: the host is open": accepting("LANEWAY-INPUT", ":host"),
    "filter: others' gateways are open": both(
        without("LANEWAY-INPUT", ":others-gateway"), accepting("LANEWAY-INPUT", ":host")
    ),
    "filter: host_access shut": no_entries("lw-host"),
    "filter: published ports shut": without("LANEWAY-FORWARD", ":published"),
    "filter: allowed crossing shut": without("LANEWAY-FORWARD", ":allow"),
    "filter: known flows shut": rules(
        "LANEWAY-FORWARD", lambda rule: None if rule.matches == (TO_TENANTS, KNOWN) else rule
    ),
    "filter: nothing leaves": without("LANEWAY-FORWARD", ":out"),
    "nat: no published ports": rules("LANEWAY-DNAT", lambda _: None),
    "nat: uplinks' addresses unused": rules(
        "LANEWAY-SNAT",
        lambda rule: None if rule.comment.endswith(":snat") and not isinstance(rule.target, Jump) else rule,
    ),
    "nat: no address of its own": without("LANEWAY-OWN-SNAT", ":snat"),
    "nat: no hairpin rule": without("LANEWAY-SNAT", ":hairpin"),
    "plumbing: no hairpin port": no_hairpin,
}


def trial(policy: PolicySet, change: Change) -> LabReport:
    """Apply what the policy compiles to, changed, and return what the lab says of it."""

    def apply() -> None:
        kernel = linux_host("nft")
        observed = kernel.read()
        desired = target(policy, observed, kernel.facts(["eth0", "eth1"])).desired
        # The second layer would refuse what a broken first one lets pass: its own mutants are in test_second_layer.py.
        desired = desired.replaced(nft_tables={}, nft_elements={})
        change(desired)
        kernel.run(plan(desired, observed))

    with Lab(policy) as lab:
        lab.call(apply)
        return lab.trial()


def test_the_compiler_itself_passes() -> None:
    report = trial(load_text(POLICY), lambda _state: None)

    assert not report.failed, report.failed


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught_by_a_packet(name: str) -> None:
    report = trial(load_text(POLICY), MUTANTS[name])

    assert report.failed
