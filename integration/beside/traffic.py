"""One round of packets on a host: who reaches whom, as seen at every place at once. Run on the host, as a script.

Standard input has, as JSON, the places (name → file of a network namespace), who listens (place, protocol, port and
address), the probes, and whether to wait for answers that do not come at once. Every probe carries a number of its own,
in the payload or as TCP's sequence number, so that it is known wherever it arrives, under whatever addresses. TCP is a
bare SYN: the kernel answers it where somebody listens.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import secrets
import selectors
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

_ETH_P_ALL = 3
_CLONE_NEWNET = 0x40000000
_IPV6_CHECKSUM = 7
_FAMILIES = {0x0800: socket.AF_INET, 0x86DD: socket.AF_INET6}
_PROTOCOLS = {6: "tcp", 17: "udp", 1: "icmp", 58: "icmp"}
_PROBE, _ANSWER, _REFUSAL = "probe", "answer", "refusal"
_ICMP = {0: _ANSWER, 129: _ANSWER, 8: _PROBE, 128: _PROBE} | dict.fromkeys((1, 2, 3, 4, 5, 11, 12), _REFUSAL)
_SYN, _RST, _ACK = 0x02, 0x04, 0x10
# Seconds: a packet may be lost to address resolution, on a link that is new, and the machine may have much else to do.
_AGAIN = (0.0, 0.25, 0.6, 1.2, 2.0, 4.0, 8.0)
_TWICE = 2  # what must not arrive is sent as often
_LEAST, _LAST = 0.9, 0.4  # seconds, from the first packet and from the last
_FIRST = 0x4C570000  # of the probes' numbers: even ones; an answer bears the odd one that follows


class Sight(NamedTuple):
    """A packet that was read: `about` is the number in it."""

    source: str
    to: str
    protocol: str
    what: str = ""
    about: int = -1


@dataclass
class Seen:
    """What became of a probe."""

    arrived: set[tuple[str, str]] = field(default_factory=set)  # the place, and as whom
    answered: bool = False
    refused: set[str] = field(default_factory=set)  # by whom


def read(packet: bytes, family: int) -> Sight:
    """Return what an IP packet is."""
    if family == socket.AF_INET6:
        source, to = (socket.inet_ntop(family, packet[at : at + 16]) for at in (8, 24))
        protocol, payload = packet[6], packet[40:]
    else:
        source, to = (socket.inet_ntop(family, packet[at : at + 4]) for at in (12, 16))
        protocol, payload = packet[9], packet[(packet[0] & 15) * 4 :]
    name = _PROTOCOLS.get(protocol, str(protocol))
    try:
        return Sight(source, to, name, *_read_payload(name, payload, family))
    except (struct.error, IndexError):  # too short to be ours
        return Sight(source, to, name)


def _read_payload(name: str, payload: bytes, family: int) -> tuple[str, int]:
    match name:
        case "tcp":
            sequence, acknowledged, _, flags = struct.unpack_from(">IIBB", payload, 4)
            if not flags & _ACK:
                return _PROBE, sequence
            return _REFUSAL if flags & _RST else _ANSWER, acknowledged
        case "udp":
            (number,) = struct.unpack_from(">I", payload, 8)
            return _ANSWER if number % 2 else _PROBE, number
        case "icmp":
            what = _ICMP.get(payload[0], "")
            if what == _REFUSAL:
                return what, read(payload[8:], family).about
            return what, struct.unpack_from(">I", payload, 8)[0]
    return "", -1


class Round:
    """The sockets at all places, and what they have seen."""

    def __init__(self, asked: dict[str, Any]) -> None:
        """Open what listens, everywhere."""
        self.probes: list[dict[str, Any]] = asked["probes"]
        self.seen = [Seen() for _ in self.probes]
        self.packets: set[tuple[str, str, str, str]] = set()  # all that came: place, source, destination, protocol
        self._salt = secrets.randbelow(0xFFFF)  # a new round's flows are new ones
        self._selector = selectors.DefaultSelector()
        self._opened: dict[tuple[str, str, int], socket.socket] = {}
        self._netns = {place: os.open(path, os.O_RDONLY) for place, path in asked["places"].items()}
        for place in self._netns:
            sniffer = self._socket(place, socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
            self._watch(sniffer, partial(self._look, place, sniffer))
        for place, protocol, port, address in asked["listening"]:
            self._listen(place, protocol, port, address)

    def _socket(self, place: str, *kind: int) -> socket.socket:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(self._netns[place], _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), place)
        return socket.socket(*kind)

    def _watch(self, one: socket.socket, take: Any) -> None:
        one.setblocking(False)  # noqa: FBT003
        self._selector.register(one, selectors.EVENT_READ, take)

    def _listen(self, place: str, protocol: str, port: int, address: str) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = self._socket(place, family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
        if protocol == "tcp":
            listener.listen(64)
            self._opened[place, f"listening on {port}", family] = listener
        else:
            self._watch(listener, partial(_answer, listener))

    def send(self, number: int) -> None:
        """Send a probe; where the host says at once that it has no way for it, that is a refusal."""
        probe = self.probes[number]
        family = socket.AF_INET6 if ":" in probe["to"] else socket.AF_INET
        token = struct.pack(">I", _FIRST + 2 * number)
        content = {
            "udp": lambda: token,
            "icmp": lambda: _echo(family, self._salt, token),
            "tcp": lambda: self._syn(probe, family, token),
        }[probe["protocol"]]()
        try:
            to = (probe["to"], probe["port"] if probe["protocol"] == "udp" else 0)
            self._sender(probe["by"], probe["protocol"], family, probe["own"]).sendto(content, to)
        except OSError as refusal:
            self.seen[number].refused.add(errno.errorcode.get(refusal.errno or 0, "?"))

    def _sender(self, place: str, protocol: str, family: int, own: str) -> socket.socket:
        key = place, f"{protocol} from {own}", family
        if key not in self._opened:
            number = next(n for n in (6, 17, 58 if family == socket.AF_INET6 else 1) if _PROTOCOLS[n] == protocol)
            kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_RAW
            self._opened[key] = self._socket(place, family, kind, number)
            self._opened[key].bind((own, 0))
            if protocol == "tcp" and family == socket.AF_INET6:
                self._opened[key].setsockopt(socket.IPPROTO_IPV6, _IPV6_CHECKSUM, 16)
        return self._opened[key]

    def _syn(self, probe: dict[str, Any], family: int, token: bytes) -> bytes:
        own = 1024 + (self._salt + struct.unpack(">I", token)[0]) % 31000
        header = struct.pack(">HH4sIBBHHH", own, probe["port"], token, 0, 0x50, _SYN, 65535, 0, 0)
        if family == socket.AF_INET6:
            return header
        with self._socket(probe["by"], family, socket.SOCK_DGRAM) as asking:  # the checksum is over the source as well
            asking.bind((probe["own"], 0))
            asking.connect((probe["to"], 9))
            ends = socket.inet_aton(asking.getsockname()[0]) + socket.inet_aton(probe["to"])
        return header[:16] + _checksum(ends + struct.pack(">HH", 6, len(header)) + header) + header[18:]

    def _look(self, place: str, sniffer: socket.socket) -> None:
        packet, (link, kind, direction, *_) = sniffer.recvfrom(2048)
        if kind not in _FAMILIES or direction == socket.PACKET_OUTGOING or link == "lo":
            return
        sight = read(packet, _FAMILIES[kind])
        self.packets.add((place, sight.source, sight.to, sight.protocol))
        number = (sight.about - _FIRST) // 2
        if not 0 <= number < len(self.probes):
            return
        seen, own = self.seen[number], self.probes[number]["by"] == place
        if sight.what == _PROBE and not own:
            seen.arrived.add((place, sight.source))
        elif sight.what == _ANSWER and own:
            seen.answered = True
        elif sight.what == _REFUSAL and own:
            seen.refused.add(sight.source)

    def watch(self, until: float) -> None:
        """Take what comes until a time (monotonic)."""
        while (left := until - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                try:
                    key.data()
                except OSError:  # somebody's refusal of what was sent before: the sniffers see it
                    continue

    def unanswered(self) -> list[int]:
        """Return the probes that want an answer and have none."""
        return [
            number for number, probe in enumerate(self.probes) if probe["wanted"] and not self.seen[number].answered
        ]


def _answer(listener: socket.socket) -> None:
    said, sender = listener.recvfrom(64)
    if len(said) == 4:
        listener.sendto(struct.pack(">I", struct.unpack(">I", said)[0] + 1), sender)


def _echo(family: int, own: int, token: bytes) -> bytes:
    if family == socket.AF_INET6:  # whose checksum the kernel writes
        return struct.pack(">BBHHH", 128, 0, 0, own, 1) + token
    echo = struct.pack(">BBHHH", 8, 0, 0, own, 1) + token
    return echo[:2] + _checksum(echo) + echo[4:]


def _checksum(data: bytes) -> bytes:
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return struct.pack(">H", ~(total + (total >> 16)) & 0xFFFF)


def main() -> None:
    """Send, watch, and print what was seen."""
    asked = json.load(sys.stdin)
    one = Round(asked)
    start = time.monotonic()
    for tries, after in enumerate(_AGAIN if asked["patient"] else _AGAIN[:_TWICE]):
        one.watch(start + after)
        open_ones = range(len(one.probes)) if tries < _TWICE else one.unanswered()
        if not open_ones:
            break
        for number in open_ones:
            one.send(number)
    one.watch(max(start + _LEAST, time.monotonic() + _LAST if one.unanswered() else 0))
    json.dump(
        {
            "seen": [
                {"arrived": sorted(s.arrived), "answered": s.answered, "refused": sorted(s.refused)} for s in one.seen
            ],
            "packets": sorted(one.packets),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
