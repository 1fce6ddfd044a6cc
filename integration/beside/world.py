"""A host between two providers, with two tenants by laneway, and beside them whatever others run there."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from itertools import chain, permutations, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable, Iterator
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

    from integration.beside.machine import Machine

_TRAFFIC = Path(__file__).with_name("traffic.py")
INTERNET = ("203.0.113.10", "2001:db8:ffff::10")
_UPLINKS = """
sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0
for way in north:n0:1 south:s0:2; do
    IFS=: read -r provider link net <<END
$way
END
    ip netns add $provider
    ip link add $link type veth peer name wan netns $provider
    ip addr add 192.0.$net.2/24 dev $link
    ip addr add 2001:db8:$net::2/64 dev $link nodad
    ip link set $link up
    ip -n $provider addr add 192.0.$net.1/24 dev wan
    ip -n $provider addr add 2001:db8:$net::1/64 dev wan nodad
    ip -n $provider addr add 203.0.113.10/32 dev lo
    ip -n $provider addr add 2001:db8:ffff::10/128 dev lo nodad
    ip -n $provider link set lo up
    ip -n $provider link set wan up
    ip -n $provider route add 192.0.$net.2 dev wan src 203.0.113.10
    ip -n $provider -6 route add 2001:db8:$net::2 dev wan src 2001:db8:ffff::10
    for private in 10.0.0.0/8 172.16.0.0/12; do
        ip -n $provider route add $private via 192.0.$net.2 src 203.0.113.10
    done
    ip -n $provider -6 route add fd00::/8 via 2001:db8:$net::2 src 2001:db8:ffff::10
done
ip route add default via 192.0.1.1
ip -6 route add default via 2001:db8:1::1
"""
POLICY = """
[uplinks.north]
interface = "n0"
gateways = ["192.0.1.1", "2001:db8:1::1"]

[uplinks.south]
interface = "s0"
gateways = ["192.0.2.1", "2001:db8:2::1"]

[tenants.acme]
subnets = ["10.20.0.0/24", "fd20::/64"]
uplinks = ["north", "south"]

[tenants.acme.workloads.web]
addresses = ["10.20.0.10", "fd20::10"]
publish = ["8080:80/tcp"]

[tenants.acme.workloads.db]
addresses = ["10.20.0.11", "fd20::11"]

[tenants.globex]
subnets = ["10.30.0.0/24", "fd30::/64"]
uplinks = ["south"]

[tenants.globex.workloads.app]
addresses = ["10.30.0.10", "fd30::10"]
"""
UPLINKS = {"north": ("192.0.1.2", "2001:db8:1::2"), "south": ("192.0.2.2", "2001:db8:2::2")}
NEIGHBOUR = ("192.0.2.1", "2001:db8:2::1")  # the gateway of south itself
WORKLOADS = {
    "acme-web": ("10.20.0.10", "fd20::10"),
    "acme-db": ("10.20.0.11", "fd20::11"),
    "globex-app": ("10.30.0.10", "fd30::10"),
}
WAY = {"acme": "north", "globex": "south"}
_ANY = ("0.0.0.0", "::")  # noqa: S104  in namespaces that are the test's own
_NO_ANSWER = "has no answer from"
_CLOSED = 4001  # a port where nobody listens: of UDP, an ICMP error would say so


class Container(NamedTuple):
    """Somebody else's container: where it is, its addresses, and the port of the host that leads to its port 80."""

    name: str
    netns: str
    addresses: tuple[str, ...]
    port: int = 0


class Probe(NamedTuple):
    """A packet that is sent, and where it is wanted; nowhere, if it is refused."""

    by: str
    to: str
    protocol: str
    port: int
    wanted: str = ""
    source: str = ""  # that of a wanted one, on arrival, if it is known
    by_way_of: str = ""  # where it may be seen besides
    own: str = ""  # the address that it is sent from


class Events(dict[str, list[str]]):
    """What was wrong after each of the things that happened."""

    def __str__(self) -> str:
        """Return all of it, an event a paragraph."""
        return "\n".join(
            f"{len(wrong)} after {event}:\n  " + "\n  ".join(wrong) for event, wrong in self.items() if wrong
        )


