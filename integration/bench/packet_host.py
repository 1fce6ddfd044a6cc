"""Throw-away hosts that forward packets: two uplinks, a crowd of tenants, and workloads of those that are measured."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from integration.bench.crowd import NORTH, SOUTH, Member, crowd
from integration.bench.layouts import by_hand
from integration.throwaway import Throwaway

if TYPE_CHECKING:
    from collections.abc import Sequence

    from laneway.state.facts import Variant
    from laneway.state.host import HostState

NOBODY = "02:00:00:00:00:99"
"""A link address that no link has: who receives a frame for it drops it at once."""

UPLINKS = ("eth0", "eth1")
MOST_BRIDGES = 1000
_STAND_INS = [f"crowd{number}" for number in range(64)]
_STAND_IN_LINKS = f"""
for name in {" ".join(_STAND_INS)}; do
    ip link add $name type veth peer name $name-end
    ip link set $name up
    ip link set $name-end up
done
"""
_ANSWERS = Path(__file__).with_name("answers.py")
_MANY = 1 << 20

WORLD = f"""
sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
sysctl -qw net.netfilter.nf_conntrack_udp_timeout=300
for uplink in eth0:{NORTH[0]}:192.0.2.2:a eth1:{SOUTH[0]}:198.51.100.2:b; do
    IFS=: read link gateway own family <<END
$uplink
END
    ip netns add far-$link
    ip link add $link type veth peer name far netns far-$link
    ip link set $link up
    ip -n far-$link link set far up
    ip addr add $own/24 dev $link
    ip addr add 2001:db8:$family::2/64 dev $link nodad
    ip neigh replace $gateway lladdr {NOBODY} dev $link nud permanent
    ip neigh replace 2001:db8:$family::1 lladdr {NOBODY} dev $link nud permanent
done
"""


_STRANGER = (
    """
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip netns add stranger
ip link add stranger0 type veth peer name eth0 netns stranger
ip link set stranger0 up
ip -n stranger link set eth0 up
ip addr add 172.30.0.1/24 dev stranger0
ip addr add fd30::1/64 dev stranger0 nodad
ip neigh replace 172.30.0.2 lladdr {nobody} dev stranger0 nud permanent
ip neigh replace fd30::2 lladdr {nobody} dev stranger0 nud permanent
ip route add default via {{gateway4}} dev eth0
ip -6 route add default via {{gateway6}} dev eth0
iptables-{{variant}} -w 5 -t nat -A POSTROUTING -s 172.30.0.0/24 -o eth0 -j MASQUERADE
ip6tables-{{variant}} -w 5 -t nat -A POSTROUTING -s fd30::/64 -o eth0 -j MASQUERADE
""".replace("{nobody}", NOBODY)
    .replace("{{", "{")
    .replace("}}", "}")
)


class Sample(NamedTuple):
    """What one burst of packets showed."""

    sent: int
    arrived: int
    wall: float  # seconds
    own: float  # seconds of the sending thread, in which the kernel forwards

    @property
    def rate(self) -> float:
        """Packets forwarded a second of one core's time."""
        return self.arrived / self.own


class Burst(NamedTuple):
    """Packets to send: from which namespace and link, as what."""

    netns: str
    link: str
    to_mac: str
    source: str
    target: str
    port: int
    leaves: str  # the link of the host whose sent packets are counted
    back: bool = False  # flows differ in the source address


