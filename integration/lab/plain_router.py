"""What a host does that knows nothing of lanes: one default route, everything forwarded, everything masqueraded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from laneway.lab.run import Lab

TENANTS = {"acme-web": 20, "globex-app": 30}


def make_router(lab: Lab) -> None:
    """Plumb the workloads of both tenants and turn forwarding on."""
    for netns, number in TENANTS.items():
        lines = f"""
            netns add {netns}
            link add br{number} type bridge
            link set br{number} up
            address add 10.{number}.0.1/24 dev br{number}
            address add fd{number}::1/64 dev br{number} nodad
            link add v{number} type veth peer name eth0 netns {netns}
            link set v{number} master br{number} up
        """
        lab.run("ip", "-batch", "-", stdin=lines)
        inner = f"""
            link set lo up
            link set eth0 up
            address add 10.{number}.0.10/24 dev eth0
            address add fd{number}::10/64 dev eth0 nodad
            route add default via 10.{number}.0.1
            route add ::/0 via fd{number}::1
        """
        lab.run("ip", "-n", netns, "-batch", "-", stdin=inner)
    for key in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"):
        write_sysctl(lab, key, "1")


def write_sysctl(lab: Lab, key: str, value: str) -> None:
    """Write a sysctl of the lab's host."""
    lab.call(lambda: Path("/proc/sys", key).write_text(value) and None)


def masquerade(lab: Lab) -> None:
    """Hide the workloads behind the addresses of the uplinks."""
    for tool in ("iptables", "ip6tables"):
        for link in ("north0", "south0"):
            lab.run(tool, "-w", "5", "-t", "nat", "-A", "POSTROUTING", "-o", link, "-j", "MASQUERADE")
