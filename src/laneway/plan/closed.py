"""Lanes by which nothing leaves: told by the default route that the host has in their tables, not by their links."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from laneway.policy.model import AUTO
from laneway.state.closed import ClosedLane, Why
from laneway.state.links import HOST
from laneway.state.prefix import FAMILIES, IPV4
from laneway.state.routing import RouteKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from laneway.lanes.allocate import Lanes
    from laneway.policy.model import PolicySet, Tenant, Uplink
    from laneway.state.host import HostState


class Host(NamedTuple):
    """What is asked of a host, and what it has."""

    desired: HostState
    observed: HostState
    up: Collection[str]  # its interfaces that are


def closed_lanes(policy: PolicySet, lanes: Lanes, host: Host) -> Iterator[ClosedLane]:
    """Yield the closed lanes of a host.

    A link that goes down takes its routes along, and does not bring them back (fib_sync_down_dev, addrconf_ifdown).
    A family that the uplink has no gateway for is refused by the policy, and no lane of it is missed.
    """
    wanted, present = _defaults(host.desired), _defaults(host.observed)
    uplinks = {each.name: each for each in policy.uplinks}
    for tenant in policy.tenants:
        for name in tenant.uplinks:
            table, uplink = lanes.table(lanes.mark(tenant.name, name)), uplinks[name]
            for family in _families(tenant, uplink):
                if present.get((table, family)) != uplink.interface:
                    unknown = Why.NO_GATEWAY if _gateway(uplink, family) == AUTO else Why.REFUSED
                    lacks = Why.NO_ROUTE if (table, family) in wanted else unknown
                    why = lacks if uplink.interface in host.up else Why.NOT_UP
                    yield ClosedLane(tenant.name, name, family, why)


def _defaults(state: HostState) -> dict[tuple[int, int], str]:
    """Return the link of the default route of each table and family."""
    return {
        (key.table, key.to.family): route.dev
        for key, route in state.routes.items()
        if key.netns == HOST and not key.to.length and route.kind is RouteKind.UNICAST
    }


def _families(tenant: Tenant, uplink: Uplink) -> Iterator[int]:
    own = {each.version for each in tenant.subnets}
    return (family for family in FAMILIES if family in own and _gateway(uplink, family) is not None)


def _gateway(uplink: Uplink, family: int) -> object:
    return uplink.gateway4 if family == IPV4 else uplink.gateway6
