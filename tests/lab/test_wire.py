"""Packets as bytes, there and back."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from laneway.lab.wire import UDP, Seen, checksum, datagram, echo, is_reply, parse, payload, token_of


@pytest.mark.parametrize(
    ("source", "to"),
    [
        pytest.param("10.20.0.10", "203.0.113.9", id="IPv4"),
        pytest.param("fd20::10", "2001:db8::9", id="IPv6"),
    ],
)
def test_datagram_reads_back(source: str, to: str) -> None:
    packet = datagram(ip_address(source), ip_address(to), 53, payload(7))

    assert parse(packet) == Seen(ip_address(source), ip_address(to), UDP, 33333, 53, 7)


def test_extension_headers_are_passed_over() -> None:
    packet = datagram(ip_address("fd20::10"), ip_address("2001:db8::9"), 53, payload(7))
    extended = packet[:6] + bytes([0]) + packet[7:40] + bytes([17, 0, 1, 4, 0, 0, 0, 0]) + packet[40:]

    seen = parse(extended)
    assert seen is not None
    assert (seen.protocol, seen.port) == (UDP, 53)


@pytest.mark.parametrize(
    "packet", [b"", b"\x45", b"\x60" * 30, b"\x00" * 40, b"\x45" + b"\0" * 8 + b"\x06" + b"\0" * 10]
)
def test_cut_or_foreign_packet_is_nothing(packet: bytes) -> None:
    assert parse(packet) is None


def test_checksum_of_rfc_1071() -> None:
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D


def test_echo_of_ipv4_sums_to_zero() -> None:
    assert checksum(echo(4, 1, payload(1))) == 0


def test_reply_is_known_by_its_token() -> None:
    reply = b"\x81" + echo(6, 1, payload(3))[1:]

    assert is_reply(6, reply, 3)
    assert not is_reply(6, reply, 4)
    assert not is_reply(6, echo(6, 1, payload(3)), 3)
    assert is_reply(4, b"\x45" + bytes(19) + b"\0" + echo(4, 1, payload(3))[1:], 3)


def test_payload_without_a_token_has_none() -> None:
    assert token_of(b"GET / HTTP/1.0") == -1
