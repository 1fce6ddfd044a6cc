"""An operator keeps the way by which he or she is logged in, also where that is no uplink."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway

MANAGEMENT = """
ip netns add admin
ip link add mgmt type veth peer name eth0 netns admin
ip -n admin link set lo up; ip -n admin link set eth0 address 02:00:00:00:00:01 up
ip -n admin addr add fe80::1/64 dev eth0 nodad
echo 1 > /proc/sys/net/ipv6/conf/mgmt/accept_ra; echo 0 > /proc/sys/net/ipv6/conf/mgmt/accept_dad
ip link set mgmt up
"""
ADVERTISE = """
import socket
import struct
def checked(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
ends = socket.inet_pton(socket.AF_INET6, "fe80::1") + socket.inet_pton(socket.AF_INET6, "ff02::1")
said = struct.pack(">BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)  # RFC 4861, 4.2: a router for half an hour
said = said[:2] + struct.pack(">H", checked(ends + struct.pack(">II", len(said), 58) + said)) + said[4:]
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("eth0", 0))
ethernet = bytes.fromhex("333300000001 020000000001 86dd")
out.send(ethernet + struct.pack(">IHBB", 0x60000000, len(said), 58, 255) + ends + said)
"""
LEARNT = "ip -6 route show default dev mgmt proto ra"


def advertise(router: Throwaway) -> None:
    """Let the management network's router say that it is one."""
    router.run(["ip", "netns", "exec", "admin", sys.executable, "-c", ADVERTISE])


def test_a_default_route_that_a_management_link_learnt_stays(
    router: Throwaway, laneway: Laneway, quickstart: Path
) -> None:
    router.sh(MANAGEMENT)
    router.sh("until ip -6 addr show dev mgmt scope link -tentative | grep -q fe80; do sleep 0.1; done")
    advertise(router)
    router.sh(f"until {LEARNT} | grep -q fe80::1; do sleep 0.1; done")

    laneway("apply", quickstart)

    assert "fe80::1" in router.sh(LEARNT)
    router.sh("ip -6 route del default dev mgmt")
    advertise(router)
    router.sh(f"for n in 1 2 3 4 5 6 7 8 9; do {LEARNT} | grep -q fe80::1 && exit; sleep 0.1; done; exit 1")
    laneway("destroy")
    assert "fe80::1" in router.sh(LEARNT)
    assert router.sh("cat /proc/sys/net/ipv6/conf/mgmt/accept_ra") == "1\n"