class PacketHost:
    """A host between two uplinks and tenants."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._host = Throwaway()
        self._flow = 0

    def __enter__(self) -> Self:
        self._host.__enter__()
        self._host.sh(WORLD)
        return self

    def __exit__(self, *_: object) -> None:
        self._host.__exit__()

    def sh(self, script: str) -> str:
        """Run a shell script on the host."""
        return self._host.sh(script)

    def lay(self, count: int, *, variant: Variant, measured: Sequence[Member]) -> None:
        """Program laneway's data path for `count` busy tenants; only `measured` ones get their workloads.

        Of more than `MOST_BRIDGES` only they get their bridges too, with each of which the kernel holds up all
        networking for 20 ms in the end: a few links bear the addresses and the routes of all the others.
        """
        there = {each.netns for each in measured}
        if count > MOST_BRIDGES:
            self._host.sh(_STAND_IN_LINKS)
        text = crowd(count, variant=variant, busy=True)
        self._host.call(_lay, text, variant, there, count > MOST_BRIDGES)
        for each in measured:
            self._mute(each)

    def lay_by_hand(self, count: int, *, variant: Variant) -> None:
        """Program the linear layout for `count` tenants, of whom the last is there."""
        script, fed = by_hand(count, variant=variant)
        self._host.sh(script)
        for command, text in fed.items():
            self._host.run(command.split(), input=text)
        self._mute(Member(count - 1))

    def _mute(self, member: Member) -> None:
        """Send what comes for a workload to a link address that is not its own: it must not answer."""
        for address in member.addresses:
            self._host.sh(f"ip neigh replace {address} lladdr {NOBODY} dev {member.bridge} nud permanent")

    def add_stranger(self, *, variant: Variant) -> None:
        """Add a namespace that is none of laneway's, for which the host forwards and translates addresses."""
        self._host.sh(_STRANGER.format(variant=variant, gateway4=NORTH[0], gateway6=NORTH[1]))

    def stranger(self, family: int) -> Burst:
        """Return packets of the stranger to the internet."""
        source = "172.30.0.2" if family == 4 else "fd30::2"
        target = "198.18.0.0" if family == 4 else "2001:db8:ffff::"
        return Burst("stranger", "eth0", self.mac("stranger0"), source, target, 9000, UPLINKS[0])

    def mac(self, link: str) -> str:
        """Return a link's address."""
        return self._host.sh(f"cat /sys/class/net/{link}/address").strip()

    def port_of(self, bridge: str) -> str:
        """Return the one port of a bridge."""
        return self._host.sh(f"ls /sys/class/net/{bridge}/brif").strip()

    def outward(self, member: Member, family: int) -> Burst:
        """Return packets of a tenant to the internet."""
        source = member.addresses[family == 6]
        target = "198.18.0.0" if family == 4 else "2001:db8:ffff::"
        return Burst(member.netns, "eth0", self.mac(member.bridge), source, target, 9000, UPLINKS[0])

    def inward(self, member: Member, family: int) -> Burst:
        """Return packets from the internet to a tenant's published port."""
        source = "198.18.0.0" if family == 4 else "2001:db8:ffff::"
        target = "192.0.2.2" if family == 4 else "2001:db8:a::2"
        leaves = self.port_of(member.bridge)
        return Burst("far-eth0", "far", self.mac("eth0"), source, target, member.port, leaves, back=True)

    def send(self, burst: Burst, *, flows: int, count: int) -> Sample:
        """Send `count` packets in `flows` flows, or with no flows each in a flow that was never before."""
        first = 0 if flows else self._flow
        self._flow += 0 if flows else count
        argv = ["nsenter", f"--net=/run/netns/{burst.netns}", "--", str(self._program), burst.link, burst.to_mac]
        argv += [burst.source, burst.target, str(burst.port), str(flows or _MANY), str(first), str(count)]
        before = self._sent_by(burst.leaves)
        done = self._host.run([*argv, *(["back"] if burst.back else [])], timeout=300)
        arrived = self._sent_by(burst.leaves) - before
        sent, wall, own = (int(word) for word in done.stdout.split())
        if arrived < 0.98 * sent:
            message = f"{burst}: of {sent} packets only {arrived} were forwarded"
            raise RuntimeError(message)
        return Sample(sent, arrived, wall / 1e9, own / 1e9)

    def establish(self, burst: Burst, *, flows: int) -> None:
        """Have each of a burst's flows answered once, so that to conntrack it is established."""
        far = ["nsenter", f"--net=/run/netns/far-{burst.leaves}", "--", sys.executable, str(_ANSWERS)]
        with subprocess.Popen([*self._host.prefix, *far, "far", str(flows)], stdout=subprocess.PIPE, text=True) as peer:
            assert peer.stdout is not None
            peer.stdout.readline()
            self.send(burst, flows=flows, count=flows)
        entries = self._host.sh("cat /proc/net/nf_conntrack").splitlines()
        answered = sum(f"dport={burst.port} " in line and "UNREPLIED" not in line for line in entries)
        if answered < flows:
            message = f"{burst}: of {flows} flows only {answered} are established"
            raise RuntimeError(message)

    def send_nowhere(self, link: str, *, count: int) -> Sample:
        """Send packets by a link of the host itself to nobody."""
        argv = [str(self._program), link, NOBODY, "10.0.0.1", "198.18.0.0", "9", "64", "0", str(count)]
        sent, wall, own = (int(word) for word in self._host.run(argv).stdout.split())
        return Sample(sent, sent, wall / 1e9, own / 1e9)

    def _sent_by(self, link: str) -> int:
        return int(self._host.sh(f"cat /sys/class/net/{link}/statistics/tx_packets"))

    def forget_flows(self) -> None:
        """Empty conntrack, so that it is never full."""
        self._host.sh("conntrack -F >/dev/null 2>&1")


def compiled(directory: Path) -> Path:
    """Return the packet source, compiled into `directory`."""
    program = directory / "source"
    source = Path(__file__).with_name("source.c")
    subprocess.run(["cc", "-O2", "-o", str(program), str(source)], check=True, timeout=60)
    return program


def _lay(text: str, variant: Variant, netns: set[str], without_bridges: bool) -> None:  # noqa: FBT001
    from laneway.apply.target import target
    from laneway.kernel.host import LinuxHost
    from laneway.kernel.restore_chains import IptablesChains
    from laneway.plan.plan import plan
    from laneway.policy.load import load_text
    from laneway.state.host import HostState

    host = LinuxHost(chains=IptablesChains(variant))
    policy = load_text(text)
    desired = target(policy, HostState(), host.facts(UPLINKS)).desired
    desired = _without_workloads(desired, netns)
    if without_bridges:
        _leave_out_bridges(desired)
    host.run(plan(desired, HostState()))


def _without_workloads(state: HostState, there: set[str]) -> HostState:
    """Return a desired state less the workloads that nobody measures."""
    from laneway.plan.implied import without_links

    away = state.netns.keys() - there
    return without_links(state, {key for key in state.links if key.netns in away}, away)


def _leave_out_bridges(state: HostState) -> None:
    """Have a few links stand in for the bridges without a port: to add to a link's addresses, it walks them all."""
    from laneway.state.links import LinkKind
    from laneway.state.prefix import is_link_local

    in_use = {link.master for link in state.links.values()}
    alone = [key.name for key, link in state.links.items() if link.kind == LinkKind.BRIDGE and key.name not in in_use]
    bearer = {bridge: _STAND_INS[number % len(_STAND_INS)] for number, bridge in enumerate(alone)}
    state.links = {key: link for key, link in state.links.items() if key.name not in bearer}
    state.sysctls = {key: value for key, value in state.sysctls.items() if bearer.keys().isdisjoint(key.split("/"))}
    # No packet asks for the link-local address of any of them.
    borne = (key for key in state.addresses if key.link not in bearer or not is_link_local(key.address))
    state.addresses = {key._replace(link=bearer.get(key.link, key.link)): None for key in borne}
    state.routes = {key: route._replace(dev=bearer.get(route.dev, route.dev)) for key, route in state.routes.items()}
