"""What is missing of laneway's own is told first, by kind, with apply as the step."""

from __future__ import annotations

from laneway.cli.health import damage
from laneway.doctor.finding import Severity
from laneway.doctor.judge import Besides, judge
from laneway.doctor.own import Damage
from laneway.plan.steps import Op, Step
from laneway.state.chains import BaseJump, ChainKey, JumpKey, XtTable
from laneway.state.prefix import ANY, prefix
from laneway.state.routing import Route, RouteKey, RouteKind
from tests.doctor.test_judge import HEALTHY, POLICY

JUMP = JumpKey(4, XtTable.FILTER, "FORWARD", "LANEWAY-FORWARD")
CHAIN = ChainKey(6, XtTable.MANGLE, "LANEWAY-MARK")
LANE = RouteKey("", 20017, ANY[4], 0)
STATIC = RouteKey("", 20017, prefix("10.99.0.0/16"), 0)
BY_GATEWAY = Route(RouteKind.UNICAST, "eth0", bytes([192, 0, 2, 1]))
STEPS = (
    Step(Op.REPLACE, "jumps", JUMP, BaseJump(first=False), BaseJump()),
    Step(Op.CREATE, "chains", CHAIN, None, ()),
    Step(Op.CREATE, "routes", LANE, None, BY_GATEWAY),
    Step(Op.DELETE, "routes", STATIC, BY_GATEWAY, None),
    Step(Op.DELETE, "routes", LANE._replace(netns="acme-web"), BY_GATEWAY, None),
)


def test_each_kind_is_one_finding_that_says_what_is_missing() -> None:
    found = judge(HEALTHY, POLICY, Besides(damage=damage(STEPS)))

    assert [(each.rule, each.severity, each.what, each.commands) for each in found] == [
        (
            "own-jump-behind",
            Severity.ERROR,
            (
                "laneway's chains are not the first to see packets: behind rules of others: jump from FORWARD to "
                "LANEWAY-FORWARD of filter (iptables)"
            ),
            ("laneway apply PATH",),
        ),
        (
            "own-chains",
            Severity.ERROR,
            (
                "laneway's rules in iptables are not as they were applied: missing: chain LANEWAY-MARK of mangle "
                "(ip6tables)"
            ),
            ("laneway apply PATH",),
        ),
        (
            "own-routing",
            Severity.ERROR,
            "laneway's ip rules and routes are not as they were applied: missing: IPv4 route default in table 20017",
            ("laneway apply PATH",),
        ),
        (
            "own-rest",
            Severity.WARNING,
            (
                "of what was applied some is not as it was: unexpected: IPv4 route 10.99.0.0/16 in table 20017, IPv4 "
                "route default in table 20017 in acme-web"
            ),
            ("laneway apply PATH",),
        ),
    ]


def test_of_many_the_first_are_named_and_the_rest_counted() -> None:
    many = tuple(Damage("entries", "", f"entry {number} of set lw-net4", "missing") for number in range(3000))

    (found,) = judge(HEALTHY, POLICY, Besides(damage=many))

    assert found.what == (
        "laneway's sets are not as they were applied: missing: entry 0 of set lw-net4, entry 1 of set lw-net4, entry 2 "
        "of set lw-net4, entry 3 of set lw-net4, entry 4 of set lw-net4, and 2995 more"
    )
