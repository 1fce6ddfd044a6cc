"""The gateways of links, read: from main, and where it knows none from the tables to which rules of others lead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.kernel.route_messages import ROUTE_TYPES, RTM_GETROUTE, dump_routes, routes
from laneway.state.gateways import DefaultRoute, LookUp, gateways
from laneway.state.prefix import FAMILIES
from laneway.state.routing import MAIN_TABLE, RouteKind, RuleAction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from laneway.kernel.netlink import NetlinkSocket
    from laneway.kernel.route_messages import SeenRoute, SeenRule
    from laneway.state.prefix import Prefix

_RESERVED = (253, 254, 255)  # default, main, local


def read(
    kernel: NetlinkSocket,
    names: Mapping[int, str],
    rules: Iterable[SeenRule],
    addresses: Sequence[tuple[str, Prefix]],
) -> dict[tuple[str, int], bytes]:
    """Return the gateways of the links with these indexes, by name and family."""
    main = [each for index in names for each in unicast(kernel, index, MAIN_TABLE)]
    defaults = list(_defaults(main, names))
    known = {(each.link, each.family) for each in defaults}
    if all((name, family) in known for name in names.values() for family in FAMILIES):
        return gateways(defaults, (), addresses)
    look_ups = [
        LookUp(seen.rule.family, seen.rule.priority, seen.rule.target, seen.rule.more)
        for seen in rules
        if not seen.ours
        and seen.rule.action is RuleAction.LOOKUP
        and seen.rule.target not in _RESERVED
        and seen.rule.mark is None
        and not seen.rule.inverted
    ]
    for table in sorted({each.table for each in look_ups}):
        for index in names:
            defaults += _defaults(unicast(kernel, index, table), names)
    return gateways(defaults, look_ups, addresses)


def unicast(kernel: NetlinkSocket, link: int, table: int) -> list[SeenRoute]:
    """Return the unicast routes of a table by one link, each with its hops by that link alone."""
    bodies = kernel.dump(RTM_GETROUTE, dump_routes(table=table, link=link))
    kind = ROUTE_TYPES[RouteKind.UNICAST]
    found = (seen for seen in routes(bodies) if (seen.table, seen.type) == (table, kind))
    # Where next hop objects tell nothing of themselves (nexthop_compat_mode) there is no hop, and the kernel's word.
    by_link = ((seen, tuple(hop for hop in seen.hops if hop.link == link)) for seen in found)
    return [seen._replace(hops=hops) for seen, hops in by_link if hops or not seen.hops]


def _defaults(seen: Iterable[SeenRoute], names: Mapping[int, str]) -> Iterator[DefaultRoute]:
    for each in seen:
        if not each.to.length and each.hops and not _narrow(each):
            hop = each.hops[0]
            yield DefaultRoute(each.table, each.to.family, names[hop.link], each.metric, hop.via)


def _narrow(route: SeenRoute) -> bool:
    """Return whether a route is for some packets alone."""
    return bool({"tos", "from"} & set(route.more.split()))
