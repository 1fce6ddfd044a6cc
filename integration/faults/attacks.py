"""What root inside a workload can do to its own network namespace, and what somebody on the host can do to its file."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from laneway.kernel.link_messages import RTM_NEWADDR, address_request
from laneway.kernel.netlink import NetlinkSocket
from laneway.kernel.netns import visit
from laneway.state.prefix import prefix

if TYPE_CHECKING:
    from integration.throwaway import Throwaway


_NOBODY = subprocess.DEVNULL


class Attack(NamedTuple):
    """A hostile workload: what is done once, and what it goes on doing."""

    script: str = ""
    loop: str = ""  # the body of a loop without end
    seen: str = ""  # that verify says of it, if it is to say anything
    stays: bool = False  # whether an apply can do nothing about it


_ROUTES = (
    "for n in $(seq 3000); do echo route add 11.$((n / 65536)).$((n / 256 % 256)).$((n % 256))/32 dev lo{};"
    " echo route add fd78::$(printf %x $n)/128 dev lo{}; done | ip -force -batch - 2>/dev/null || :"
)
_AWAY = "unshare -n sleep 1000 & sleep .5; ip link set eth0 netns $!"
_LACKS = "it lacks what this would give it"
ATTACKS = {
    "ok": Attack(),
    "noipv6all": Attack("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6", seen=_LACKS, stays=True),
    "noipv6eth": Attack("echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6", seen=_LACKS, stays=True),
    "noipv6def": Attack(
        "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6; ip link del eth0", seen=_LACKS, stays=True
    ),
    "nogroup": Attack("ip link set lo group 0", seen=_LACKS),
    "lodown": Attack("ip link set lo down", seen=_LACKS),
    "othergroup": Attack("ip link set eth0 group 0", seen=_LACKS),
    "alias": Attack("ip link set lo alias 'laneway tenant=globex workload=app'", seen=_LACKS),
    "squatted": Attack("ip link set eth0 name mine; ip link add eth0 type bridge", seen=_LACKS, stays=True),
    "renamed": Attack("ip link set eth0 name mine", seen=_LACKS),
    "movedoff": Attack(_AWAY, seen=_LACKS),
    "movedsquat": Attack(f"{_AWAY}; ip link add eth0 type bridge", seen=_LACKS, stays=True),
    "deleted": Attack("ip link del eth0", seen=_LACKS),
    "delsquat": Attack("ip link del eth0; ip link add eth0 type bridge", seen=_LACKS, stays=True),
    "down": Attack("ip link set eth0 down", seen=_LACKS),
    "mtumac": Attack("ip link set eth0 mtu 1300 address 02:66:66:66:66:66", seen=_LACKS),
    "addresses": Attack(
        "for n in $(seq 5); do for m in $(seq 250); do echo addr add 10.77.$n.$m/32 dev eth0;"
        " echo addr add fd77::$n:$m/128 dev eth0 nodad; done; done | ip -force -batch -",
        seen="more than 1000 addresses",
        stays=True,
    ),
    "ouraddrs": Attack(seen="more than 1000 addresses", stays=True),  # `flood` makes them: ip(8) before 6.3 cannot
    "routes": Attack(_ROUTES.format("", "")),
    "ourroutes": Attack(_ROUTES.format(" proto 147", " proto 147"), seen="more than 1000 routes", stays=True),
    "ourlinks": Attack("for n in $(seq 100); do ip link add d$n group 27767 type bridge; done"),
    # To who looks at indexes alone, each of these is the far end of another one's port.
    "forgedpeer": Attack(
        "for n in $(seq 6 60); do ip link add index $n name a$n group 27767 type veth peer name b$n; done; :"
    ),
    "oddname": Attack(
        "name=$(printf 'a\\033[31m;$(x)'); ip link add \"$name\" group 27767 type bridge;"
        ' ip link set eth0 alias "$name";'
        ' ip route add 10.79.0.0/24 dev "$name" proto 147; ip link set "$name" up;'
        ' ip route add 10.79.0.0/24 dev "$name" proto 147',
        seen=_LACKS,
    ),
    "readonly": Attack(
        "unshare -m sh -c 'mount --bind /proc/sys /proc/sys; mount -o remount,ro,bind /proc/sys; exec sleep 1000' &"
        " sleep .5; ip addr flush dev eth0",
        seen=_LACKS,
    ),
    "stopped": Attack("sleep 1000 & kill -STOP $!; ip addr flush dev eth0", seen=_LACKS),
    "rules": Attack(
        "ip rule add pref 1 prohibit; ip -6 rule add pref 1 prohibit; ip rule del pref 32766",
        seen="IPv6 packets are refused in there",
        stays=True,
    ),
    "halves": Attack(
        "ip route add 128.0.0.0/1 via 10.20.0.2 dev eth0 onlink", seen="leave it by a route of its own", stays=True
    ),
    "gateway": Attack(
        "ip -6 route add default via fe80::66 dev eth0 metric 1", seen="leave it by a route of its own", stays=True
    ),
    "listens": Attack("echo 1 > /proc/sys/net/ipv6/conf/eth0/accept_ra", seen=_LACKS),
    "filter": Attack("nft 'add table inet f; add chain inet f o { type filter hook output priority 0; policy drop; }'"),
    "flaplinks": Attack(loop="ip link add f0 type bridge; ip link del f0"),
    "flapeth": Attack(loop="ip link set eth0 down; ip link set eth0 up"),
    "flaproutes": Attack(loop="ip -6 route add fd99::/64 dev lo; ip -6 route del fd99::/64 dev lo"),
    "flapaddrs": Attack(loop="ip addr add 10.98.0.1/24 dev eth0; ip addr del 10.98.0.1/24 dev eth0"),
    "flapgroup": Attack(loop="ip link set lo group 0; ip link set lo group 27767"),
}

ON_THE_HOST = {
    "plainfile": Attack("umount /run/netns/acme-plainfile; echo > /run/netns/acme-plainfile", seen=_LACKS, stays=True),
    "symlink": Attack(
        "umount /run/netns/acme-symlink; ln -sf /run/netns/globex-app /run/netns/acme-symlink", seen=_LACKS, stays=True
    ),
    "fifo": Attack(
        "umount /run/netns/acme-fifo; rm /run/netns/acme-fifo; mkfifo /run/netns/acme-fifo", seen=_LACKS, stays=True
    ),
    "others": Attack("ip netns del acme-others; ip netns add acme-others", seen=_LACKS, stays=True),
    "nofile": Attack("ip netns del acme-nofile", seen=_LACKS),
}

HOSTILE = {**ATTACKS, **ON_THE_HOST}


def turn_hostile(host: Throwaway) -> list[subprocess.Popen[bytes]]:
    """Have every workload of acme do what its name says, and return those that go on."""
    loops = []
    for name, attack in ATTACKS.items():
        inside = [*host.prefix, "ip", "netns", "exec", f"acme-{name}", "sh", "-c"]
        if attack.script:
            subprocess.run([*inside, f"{attack.script}\ntrue"], check=True, timeout=120, stdout=_NOBODY, stderr=_NOBODY)
        if attack.loop:
            endless = f"while :; do {attack.loop}; done"
            loops.append(subprocess.Popen([*inside, endless], start_new_session=True, stdout=_NOBODY, stderr=_NOBODY))
    for attack in ON_THE_HOST.values():
        host.sh(attack.script)
    host.call(flood, "acme-ouraddrs")
    return loops


def flood(name: str) -> None:
    """Give the workload's link thousands of addresses that bear our mark."""

    def add(_: str, kernel: NetlinkSocket) -> None:
        link = kernel.link_index("eth0")
        wanted = [prefix(f"10.78.{n}.{m}/32") for n in range(20) for m in range(1, 251)]
        assert kernel.send([address_request(RTM_NEWADDR, each, link) for each in wanted]) == []

    assert visit([name], add) == {}


def ended(loops: list[subprocess.Popen[bytes]]) -> None:
    """End what goes on."""
    for each in loops:
        os.killpg(each.pid, signal.SIGKILL)
        each.wait()


def advertise() -> None:
    """Say in this network namespace, as a router may, that its sender is the way to everywhere (RFC 4861, 4.2)."""
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sender:
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        index = socket.if_nametoindex("eth0")
        # Type and code, checksum, hop limit, flags with the highest preference (RFC 4191), lifetime, and two timers.
        body = struct.pack(">BBHBBHII", 134, 0, 0, 64, 0x08, 1800, 0, 0)
        sender.sendto(body, ("ff02::1", 0, 0, index))
