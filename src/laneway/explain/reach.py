"""How far packets go by their destination alone, whatever the routes say."""

from __future__ import annotations

from ipaddress import ip_address

from laneway.state.prefix import IPV4, IPV6, family_of

EVERYBODY = b"\xff\xff\xff\xff"
"""255.255.255.255: for every host on the link, and never forwarded (ip_route_input_rcu)."""


def stays_in_netns(to: bytes) -> bool:
    """Return whether a packet for `to` goes no further than the loopback, as one for no address does (ip(7))."""
    address = ip_address(to)
    return address.is_loopback or address.is_unspecified


def itself(to: bytes) -> bytes:
    """Return the source that the kernel chooses for a packet that its sender gets."""
    if any(to):
        return to
    return bytes((127, 0, 0, 1)) if family_of(to) == IPV4 else bytes(15) + b"\1"


def stays_on_link(to: bytes) -> bool:
    """Return whether a router drops a packet for `to` (RFC 1122, 3.2.1.3; RFC 4291, 2.5.6; without multicast routing).

    Linux forwards the link-local addresses of IPv4, 169.254.0.0/16.
    """
    address = ip_address(to)
    return stays_in_netns(to) or address.is_multicast or (address.version == IPV6 and address.is_link_local)
