"""The world of a `Topology` as lines for `ip -batch`, by network namespace.

In a batch the family is an option of ip(8) itself: `by_family` makes three texts of the lines, of which the first,
for lines without a family, comes before the others.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

from laneway.lab.topology import INTERNET
from laneway.state.prefix import IPV6

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from laneway.lab.topology import Provider, Side, Topology

OUTER = "up0"
"""A provider's end of an uplink."""

BACKBONE = "net0"
"""A provider's link to the internet."""

ENTRY_PORT = 7
"""Where the internet's responders listen; every port of every address leads there."""

_TO_HOST = 200  # a provider's table for what comes from the internet: all of it goes to the host
_BY_PROVIDER = 100  # plus a provider's number: the internet's table that leads by that provider, whatever the address


def entrance(provider: Provider) -> str:
    """Return the name of the internet's link to a provider."""
    return f"p{provider.number}"


def netns_names(topology: Topology) -> tuple[str, ...]:
    """Return the network namespaces of the world around the host."""
    return (*(each.netns for each in topology.providers), INTERNET)


def links(topology: Topology) -> list[str]:
    """Return what makes the namespaces and the links, all of them down."""
    lines = [f"netns add {name}" for name in netns_names(topology)]
    for each in topology.providers:
        here = there = ""
        if each.point_to_point:
            here = there = f"address 02:6c:77:00:00:{each.number:02x}"
        lines.append(f"link add {each.interface} {here} type veth peer name {OUTER} {there} netns {each.netns}")
        # Without ARP a packet is sent to the sender's own hardware address, so both ends have the same: whatever
        # the destination, no neighbour needs to be asked for.
        same = f"address 02:6c:78:00:00:{each.number:02x}"
        there = f"{entrance(each)} {same} netns {INTERNET}"
        lines.append(f"link add {BACKBONE} {same} netns {each.netns} type veth peer name {there}")
    return lines


def by_family(lines: Iterable[str]) -> dict[str, str]:
    """Return the texts for `ip`, `ip -4` and `ip -6`, without the empty ones."""
    texts = {"": "", "-4": "", "-6": ""}
    for line in lines:
        option = line[:2] if line[:2] in texts else ""
        texts[option] += f"{line.removeprefix(option).strip()}\n"
    return {option: text for option, text in texts.items() if text}


def _family(side: Side) -> str:
    return f"-{side.network.version}"


def host_side(topology: Topology) -> list[str]:
    """Return what configures the host's uplinks and its own default route."""
    lines = ["link set lo up"]
    for each in topology.providers:
        if each.point_to_point:
            lines.append(f"link set {each.interface} arp off")
        lines.append(f"link set {each.interface} up")
        for side in each.sides.values():
            own, *further = (_address(str(address), each.interface) for address in side.addresses)
            # In IPv6 masquerading takes whichever address RFC 6724 prefers: a deprecated one is the last.
            lines += [own, *(f"{line} preferred_lft 0" if side.network.version == IPV6 else line for line in further)]
    for family in (4, 6):
        for order, each in enumerate(topology.carriers(family)):
            if order == 0 or each.sides[family].announced:
                lines.append(_host_default(each, each.sides[family], 1024 * (order + 1)))
    return lines


def _address(address: str, link: str) -> str:
    return f"address add {address} dev {link}" + (" nodad" if ":" in address else "")


def _host_default(provider: Provider, side: Side, metric: int) -> str:
    via = "" if side.gateway is None else f"via {side.gateway} "
    return f"{_family(side)} route add default {via}dev {provider.interface} metric {metric}"


def provider_side(provider: Provider) -> list[str]:
    """Return what configures a provider: the host's network, the way on, and BCP 38."""
    lines = ["link set lo up", f"link set {BACKBONE} arp off addrgenmode none", f"link set {BACKBONE} up"]
    if provider.point_to_point:
        lines.append(f"link set {OUTER} arp off")
    lines.append(f"link set {OUTER} up")
    for side in provider.sides.values():
        lines += _provider_family(side)
    for family in {4, 6} - set(provider.sides):
        lines.append(f"-{family} rule add pref 30 iif {OUTER} blackhole")
    return lines


