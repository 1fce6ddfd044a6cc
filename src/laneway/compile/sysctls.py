"""Switches of the host's own that laneway needs otherwise than they are, and what they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.state.prefix import IPV4, IPV6

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.compile.scene import Scene
    from laneway.state.host import HostState

FORWARD4 = "net/ipv4/ip_forward"
FORWARD6 = "net/ipv6/conf/all/forwarding"
REDIRECTS = "net/ipv4/conf/all/accept_redirects"
RP_FILTER_ALL = "net/ipv4/conf/all/rp_filter"


def rp_filter(interface: str) -> str:
    """Return the key of an interface's reverse path filter."""
    return f"net/ipv4/conf/{interface}/rp_filter"


def accept_ra(interface: str) -> str:
    """Return the key of whether an interface listens to router advertisements."""
    return f"net/ipv6/conf/{interface}/accept_ra"


def own_addresses_only(interface: str) -> str:
    """Return the key of whether only an interface's own IPv6 addresses serve as sources of what leaves by it."""
    return f"net/ipv6/conf/{interface}/use_oif_addrs_only"


def flips(key: str) -> bool:
    """Return whether the kernel changes a sysctl by itself when forwarding is turned on or off for all links."""
    return key == REDIRECTS or (key.endswith("/forwarding") and key != FORWARD6)


def switch(scene: Scene, state: HostState) -> None:
    """Add the host's switches to `state`, each with the value it had before laneway."""
    for key, value in _wanted(scene):
        before = scene.facts.sysctls.get(key)
        if before is not None and before != value:
            state.sysctls[key] = value
            state.priors[key] = before
    for key, value in _flipped(scene, state):
        state.sysctls[key] = state.priors[key] = value


def _flipped(scene: Scene, state: HostState) -> Iterator[tuple[str, str]]:
    """Yield what is as laneway leaves it, and would be otherwise when forwarding is off again: it is remembered too.

    The kernel then takes redirects (inet_forward_change), and no link forwards alone (addrconf_forward_change).
    """
    links = ("default", *(way.uplink.interface for way in scene.ways))
    for turned, conf in ((FORWARD4, "net/ipv4/conf"), (FORWARD6, "net/ipv6/conf")):
        before = [(f"{conf}/{link}/forwarding", "1") for link in links]
        before += [(REDIRECTS, "0")] if turned == FORWARD4 else []
        for key, value in before if turned in state.priors else ():
            # What stands there once forwarding is on says nothing of before.
            first = turned not in scene.facts.turned
            if scene.facts.sysctls.get(key) == value and (first or key in scene.facts.turned):
                yield key, value


def _wanted(scene: Scene) -> Iterator[tuple[str, str]]:
    facts = scene.facts.sysctls
    families = {network.version for tenant in scene.policy.tenants for network in tenant.subnets}
    if IPV4 in families:
        yield FORWARD4, "1"
    if IPV6 in families:
        yield FORWARD6, "1"
    if IPV6 in families and facts.get(FORWARD6) == "0":
        yield from _still_listening(scene)
    for way in scene.ways:
        interface = way.uplink.interface
        # The kernel takes the larger of `all` and the interface's own (ip-sysctl.rst): 1 is strict, 2 is loose.
        strict = max(facts.get(RP_FILTER_ALL, "0"), facts.get(rp_filter(interface), "0")) == "1"
        if strict and IPV4 in families:
            yield rp_filter(interface), "2"
        # For every new flow MASQUERADE looks for an IPv6 source among the addresses of all links, thousands of
        # bridges, unless told to take the uplink's own (RFC 6724, 4). An uplink may have none: then it must look. One
        # that lost its address must not: it would be another uplink's that it takes, or a tenant's gateway's.
        own = own_addresses_only(interface)
        has_own = _has_prefix6(scene, interface) or own in scene.facts.turned
        if IPV6 in families and way.uplink.masquerade and has_own:
            yield own, "1"


def _still_listening(scene: Scene) -> Iterator[tuple[str, str]]:
    """Yield what lets every link learn from router advertisements as before, the link an operator comes by above all.

    A host that forwards ignores them unless told 2, and forgets the default routes it has learnt when it begins to
    (rt6_purge_dflt_routers). Later the addresses go, when their time is over. A link that is made from now on has what
    `default` says, which is the host's own: it is told with the next apply.
    """
    uplinks = {way.uplink.interface for way in scene.ways}
    for interface in sorted(uplinks | scene.facts.listening):
        if scene.facts.sysctls.get(accept_ra(interface)) == "1":
            yield accept_ra(interface), "2"


def _has_prefix6(scene: Scene, interface: str) -> bool:
    """Return whether an interface has a global IPv6 address, as its on-link route shows."""
    routes = scene.facts.uplink_routes
    return any(each.interface == interface and each.to.family == IPV6 and not each.via for each in routes)
