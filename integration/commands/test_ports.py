"""A port of a tenant's bridge speaks for nobody, in whatever frame it is asked."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from integration.commands.conftest import apply, inside, policy

if TYPE_CHECKING:
    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway

# Frames to addresses that a bridge keeps to itself (IEEE 802.1D, 7.12.6) are for the port that they come in by.
_ASK = """
import socket, struct, sys, time
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
out.bind(("eth0", 0))
own = out.getsockname()[4]
out.settimeout(0.05)
answers = set()

def summed(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF

def arp(target):
    asked = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + own + socket.inet_aton("10.20.0.10")
    return struct.pack(">H", 0x0806) + asked + bytes(6) + socket.inet_aton(target)

def solicited(target):
    to = socket.inet_pton(socket.AF_INET6, target)
    ends = socket.inet_pton(socket.AF_INET6, "fd20::10") + to
    body = struct.pack(">BBHI", 135, 0, 0, 0) + to + b"\\x01\\x01" + own
    check = summed(ends + struct.pack(">II", len(body), 58) + body)
    body = body[:2] + struct.pack(">H", check) + body[4:]
    return struct.pack(">HIHBB", 0x86DD, 0x60000000, len(body), 58, 255) + ends + body

def echo(target):
    ends = socket.inet_aton("10.20.0.10") + socket.inet_aton(target)
    body = struct.pack(">BBHHH", 8, 0, 0, 7, 7)
    body = body[:2] + struct.pack(">H", summed(body)) + body[4:]
    header = struct.pack(">BBHHHBBH", 0x45, 0, 28, 1, 0, 64, 1, 0) + ends
    return struct.pack(">H", 0x0800) + header[:10] + struct.pack(">H", summed(header)) + header[12:] + body

def hear(until):
    while time.monotonic() < until:
        try:
            frame = out.recv(2000)
        except TimeoutError:
            continue
        if frame[:6] == own and frame[6:12] != own:
            kind = frame[12:14].hex()
            if kind == "0806" and frame[20:22] == b"\\0\\2":
                answers.add("ARP: " + socket.inet_ntoa(frame[28:32]))
            if kind == "86dd" and frame[54] == 136:
                answers.add("ND: " + socket.inet_ntop(socket.AF_INET6, frame[62:78]))
            if kind == "0800" and frame[34] == 0:
                answers.add("echo: " + socket.inet_ntoa(frame[26:30]))

def send(mac, what):
    out.send(bytes.fromhex(mac) + own + what)

for mac in sys.argv[1].split(","):
    for target in ("10.20.0.1", "10.30.0.1", "192.0.2.2", "127.0.0.1"):
        send(mac, arp(target))
        send(mac, echo(target))
    for target in ("fd20::1", "fd30::1", "2001:db8:a::2"):
        send(mac, solicited(target))
hear(time.monotonic() + 1)
print(*sorted(answers), sep="\\n")
"""
RESERVED = ",".join(f"0180c20000{number:02x}" for number in range(1, 16))
NO_STP = "0180c2000000"  # a bridge that speaks no STP passes it on as any other


@pytest.mark.parametrize("variant", ["nft"])  # ARP is no matter of iptables
def test_a_port_answers_nobody_who_asks_it_in_the_bridge_s_place(router: Throwaway, laneway: Laneway) -> None:
    apply(laneway, policy())
    ask = [*inside("acme-web"), sys.executable, "-c", _ASK]
    # That frames are heard at all: the bridge answers for its own address.
    router.run([*inside("acme-web"), "ping", "-c1", "-W5", "10.20.0.1"], check=False)
    assert "ARP: 10.20.0.1" in router.run([*ask, "ffffffffffff"]).stdout

    assert router.run([*ask, RESERVED]).stdout.split() == []
    assert router.run([*ask, NO_STP]).stdout.splitlines() == ["ARP: 10.20.0.1", "ND: fd20::1"]
    router.sh("for link in $(ls /sys/class/net | grep lwv); do sysctl -qw net.ipv4.conf.$link.arp_ignore=0; done")
    laneway("verify", "/run/policy.toml", code=4)
    assert router.run([*ask, RESERVED]).stdout.splitlines() == [
        "ARP: 10.20.0.1",
        "ARP: 10.30.0.1",
        "ARP: 192.0.2.2",
    ]
    laneway("apply", "/run/policy.toml")
    assert router.run([*ask, RESERVED]).stdout.split() == []
