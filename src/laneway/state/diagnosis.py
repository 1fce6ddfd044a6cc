"""What was found on a host when it was looked over for whatever would break a policy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from laneway.state.facts import Foreign, Listener, Variant
from laneway.state.underlay import Underlay


class LinkSeen(NamedTuple):
    """A link of the host."""

    name: str
    up: bool
    carrier: bool
    mtu: int
    ours: bool = False
    resolves: bool = False  # neighbours' addresses: it is no point-to-point link and has ARP (netdevice(7))


class Trial(NamedTuple):
    """Something that laneway asks of a kernel, tried where it harms nobody, that did not work."""

    what: str
    error: str
    module: str = ""  # the kernel module that has it; "": always built in


class StrangeRules(NamedTuple):
    """Rules in the variant of iptables that this host's `iptables` does not show."""

    family: int
    table: str
    rules: int  # of others
    ours: bool = False  # there are chains of laneway's too
    policies: tuple[str, ...] = ()  # base chains whose policy is not ACCEPT


class Networkd(NamedTuple):
    """What systemd-networkd does with rules and routes that are not its own (networkd.conf(5))."""

    manages_rules: bool
    manages_routes: bool


class Firewalld(NamedTuple):
    """How firewalld is set up (firewalld.conf(5))."""

    backend: str  # "nftables" or "iptables"
    trusted: frozenset[str] = frozenset()  # interfaces of its zone "trusted"
    ipv6_rpfilter: str = "yes"
    version: str = ""  # where it is known


class Flusher(NamedTuple):
    """What takes away rules that are not its own whenever it starts."""

    program: str
    file: str
    what: str  # of the file's, by which it does


class Unrouted(NamedTuple):
    """Packets of others that laneway refused to forward, since the host did not before."""

    family: int
    packets: int
    allowed: frozenset[str] = frozenset()  # links that the operator's own chain lets pass


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that the doctor looks at. What could not be looked at is None or empty, and named in `unseen`."""

    kernel: tuple[int, int] = (0, 0)
    variant: Variant | None = None
    nftables: bool = True  # the kernel has nf_tables
    links: tuple[LinkSeen, ...] = ()
    underlay: Underlay = field(default_factory=Underlay)
    gateways: dict[tuple[str, int], bytes] = field(default_factory=dict)  # of uplinks, as "auto" would take them
    sysctls: dict[str, str] = field(default_factory=dict)
    foreign: Foreign = field(default_factory=Foreign)
    listeners: frozenset[Listener] = frozenset()
    in_force: bool = False  # laneway's ip rules are there
    trials: tuple[Trial, ...] = ()  # those that failed
    missing_tools: tuple[tuple[str, str], ...] = ()  # program, and what brings it
    strangers: tuple[StrangeRules, ...] = ()
    clamped: frozenset[tuple[int, str]] = frozenset()  # families and links with a TCPMSS rule; link "": any
    running: frozenset[str] = frozenset()  # "dockerd", "firewalld", …: programs that see this network
    ufw: bool = False
    networkd: Networkd | None = None
    firewalld: Firewalld | None = None
    networkmanager_leaves: frozenset[str] = frozenset()  # patterns of interfaces it is told to leave alone
    unrouted: tuple[Unrouted, ...] = ()
    flushers: tuple[Flusher, ...] = ()
    networkd_file: str = ""  # by which systemd-networkd would set up links of laneway's
    dhcpcd_takes: bool = False  # it would ask for leases on them
    connman_takes: bool = False  # it would set them up
    names_read_only: str = ""  # the directory for table names when it cannot be written, or nothing
    remount: str = ""  # the mount point to blame for that
    unseen: tuple[str, ...] = ()


def watched_sysctls(links: tuple[str, ...]) -> tuple[str, ...]:
    """Return the sysctls that matter on a host with these uplinks."""
    each = ("all", "default", *links)
    return (
        "net/ipv4/ip_forward",
        "net/ipv6/conf/all/forwarding",
        "net/ipv6/conf/all/disable_ipv6",
        "net/bridge/bridge-nf-call-iptables",
        "net/bridge/bridge-nf-call-ip6tables",
        "net/netfilter/nf_conntrack_max",
        "net/netfilter/nf_conntrack_count",
        "net/ipv4/neigh/default/gc_thresh3",
        "net/ipv6/neigh/default/gc_thresh3",
        *(f"net/ipv4/conf/{name}/{key}" for name in each for key in ("rp_filter", "route_localnet")),
        *(f"net/ipv4/conf/{name}/forwarding" for name in links),
        *(f"net/ipv6/conf/{name}/{key}" for name in links for key in ("accept_ra", "disable_ipv6")),
    )