@dataclass(frozen=True)
class World:
    """The host, and what is on it."""

    host: Machine
    policy: Path = Path("/run/policy.toml")
    containers: dict[str, Container] = field(default_factory=dict)

    def build(self) -> None:
        """Make the providers and their links, and write the policy down."""
        self.host.sh(_UPLINKS)
        self.host.run(["tee", str(self.policy)], input=POLICY)

    def use_iptables(self, variant: str) -> None:
        """Make iptables of the variant that which everybody on the host uses."""
        for tool, suffix in product(("iptables", "ip6tables"), ("", "-save", "-restore")):
            self.host.sh(f"ln -sf /usr/sbin/{tool}-{variant}{suffix} /etc/alternatives/{tool}{suffix}")

    def laneway(self, *arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run laneway, which must exit with `code`, and never with a traceback."""
        done = self.host.run([sys.executable, "-m", "laneway", *arguments], check=False)
        assert code is None or done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return done

    def apply(self) -> None:
        """Apply the policy."""
        self.laneway("apply", str(self.policy))

    def wrong(self, *, tenants: bool = True, patient: bool = True) -> list[str]:
        """Send all packets that say whether everybody keeps to himself, and return what was not as it should be."""
        probes = [*(self._of_tenants() if tenants else ()), *self._of_containers(tenants=tenants)]
        told = self._round(probes, tenants=tenants, patient=patient)
        found = [*_misled(zip(probes, told["seen"], strict=True)), *self._strays(told["packets"])]
        return sorted(set(found))

    def leaks(self) -> list[str]:
        """Return what was seen where it must not be: that something does not work is no leak."""
        return [each for each in self.wrong(patient=False) if _NO_ANSWER not in each]

    def _round(self, probes: list[Probe], *, tenants: bool, patient: bool) -> Any:
        workloads = WORKLOADS if tenants else {}
        places = {name: f"/run/netns/{name}" for name in (*UPLINKS, *workloads)}
        places |= {one.name: one.netns for one in self.containers.values()} | {"host": "/proc/1/ns/net"}
        listening = [(place, "tcp", 80, address) for place in places if place != "host" for address in _ANY]
        listening += [(provider, "udp", 80, address) for provider, address in product(UPLINKS, INTERNET)]
        asked: dict[str, Any] = {"places": places, "listening": listening, "patient": patient}
        asked["probes"] = [probe._asdict() for probe in probes]
        return json.loads(self.host.run([sys.executable, str(_TRAFFIC)], input=json.dumps(asked)).stdout)

    def _of_tenants(self) -> Iterator[Probe]:
        """Yield what says whether laneway does its work."""
        for provider, outside in UPLINKS.items():
            for private in chain(*WORKLOADS.values()):
                yield from _all_protocols(provider, private)
            for address in outside:
                yield Probe(provider, address, "tcp", 8080, "acme-web")
        for (name, _), (other, theirs) in permutations(WORKLOADS.items(), 2):
            if _tenant(name) != _tenant(other):
                for address in theirs:
                    yield from _all_protocols(name, address)
        for name in WORKLOADS:
            way = WAY[_tenant(name)]
            for family, address in enumerate(INTERNET):
                yield from _all_protocols(name, address, port=80, wanted=way, source=UPLINKS[way][family])

    def _of_containers(self, *, tenants: bool) -> Iterator[Probe]:
        """Yield what says whether others' containers work, and whether they and tenants keep apart."""
        for one in self.containers.values():
            if tenants:
                for address in chain(*WORKLOADS.values()):
                    yield from _all_protocols(one.name, address)
                for name, address in product(WORKLOADS, one.addresses):
                    # To a tenant these are addresses like all others, and its provider has nobody there.
                    yield from _all_protocols(name, address, port=80, by_way_of=WAY[_tenant(name)])
            for family in {":" in address for address in one.addresses}:
                yield from _all_protocols(
                    one.name, INTERNET[family], port=80, wanted="north", source=UPLINKS["north"][family]
                )
                # Answers of others' leave by the host's one default route: by south it is the neighbour who asks.
                for provider, own in (("north", ""), ("south", NEIGHBOUR[family])) if one.port else ():
                    yield Probe(provider, UPLINKS[provider][family], "tcp", one.port, one.name, own=own)
            for address in one.addresses:
                yield Probe("host", address, "tcp", 80, one.name)

    def _strays(self, packets: list[tuple[str, str, str, str]]) -> Iterator[str]:
        """Yield what came from whom nothing may come there, whoever sent it and whatever it was."""
        for place, source, to, protocol in packets:
            address = ip_address(source)
            if place in UPLINKS:
                # What the host itself reports by ICMP goes by its default route; tenants' own is told by the probes.
                own = chain(*UPLINKS.values()) if protocol == "icmp" else UPLINKS[place]
                stray = source not in own and not (address.is_link_local or address.is_unspecified)
            elif place in WORKLOADS:
                stray = _inside(address, _PRIVATE) and not _inside(address, _TENANTS[_tenant(place)])
            else:
                stray = place != "host" and _inside(address, chain(*_TENANTS.values()))
            if stray:
                yield f"{place} saw {source} → {to} {protocol}"


_PRIVATE = tuple(ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "fd00::/8"))
_TENANTS = {
    "acme": (ip_network("10.20.0.0/24"), ip_network("fd20::/64")),
    "globex": (ip_network("10.30.0.0/24"), ip_network("fd30::/64")),
}


def _tenant(workload: str) -> str:
    return workload.partition("-")[0]


def _inside(address: IPv4Address | IPv6Address, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    return any(address in network for network in networks)


def _all_protocols(by: str, to: str, *, port: int = _CLOSED, **more: str) -> Iterator[Probe]:
    for protocol in ("tcp", "udp", "icmp"):
        yield Probe(by, to, protocol, port, **more)


def _misled(told: Iterable[tuple[Probe, dict[str, Any]]]) -> Iterator[str]:
    """Yield each probe that was not seen where it is wanted, and there alone."""
    for probe, seen in told:
        said = f"{probe.by} → {probe.to} {probe.protocol}" + (f"/{probe.port}" if probe.protocol != "icmp" else "")
        for place, source in seen["arrived"]:
            if place not in (probe.wanted, probe.by_way_of, "host"):  # the host forwards
                yield f"{said} arrived at {place} as {source}"
            elif place == probe.wanted and probe.source not in ("", source):
                yield f"{said} arrived at {place} as {source}, not as {probe.source}"
        if probe.wanted and not seen["answered"]:
            arrived = "" if any(place == probe.wanted for place, _ in seen["arrived"]) else ", and it did not arrive"
            refused = f", refused by {', '.join(seen['refused'])}" if seen["refused"] else ""
            yield f"{said} {_NO_ANSWER} {probe.wanted}{arrived}{refused}"