def _provider_family(side: Side) -> Iterator[str]:
    ip = _family(side)
    if side.gateway is not None:
        # The whole address alone, with no prefix around it: the neighbours in the network are the internet's to play.
        yield _address(f"{side.gateway}/{side.gateway.max_prefixlen}", OUTER)
    for address in side.exact:
        yield f"{ip} route add {address} dev {OUTER}"
    for address in side.neighbours:
        yield f"{ip} neighbour add proxy {address} dev {OUTER}"
    hop = f"dev {OUTER}" if side.gateway is None else f"via {side.host} dev {OUTER} onlink"
    for network in side.routed:
        yield f"{ip} route add {network} {hop}"
    yield f"{ip} route add default {hop} table {_TO_HOST}"
    yield f"{ip} route add default dev {BACKBONE}"
    yield f"{ip} rule add pref 10 iif {BACKBONE} lookup {_TO_HOST}"
    for permitted in side.permitted:
        yield f"{ip} rule add pref 20 iif {OUTER} from {permitted} lookup main"
    yield f"{ip} rule add pref 30 iif {OUTER} blackhole"


def internet_side(topology: Topology) -> list[str]:
    """Return what configures the internet: every address there is, and the way back by each provider."""
    # AnyIP: a local route makes every address of the prefix the machine's own. IPv4 takes an address for a source
    # only if table local has it, so there main, with the ways back, must be asked before local.
    lines = ["link set lo up"]
    lines += ["-4 route add local default dev lo table local", "-6 route add local default dev lo table main"]
    lines += ["-4 rule add pref 2 lookup main", "-4 rule add pref 3 lookup local", "-4 rule del pref 0"]
    claimed = set()
    for each in topology.providers:
        link = entrance(each)
        lines += [f"link set {link} arp off addrgenmode none", f"link set {link} up"]
        # What REDIRECT turns a destination into: the first address of the link the packet came in by.
        lines += [_address(f"169.254.77.{each.number}/32", link), _address(f"fd6c:7700::{each.number:x}/128", link)]
        for family, side in each.sides.items():
            table = _BY_PROVIDER + each.number
            lines.append(f"-{family} route add default dev {link} table {table}")
            lines.append(f"-{family} rule add pref 1 fwmark {each.number} lookup {table}")
            for network in (*map(ip_network, side.exact), *side.routed):
                if network not in claimed:
                    lines.append(f"-{family} route add {network} dev {link}")
                claimed.add(network)
    return lines


REDIRECT = f"""*nat
-A PREROUTING -p tcp -j REDIRECT --to-ports {ENTRY_PORT}
-A PREROUTING -p udp -j REDIRECT --to-ports {ENTRY_PORT}
COMMIT
"""
"""For iptables-restore in the internet: every port leads to the responders."""


_ANSWERING = {
    # The host may take a destination for a neighbour of its own: the provider answers, at once.
    f"net/ipv4/conf/{OUTER}/proxy_arp": "1",
    f"net/ipv6/conf/{OUTER}/proxy_ndp": "1",
    f"net/ipv4/neigh/{OUTER}/proxy_delay": "0",
    f"net/ipv6/neigh/{OUTER}/proxy_delay": "0",
}


def sysctls(netns: str, topology: Topology, host: dict[str, str]) -> dict[str, str]:
    """Return what is written below /proc/sys in a netns before its links go up; `host` is for the host ("") alone."""
    if netns:
        near = {} if netns == INTERNET else _ANSWERING
        return near | {
            "net/ipv4/ip_forward": "1",
            "net/ipv6/conf/all/forwarding": "1",
            "net/ipv4/conf/all/rp_filter": "0",
            **{f"net/ipv4/conf/{link}/rp_filter": "0" for link in _links_of(netns, topology)},
            # Both ends are made here: nobody else can have the addresses, and detection would cost a second.
            **{f"net/ipv6/conf/{link}/accept_dad": "0" for link in _links_of(netns, topology)},
        }
    quick = {f"net/ipv6/conf/{each.interface}/accept_dad": "0" for each in topology.providers}
    filtering = host.get("net/ipv4/conf/default/rp_filter")
    per_link = {f"net/ipv4/conf/{each.interface}/rp_filter": filtering for each in topology.providers if filtering}
    return quick | per_link | host


def _links_of(netns: str, topology: Topology) -> tuple[str, ...]:
    return tuple(map(entrance, topology.providers)) if netns == INTERNET else (OUTER, BACKBONE)
