"""Switches of the host's own that laneway needs otherwise than they are, and what they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laneway.state.gateways import sharing_a_network
from laneway.state.host import BOOT
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


def forwarding(family: int, interface: str) -> str:
    """Return the key of whether what comes in by one interface is forwarded."""
    return f"net/ipv{family}/conf/{interface}/forwarding"


def left_otherwise(key: str, value: str) -> bool:
    """Return whether a link's own sysctl is no longer as laneway leaves it: then somebody means it so."""
    of_a_link = key.split("/")[3:4] not in ([], ["all"], ["default"])
    meant = {"accept_ra": "2", "forwarding": "1"}.get(key.rpartition("/")[2], value)
    return of_a_link and value != meant


def flipped_by(key: str) -> tuple[str, ...]:
    """Return what, turned on or off for all links, has the kernel change a sysctl by itself."""
    if key == REDIRECTS:
        return (FORWARD4,)
    if not key.endswith("/forwarding") or key == FORWARD6:
        return ()
    return (FORWARD6,) if key.startswith("net/ipv6/") else (FORWARD4,)


def switch(scene: Scene, state: HostState) -> None:
    """Add the host's switches to `state`, each with the value it had before laneway."""
    for key, value in _wanted(scene):
        before = scene.facts.sysctls.get(key)
        if before is not None and before != value:
            state.sysctls[key] = value
            state.priors[key] = before
    for key, value in (*_flipped(scene, state), *_still_listening(scene, state)):
        state.sysctls[key] = value
        state.priors[key] = scene.facts.sysctls[key]
    _keep_what_links_of_others_had(scene, state)
    boot = scene.facts.present.get(BOOT)
    if state.priors and boot is not None:
        state.priors[BOOT] = boot


def _begins(scene: Scene, turned: str) -> bool:
    """Return whether it is now that the host begins to forward."""
    facts = scene.facts
    return facts.present.get(turned, facts.sysctls.get(turned)) == "0"


def _flipped(scene: Scene, state: HostState) -> Iterator[tuple[str, str]]:
    """Yield what is as laneway leaves it, and would be otherwise when forwarding is off again: it is remembered too.

    The kernel then takes redirects (inet_forward_change), and no link forwards alone, whosever it is
    (addrconf_forward_change). What stands there once forwarding is on says nothing of before.
    """
    facts = scene.facts
    ours = ["default", *(way.uplink.interface for way in scene.ways)]
    for family, turned in ((IPV4, FORWARD4), (IPV6, FORWARD6)):
        if turned not in state.priors:
            continue
        first = _begins(scene, turned) and turned not in facts.turned
        conf = f"net/ipv{family}/conf/"
        theirs = [key for key in facts.sysctls if key.startswith(conf) and key.endswith("/forwarding")] if first else []
        before = [(key, "1") for key in sorted({*theirs, *(forwarding(family, link) for link in ours)} - {FORWARD6})]
        before += [(REDIRECTS, "0")] if turned == FORWARD4 else []
        for key, value in before:
            if facts.sysctls.get(key) == value and (first or key in facts.turned):
                yield key, value


def _keep_what_links_of_others_had(scene: Scene, state: HostState) -> None:
    """Add what is remembered of links that are no uplinks, while the host forwards, with whatever stands there now.

    They are not laneway's to judge: what somebody sets on them is no drift.
    """
    facts = scene.facts
    uplinks = {way.uplink.interface for way in scene.ways}
    for key in sorted(facts.turned & facts.sysctls.keys() - state.priors.keys()):
        _, version, _, link, name = (key.split("/") + [""] * 5)[:5]
        turned = FORWARD6 if version == "ipv6" else FORWARD4
        of_others = link not in uplinks and link not in ("all", "default", "")
        if of_others and name in ("accept_ra", "forwarding") and turned in state.priors:
            state.sysctls[key] = facts.present.get(key, facts.sysctls[key])
            state.priors[key] = facts.sysctls[key]


def _wanted(scene: Scene) -> Iterator[tuple[str, str]]:
    facts = scene.facts.sysctls
    families = {network.version for tenant in scene.policy.tenants for network in tenant.subnets}
    if IPV4 in families:
        yield FORWARD4, "1"
    if IPV6 in families:
        yield FORWARD6, "1"
    shared = sharing_a_network(scene.facts.addresses, {way.uplink.interface for way in scene.ways})
    for way in scene.ways:
        interface = way.uplink.interface
        # The kernel takes the larger of `all` and the interface's own (ip-sysctl.rst): 1 is strict, 2 is loose.
        strict = max(facts.get(RP_FILTER_ALL, "0"), facts.get(rp_filter(interface), "0")) == "1"
        if strict and IPV4 in families:
            yield rp_filter(interface), "2"
        if IPV4 in families and interface in shared:
            yield from _own_arp(scene, interface)
        # For every new flow MASQUERADE looks for an IPv6 source among the addresses of all links, thousands of
        # bridges, unless told to take the uplink's own (RFC 6724, 4). An uplink may have none: then it must look. One
        # that lost its address must not: it would be another uplink's that it takes, or a tenant's gateway's.
        own = own_addresses_only(interface)
        has_own = _has_prefix6(scene, interface) or own in scene.facts.turned
        if IPV6 in families and way.uplink.masquerade and has_own:
            yield own, "1"


def _own_arp(scene: Scene, interface: str) -> Iterator[tuple[str, str]]:
    """Yield what has a link answer and ask by ARP with its own addresses alone.

    On one wire every link would answer for all of the host's addresses, and what is for one uplink come in by another
    (ip-sysctl.rst, arp_ignore, arp_announce). Here too the larger of `all` and the interface's own counts.
    """
    for name, least in (("arp_ignore", 1), ("arp_announce", 2)):
        values = (scene.facts.sysctls.get(f"net/ipv4/conf/{each}/{name}", "0") for each in ("all", interface))
        if max(int(each) for each in values) < least:
            yield f"net/ipv4/conf/{interface}/{name}", str(least)


def _still_listening(scene: Scene, state: HostState) -> Iterator[tuple[str, str]]:
    """Yield what lets uplinks, and links that have learnt their way from a router, go on learning as before.

    A host that forwards ignores advertisements unless told 2, and forgets the default routes it has learnt when it
    begins to (rt6_purge_dflt_routers). Later the addresses go, when their time is over. Nothing else is told so, and
    nothing that comes later: who sits behind a container's link would give the host a default route (CVE-2020-10749).
    """
    if FORWARD6 not in state.priors:
        return
    uplinks = {way.uplink.interface for way in scene.ways}
    others = scene.facts.listening if _begins(scene, FORWARD6) else frozenset()
    for interface in sorted(uplinks | others):
        if scene.facts.sysctls.get(accept_ra(interface)) == "1":
            yield accept_ra(interface), "2"


def _has_prefix6(scene: Scene, interface: str) -> bool:
    """Return whether an interface has a global IPv6 address, as its on-link route shows."""
    routes = scene.facts.uplink_routes
    return any(each.interface == interface and each.to.family == IPV6 and not each.via for each in routes)
