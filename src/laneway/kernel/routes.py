"""Routes and FIB rules made, replaced and deleted."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from laneway.kernel.delivery import deliver, deliver_everywhere
from laneway.kernel.reasons import Refused, failed, raised
from laneway.kernel.route_messages import route_request, rule_request
from laneway.plan.steps import Op, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from laneway.kernel.netlink import NetlinkSocket, Request
    from laneway.state.routing import Route

_SPECIAL = {
    errno.EEXIST: "a route that is not laneway's already leads there with that metric",
    errno.ENETDOWN: "the route's link is down",
    errno.ENODEV: "the route's link is not there",
}


def run(kernel: NetlinkSocket, op: Op, steps: Sequence[Step], refused: Refused = raised) -> None:
    """Do steps of the kind "routes"; what fails is told to `refused`."""
    deliver_everywhere(kernel, steps, _encoder(op), special=_SPECIAL, refused=refused)


def _encoder(op: Op) -> Callable[[NetlinkSocket, Step], Request | None]:
    indexes: dict[tuple[str, str], int] = {}

    def encode(kernel: NetlinkSocket, step: Step) -> Request | None:
        route: Route = step.old if op is Op.DELETE else step.new
        link = 0
        if route.dev:
            place = (step.key.netns, route.dev)
            link = indexes.get(place) or kernel.link_index(route.dev)
            indexes[place] = link
            if not link:
                if op is Op.DELETE:  # the route went with its link
                    return None
                raise failed(step, errno.ENODEV, special={errno.ENODEV: f"there is no link {route.dev}"})
        return route_request(op, step.key, route, link)

    return encode


def run_rules(kernel: NetlinkSocket, op: Op, steps: Sequence[Step]) -> None:
    """Do steps of the kind "fib_rules"; raises StepFailed."""
    alone = len(steps) == 1
    special = {errno.EEXIST: "the rule is there already"}
    deliver(kernel, [(step, rule_request(op, step.key, alone=alone)) for step in steps], special=special)
