"""`python answers.py LINK COUNT`: answer so many UDP packets, each with one of the same length.

Without an answer a flow of UDP is new to conntrack for ever (nf_conntrack_proto_udp.c): what it then meets is the
walls' long way. The addresses and ports of a packet change places, which leaves its checksums right.
"""

from __future__ import annotations

import socket
import sys

_ETHERNET, _IP, _IP6 = 14, 20, 40  # octets of headers
_SECONDS = 10


def answer(link: str, count: int) -> None:
    """Answer `count` packets that arrive by `link`; raises TimeoutError when they do not come."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as wire:  # ETH_P_ALL
        wire.bind((link, 0))
        wire.settimeout(_SECONDS)
        print("ready", flush=True)  # noqa: T201
        while count:
            frame, (_, _, direction, *_) = wire.recvfrom(2048)
            if direction != socket.PACKET_OUTGOING and (reply := _turned(frame)):
                wire.send(reply)
                count -= 1


def _turned(frame: bytes) -> bytes:
    """Return the answer to a frame, nothing if it is not UDP."""
    head, packet = frame[:_ETHERNET], frame[_ETHERNET:]
    if packet[:1] == b"\x45" and packet[9] == socket.IPPROTO_UDP:
        fixed, size, length = packet[:12], 4, _IP
    elif packet[:1] == b"\x60" and packet[6] == socket.IPPROTO_UDP:
        fixed, size, length = packet[:8], 16, _IP6
    else:
        return b""
    at = len(fixed)
    source, target, udp = packet[at : at + size], packet[at + size : length], packet[length:]
    return head[6:12] + head[:6] + head[12:] + fixed + target + source + udp[2:4] + udp[:2] + udp[4:]


if __name__ == "__main__":
    answer(sys.argv[1], int(sys.argv[2]))
