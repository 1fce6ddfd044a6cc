"""What a netlink message costs that laneway encodes by itself, beside the same one by pyroute2: why there are both."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from integration.bench.results import Result
from laneway.kernel.route_messages import RTM_NEWROUTE, RTM_NEWRULE, route_request, rule_request
from laneway.plan.steps import Op
from laneway.state.links import HOST
from laneway.state.marks import FwMark
from laneway.state.prefix import prefix
from laneway.state.routing import PROTOCOL, FibRule, Route, RouteKey, RouteKind, RuleAction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MESSAGES = 5000


def codecs(rounds: int) -> Iterator[Result]:
    """Yield messages a second of ours over pyroute2's."""
    for what, ours, theirs in (("ip rules", _rule, _rule_by_pyroute2), ("routes", _route, _route_by_pyroute2)):
        for function in (ours, theirs):
            function(0)  # imports
        taken = [(_per_second(ours), _per_second(theirs)) for _ in range(rounds)]
        measured, beside = zip(*taken, strict=True)
        yield Result("netlink messages encoded", what, "pyroute2", "per second", measured, beside, at_least=2)


def _per_second(encode: Callable[[int], bytes]) -> float:
    begun = time.process_time()
    for number in range(MESSAGES):
        encode(number)
    return MESSAGES / (time.process_time() - begun)


def _rule(number: int) -> bytes:
    rule = FibRule(4, 10000 + number, RuleAction.LOOKUP, FwMark(number << 16, 0xFFFF0000), 20000 + number)
    return rule_request(Op.CREATE, rule).body


def _rule_by_pyroute2(number: int) -> bytes:
    from pyroute2.netlink.rtnl.fibmsg import fibmsg

    message = fibmsg()
    message["header"]["type"] = RTM_NEWRULE
    message["family"], message["action"] = 2, 1
    message["attrs"] = [
        ("FRA_PRIORITY", 10000 + number),
        ("FRA_PROTOCOL", PROTOCOL),
        ("FRA_FWMARK", number << 16),
        ("FRA_FWMASK", 0xFFFF0000),
        ("FRA_TABLE", 20000 + number),
    ]
    message.encode()
    return bytes(message.data)


def _route(number: int) -> bytes:
    key = RouteKey(HOST, 20000 + number, prefix("0.0.0.0/0"), 0)
    return route_request(Op.CREATE, key, Route(RouteKind.UNICAST, "eth0", b"\xc0\x00\x02\x01"), 3).body


def _route_by_pyroute2(number: int) -> bytes:
    from pyroute2.netlink.rtnl.rtmsg import rtmsg

    message = rtmsg()
    message["header"]["type"] = RTM_NEWROUTE
    message["family"], message["proto"], message["type"], message["flags"] = 2, PROTOCOL, 1, 4
    message["attrs"] = [("RTA_TABLE", 20000 + number), ("RTA_OIF", 3), ("RTA_GATEWAY", "192.0.2.1")]
    message.encode()
    return bytes(message.data)
