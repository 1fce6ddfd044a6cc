"""A steady flood of numbered UDP packets out of a workload, and counters on the wires it may leave by."""

from __future__ import annotations

import os
import re
import signal
import socket
import struct
import time
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from laneway.lab.topology import INTERNET
from laneway.lab.wiring import entrance

if TYPE_CHECKING:
    from laneway.lab.run import Lab

TARGETS = {4: "203.0.113.77", 6: "2001:db8:ffff::77"}
PAUSE = 0.001  # seconds between two packets of a flood
PATIENCE = 5  # seconds for a flood to say what it sent
DRAIN = 0.4  # seconds for the last packets to arrive
_COUNTER = re.compile(r"\[(\d+):\d+\] -A PREROUTING -i (\S+) .*--dport (\d+)")


def count(lab: Lab, *ports: int) -> None:
    """Count on the internet's side of every uplink what comes for these UDP ports, and answer none of it."""
    for provider in lab.topology.providers:
        for port in ports:
            rule = ("-I", "PREROUTING", "-i", entrance(provider), "-p", "udp", "--dport", str(port), "-j", "DROP")
            for tool in ("iptables-legacy", "ip6tables-legacy"):
                lab.run(tool, "-w", "5", "-t", "raw", *rule, netns=INTERNET)


def arrived(lab: Lab) -> dict[tuple[str, int, int], int]:
    """Return how many packets came, by (uplink, port, family)."""
    names = {entrance(provider): provider.uplink for provider in lab.topology.providers}
    counts = {}
    for family, tool in ((4, "iptables-legacy-save"), (6, "ip6tables-legacy-save")):
        for packets, interface, port in _COUNTER.findall(lab.run(tool, "-c", "-t", "raw", netns=INTERNET)):
            counts[names[interface], int(port), family] = int(packets)
    return counts


class Flood:
    """Packets from one workload to one port of the internet, in both families, until it is stopped."""

    def __init__(self, lab: Lab, netns: str, port: int, *, anew: bool = False) -> None:
        """Begin to send, in one flow of each family, or `anew` with each packet."""
        self._lab = lab
        self._netns = netns
        self._port = port
        self._told = f"/run/flood.{port}"
        lab.sandbox.spawn(lambda: lab_child(netns, port, self._told, anew=anew))

    def stop(self) -> int:
        """End it, and return how many packets of each family were handed to the kernel."""
        sent = self._lab.call(lambda: _stop(self._told))
        time.sleep(DRAIN)
        return sent


def lab_child(netns: str, port: int, told: str, *, anew: bool) -> None:
    """Send until told to stop, then write down how much was sent."""
    from laneway.lab.syscalls import NEW_NET, setns
    from laneway.lab.world import open_netns

    setns(open_netns(netns), NEW_NET)
    kinds = {4: socket.AF_INET, 6: socket.AF_INET6}
    sockets = {family: socket.socket(kind, socket.SOCK_DGRAM) for family, kind in kinds.items()}
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGTERM, stop)
    Path(told).write_text(f"{os.getpid()}\n")
    sent = 0
    while not stopped:
        for family, sender in sockets.items():
            with closing(socket.socket(kinds[family], socket.SOCK_DGRAM)) if anew else nullcontext(sender) as each:
                each.sendto(struct.pack("!I", sent), (TARGETS[family], port))
        sent += 1
        time.sleep(PAUSE)
    Path(f"{told}.sent").write_text(f"{sent}\n")


def _stop(told: str) -> int:
    os.kill(int(Path(told).read_text()), signal.SIGTERM)
    report = Path(f"{told}.sent")
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if report.exists() and (text := report.read_text()):
            return int(text)
        time.sleep(0.02)
    raise TimeoutError(told)
