"""What an operator wrote, parsed once: addresses are addresses here, and every reference is known to exist.

Values of this module are made by `laneway.policy.load` alone, so the rest of the program needs no second look.

They are named tuples, as is all that `check` makes: to make a class of `dataclasses` takes several times as long, and
`dataclasses` loads `inspect`. A named tuple equals every tuple of the same values: those of one collection are of one
class.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal, NamedTuple

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

AUTO: Literal["auto"] = "auto"
"""The gateway is what main's default route by this interface says (DHCP, router advertisements)."""

ONLINK: Literal["onlink"] = "onlink"
"""The link is point-to-point: the device is enough, there is no gateway."""

Gateway = Address | Literal["auto", "onlink"] | None
"""How an uplink reaches the world in one family; None: it does not carry that family."""

Path = tuple[str | int, ...]
"""Where a thing stands in its file: `("tenants", "acme", "classes", 0)`."""


class Source(NamedTuple):
    """The file a thing was read from, and its path in that file alone; `policy.locate` turns it into a line."""

    file: str
    path: Path


class Ports(NamedTuple):
    """An inclusive range of ports, 1 to 65535."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def __contains__(self, port: object) -> bool:
        return isinstance(port, int) and self.first <= port <= self.last

    @property
    def size(self) -> int:
        """Return how many they are."""
        return self.last - self.first + 1


class HostSettings(NamedTuple):
    """The `[host]` table: what laneway may use on this host."""

    marks: int = 0xFFFF0000  # one contiguous field of the 32-bit packet mark
    max_uplinks: int = 7
    tables: tuple[int, int] = (20000, 85535)
    priorities: tuple[int, int] = (10000, 19999)
    iptables: Literal["auto", "legacy", "nft"] = "auto"


class Uplink(NamedTuple):
    """A way out of the host: an interface and a gateway per family."""

    name: str
    interface: str
    gateway4: Gateway
    gateway6: Gateway
    masquerade: bool
    snat: tuple[Address, ...]  # at most one per family; empty: masquerade, or nothing
    source: Source


class Publish(NamedTuple):
    """A port of the host that reaches a workload, as container users write it: `[ADDRESS:]PORTS:PORTS[/PROTOCOL]`."""

    host: Address | None  # None: every address of the host, both families
    host_ports: Ports
    ports: Ports  # as many as host_ports
    protocol: Literal["tcp", "udp"]
    source: Source


class Workload(NamedTuple):
    """One network namespace of a tenant, on the tenant's bridge."""

    name: str
    addresses: tuple[Address, ...]
    publish: tuple[Publish, ...]
    source: Source


class TenantRoute(NamedTuple):
    """An extra route in all of a tenant's tables: by a router on its bridge, or a refusal."""

    to: Network
    via: Address | None  # inside one of the tenant's subnets; None: `kind` says what happens
    kind: Literal["unicast", "blackhole", "unreachable", "prohibit"]
    source: Source


class ClassMatch(NamedTuple):
    """Which of a tenant's packets a class is about; empty parts match everything."""

    protocol: str | None = None  # a name of /etc/protocols ("tcp", "icmp" meaning ICMPv6 in IPv6), or a number as text
    ports: tuple[Ports, ...] = ()  # destination ports; only with tcp, udp, sctp, dccp, udplite
    to: tuple[Network, ...] = ()
    from_: tuple[Network, ...] = ()
    dscp: int | None = None  # 0 to 63 (RFC 2474)


class TrafficClass(NamedTuple):
    """Some of a tenant's traffic that takes another lane, or is refused; the first that matches wins."""

    name: str
    match: ClassMatch
    uplink: str | None
    action: Literal["reject", "drop"] | None  # None exactly when `uplink` is given
    source: Source


class Service(NamedTuple):
    """A protocol and ports: `"53/udp"`, `"8000-8010/tcp"`, or `"icmp"` (echo requests in both families)."""

    protocol: Literal["tcp", "udp", "icmp"]
    ports: Ports | None  # None exactly for icmp


class Allow(NamedTuple):
    """A hole in the wall between tenants: the owner may reach these services of another tenant."""

    tenant: str
    workload: str | None  # None: every workload of the tenant
    services: tuple[Service, ...]
    source: Source


class Tenant(NamedTuple):
    """An owner of subnets, namespaces and policy."""

    name: str
    subnets: tuple[Network, ...]
    uplinks: tuple[str, ...]  # in order of preference; the first carries what no class sends elsewhere
    source: Source
    id: int | None = None
    snat: tuple[tuple[str, Address], ...] = ()  # (uplink, address) pairs, at most one per uplink and family
    host_access: tuple[Service, ...] = (Service("icmp", None),)
    dns: tuple[Address, ...] = ()
    isolate: bool = False  # its workloads do not reach each other
    workloads: tuple[Workload, ...] = ()
    routes: tuple[TenantRoute, ...] = ()
    classes: tuple[TrafficClass, ...] = ()
    allow: tuple[Allow, ...] = ()


class Expect(NamedTuple):
    """A test of the policy itself: what must become of one packet."""

    from_: str  # "tenant/workload", or an address outside, together with `arrives`
    to: Address
    protocol: Literal["tcp", "udp", "icmp"]
    port: int | None  # None exactly for icmp
    uplink: str | None  # the packet is delivered by this uplink; None: see `result`
    result: Literal["delivered", "refused"]  # "refused" means rejected or dropped, whichever
    source: Source
    arrives: str | None = None  # the uplink an outside packet comes in by


class PolicySet(NamedTuple):
    """Everything the given files say, merged; tenants and uplinks in the order of their names."""

    host: HostSettings = HostSettings()
    uplinks: tuple[Uplink, ...] = ()
    tenants: tuple[Tenant, ...] = ()
    expects: tuple[Expect, ...] = ()
