"""Our links, addresses, routes and FIB rules, put into a HostState."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

from laneway.errors import HostRefused
from laneway.kernel import inside as inside_of
from laneway.kernel import netns
from laneway.kernel.known import Known
from laneway.kernel.link_messages import (
    DUMP_ADDRESSES,
    DUMP_LINKS,
    NOWHERE,
    OUR_GROUPS,
    RTM_GETADDR,
    RTM_GETLINK,
    SeenAddress,
    SeenLink,
    addresses,
    carried_sysctls,
    links,
)
from laneway.kernel.reasons import refused
from laneway.kernel.route_messages import (
    DUMP_RULES,
    RTM_GETROUTE,
    RTM_GETRULE,
    SeenRoute,
    SeenRule,
    as_route,
    dump_routes,
    in_reserved_table,
    routes,
    rules,
)
from laneway.state.facts import Inner
from laneway.state.links import HALF_MADE, HOST, AddressKey, Link, LinkKey, LinkKind
from laneway.state.routing import FOREIGN, PROTOCOL, RouteKey, add_routes, add_rules, lane_tables

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from laneway.kernel.netlink import NetlinkSocket
    from laneway.state.host import HostState


_SHORT_OF = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})


class Sight(NamedTuple):
    """All that was seen on the host, ours and others', for who asks about others right after."""

    links: list[SeenLink]
    addresses: list[SeenAddress]
    rules: list[SeenRule]
    strangers: frozenset[str]  # names under /run/netns that are not ours, of those that were entered
    peers: dict[int, LinkKey]  # our links inside network namespaces, by the index of their host's ends
    inner: tuple[Inner, ...]


class _Seen(NamedTuple):
    """What the kernel told of one network namespace."""

    links: list[SeenLink]
    addresses: list[SeenAddress]
    routes: list[SeenRoute]


def read(
    kernel: NetlinkSocket,
    state: HostState,
    known: Known,
    *,
    inside: Collection[str] | None = None,
    peers: Mapping[int, LinkKey] | None = None,
) -> Sight:
    """Add to `state` what of ours the host's own network namespace and those of our workloads hold.

    `inside` names those that are entered, if not all; the far ends of veth pairs in the others are taken from `peers`
    of an earlier reading. The index of a link is no other link's later on. Messages of the host's own network namespace
    that are `known` are not parsed again.
    """
    links_here = _links(kernel)
    found = _namespaces(kernel, links_here, state, inside)
    peers = {**(peers or {}), **found.peers}
    _host_links(links_here, peers, state)
    seen = _rest(kernel, links_here, known)
    _addresses(HOST, seen, state)
    all_rules = list(rules(kernel.dump(RTM_GETRULE, DUMP_RULES), known.rules.read))
    add_rules(state.fib_rules, (each.rule for each in all_rules if each.ours))
    _routes(seen, state)
    return Sight(links_here, seen.addresses, all_rules, frozenset(found.strangers), peers, tuple(sorted(found.inner)))


def _links(kernel: NetlinkSocket) -> list[SeenLink]:
    return list(links(kernel.dump(RTM_GETLINK, DUMP_LINKS)))


def _rest(kernel: NetlinkSocket, seen: list[SeenLink], known: Known) -> _Seen:
    return _Seen(
        seen,
        list(addresses(kernel.dump(RTM_GETADDR, DUMP_ADDRESSES), known.addresses.read)),
        list(routes(_apart(kernel), known.routes.read)),
    )


class _Found(NamedTuple):
    """What was found out of network namespaces, beside what is ours in them."""

    peers: dict[int, LinkKey]  # the veth ends there by the index of their host's ends
    strangers: set[str]  # the names under /run/netns that are not ours
    inner: list[Inner]


def _namespaces(
    kernel: NetlinkSocket, links_here: Sequence[SeenLink], state: HostState, inside: Collection[str] | None
) -> _Found:
    """Add what is inside our network namespaces to `state`."""
    present = netns.names()
    mounted, half_made = (
        [name for name in each if inside is None or name in inside] for each in (present.mounted, present.half_made)
    )
    state.netns.update(dict.fromkeys(half_made, HALF_MADE))
    found = _Found({}, set(present.others), [])
    ends: dict[int, list[SeenLink]] = {}
    for link in links_here:
        if link.group in OUR_GROUPS and link.place != NOWHERE:
            ends.setdefault(link.place, []).append(link)

    def look(name: str, there: NetlinkSocket) -> None:
        ours = netns.found_inside(name, there)
        if ours is None:
            found.strangers.add(name)
            return
        state.netns[name] = ours
        here = ends.get(netns.place_of(name, kernel), [])
        try:
            seen = inside_of.read(there, [link.peer for link in here])
            found.inner.extend(Inner(name, text) for text in seen.not_as_it_seems(there))
        except HostRefused as error:  # it is that workload's, and nobody else's
            found.inner.append(Inner(name, f"it cannot be read: {error}"))
            return
        seen.add_to(state, name)
        found.peers.update(
            {link.number: LinkKey(name, seen.names[link.peer]) for link in here if link.peer in seen.names}
        )

    for name, error in netns.visit(mounted, look).items():
        if error.errno in _SHORT_OF:
            raise refused(f"cannot look into network namespace {name}", error)
        found.strangers.add(name)  # one that cannot be entered is not ours
    return found


def _kind(name: str) -> LinkKind:
    try:
        return LinkKind(name)
    except ValueError:
        return name  # type: ignore[return-value]  # somebody put it into our group: it compares unlike all of ours


def _host_links(seen: list[SeenLink], peers: Mapping[int, LinkKey], state: HostState) -> None:
    names = {link.number: link.name for link in seen}
    for link in seen:
        if link.group not in OUR_GROUPS or link.name == netns.LOOPBACK:
            continue
        kind = _kind(link.kind)
        state.links[LinkKey(HOST, link.name)] = Link(
            kind,
            link.group,
            master=names.get(link.master, ""),
            peer=peers.get(link.number) if kind is LinkKind.VETH else None,
            mac=link.mac if kind is LinkKind.BRIDGE else b"",
            alias=link.alias,
            hairpin=kind is LinkKind.VETH and link.hairpin,
            isolated=kind is LinkKind.VETH and link.isolated,
            up=link.up,
        )
        state.sysctls.update(carried_sysctls(link))


def _addresses(name: str, seen: _Seen, state: HostState) -> None:
    ours = {link.number: link.name for link in seen.links if link.group in OUR_GROUPS}
    for link, address, protocol in seen.addresses:
        if protocol == PROTOCOL and link in ours:
            state.addresses[AddressKey(name, ours[link], address)] = None


def _apart(kernel: NetlinkSocket) -> list[bytes]:
    """Return the routes of tables that are not the kernel's own: somebody may have put one into a table of ours."""
    return [body for body in kernel.dump(RTM_GETROUTE, dump_routes()) if not in_reserved_table(body)]


def _routes(seen: _Seen, state: HostState) -> None:
    """Add our routes, and whatever else is in a table of ours: that our rules lead to, or with our routes in it."""
    tables = lane_tables(state.fib_rules) | {each.table for each in seen.routes if each.protocol == PROTOCOL}
    names = {link.number: link.name for link in seen.links}
    found = []
    for each in seen.routes:
        if each.table in tables:
            ours = each.protocol == PROTOCOL
            more = each.more if ours else f"{FOREIGN} {each.protocol} {each.more}".strip()
            found.append((RouteKey(HOST, each.table, each.to, each.metric, more), as_route(each, names)))
    add_routes(state.routes, found)
