"""Who hears what in a namespace, by a socket of its own, and frames that its root makes up."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from integration.commands.conftest import inside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration.throwaway import Throwaway

_HEARS = """
import json, socket, sys
one = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
one.setblocking(False)
print("ready", flush=True)
for line in sys.stdin:
    heard = []
    while True:
        try:
            data, (_, _, outgoing, *_) = one.recvfrom(9999)
        except BlockingIOError:
            break
        if outgoing == socket.PACKET_OUTGOING:
            continue
        if data[0] >> 4 == 4:
            ends, protocol = (socket.inet_ntop(2, data[12:16]), socket.inet_ntop(2, data[16:20])), data[9]
        elif data[0] >> 4 == 6:
            ends, protocol = (socket.inet_ntop(10, data[8:24]), socket.inet_ntop(10, data[24:40])), data[6]
        else:
            continue
        heard.append((*ends, protocol))
    print(json.dumps(heard), flush=True)
"""

# A UDP datagram, or an ICMP error that quotes one, in a frame to any link address.
_FRAME = """
import socket, struct, sys
mac, source, to, port, its, payload = sys.argv[1:]
family = socket.AF_INET6 if ":" in to else socket.AF_INET
ends = socket.inet_pton(family, source) + socket.inet_pton(family, to)

def summed(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total >> 16) + (total & 0xFFFF)
    return struct.pack(">H", ~total & 0xFFFF)

datagram = struct.pack(">HHHH", int(port), int(its), 8 + len(payload), 0) + payload.encode()
datagram = datagram[:6] + summed(ends + struct.pack(">HH", 17, len(datagram)) + datagram) + datagram[8:]
if family == socket.AF_INET:
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(datagram), 1, 0, 64, 17, 0) + ends
    header = header[:10] + summed(header) + header[12:]
else:
    header = struct.pack(">IHBB", 6 << 28, len(datagram), 17, 64) + ends
one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
one.bind(("eth0", 0))
own = one.getsockname()[4]
kind = b"\\x08\\x00" if family == socket.AF_INET else b"\\x86\\xdd"
one.send(bytes.fromhex(mac.replace(":", "")) + own + kind + header + datagram)
"""


class Heard(NamedTuple):
    """A packet that came in."""

    source: str
    to: str
    protocol: int


@contextmanager
def hearing(host: Throwaway, netns: str) -> Iterator[Callable[[], list[Heard]]]:
    """Listen to all that comes in by any link of a namespace; the call returns what has come since the last one."""
    argv = [*host.prefix, *inside(netns), sys.executable, "-c", _HEARS]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as ears:
        to, back = ears.stdin, ears.stdout
        assert to is not None
        assert back is not None
        assert back.readline() == "ready\n"

        def heard() -> list[Heard]:
            to.write("\n")
            return [Heard(*each) for each in json.loads(back.readline())]

        try:
            yield heard
        finally:
            ears.kill()


def frame(host: Throwaway, netns: str, mac: str, flow: tuple[str, str, int, int]) -> None:
    """Have root inside a workload send a datagram of that flow in a frame to a link address of its choice."""
    host.run([*inside(netns), sys.executable, "-c", _FRAME, mac, *map(str, flow), "x"])


def mac_of(host: Throwaway, netns: str | None, link: str) -> str:
    """Return the link address of a link."""
    return host.run([*inside(netns), "cat", f"/sys/class/net/{link}/address"]).stdout.strip()
