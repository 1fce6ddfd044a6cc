"""What a workload forges goes nowhere: errors about flows of others, and what would speak as its gateway."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from integration.commands.conftest import (
    ASK,
    PROVIDER,
    PROVIDER6,
    answering,
    apply,
    gets,
    inside,
    policy,
    script,
    talking,
)

if TYPE_CHECKING:
    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway

_FORGED = """
import socket, struct, sys

def summed(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF

ends = socket.inet_aton(sys.argv[1]) + socket.inet_aton(sys.argv[2])
header = struct.pack(">BBHHHBBH", 0x45, 0, 28, 1, 0, 64, 17, 0) + ends
quoted = header[:10] + struct.pack(">H", summed(header)) + header[12:]
quoted += struct.pack(">HHHH", *map(int, sys.argv[3:]), 8, 0)
error = struct.pack(">BBHI", 3, 3, 0, 0) + quoted
error = error[:2] + struct.pack(">H", summed(error)) + error[4:]
socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).sendto(error, (sys.argv[1], 0))
"""
HEARS = """
import socket, sys
one = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
one.settimeout(2)
print("ready", flush=True)
try:
    print(one.recv(99)[20], flush=True)
except TimeoutError:
    print("nothing", flush=True)
sys.stdin.read()
"""


def forged(source: str, to: str, ports: tuple[int, int]) -> list[str]:
    """Return who says that a datagram from `source` to `to`, with these ports, found nobody there."""
    return [sys.executable, "-c", _FORGED, source, to, *map(str, ports)]


@pytest.mark.parametrize(
    ("sender", "heard"), [pytest.param("globex-db", "nothing", id="others"), pytest.param("acme-web", "3", id="own")]
)
def test_an_error_about_a_flow_of_anothers_goes_nowhere(
    router: Throwaway, laneway: Laneway, sender: str, heard: str
) -> None:
    router.sh(PROVIDER)
    apply(laneway, policy())
    with answering(router, "provider", "203.0.113.9", 80):
        router.sh("ip -n provider route add 10.0.0.0/8 via 192.0.2.2")
        assert gets(router, "203.0.113.9", 80, "here")

    with talking([*router.prefix, *inside("provider"), sys.executable, "-c", HEARS]) as provider:
        assert provider() == "ready"
        router.run([*inside(sender), *forged("203.0.113.9", "10.20.0.10", (80, 5555))])

        assert provider() == heard


FORGED6 = """
import socket, struct, sys
source, to = (socket.inet_pton(socket.AF_INET6, each) for each in sys.argv[1:3])
quoted = struct.pack(">IHBB", 6 << 28, 8, 17, 64) + source + to
quoted += struct.pack(">HHHH", *map(int, sys.argv[4:6] or (80, 5555)), 8, 0)
one = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
one.bind((sys.argv[3], 0, 0, socket.if_nametoindex("eth0")))
one.sendto(struct.pack(">BBHI", 1, 4, 0, 0) + quoted, (sys.argv[1], 0))
"""
HEARS6 = """
import socket, struct, sys
one = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
one.setsockopt(socket.IPPROTO_ICMPV6, 1, struct.pack("=8I", 0xFFFFFFFD, *[0xFFFFFFFF] * 7))  # ICMP6_FILTER: type 1
one.settimeout(2)
print("ready", flush=True)
try:
    print(one.recv(99)[0], flush=True)
except TimeoutError:
    print("nothing", flush=True)
sys.stdin.read()
"""
_LINK_LOCAL = """
until ip -n {0} -6 -o addr show dev eth0 scope link -tentative | grep .; do
    sleep 0.1
done
"""


@pytest.mark.parametrize(
    ("sender", "address", "heard"),
    [
        pytest.param("globex-db", "fd30::10", "nothing", id="others"),
        pytest.param("globex-db", "", "nothing", id="others, from a link-local address"),
        pytest.param("acme-web", "fd20::10", "1", id="own"),
    ],
)
def test_an_ipv6_error_about_a_flow_of_anothers_goes_nowhere(
    router: Throwaway, laneway: Laneway, sender: str, address: str, heard: str
) -> None:
    router.sh(PROVIDER + PROVIDER6)
    apply(laneway, policy())
    with answering(router, "provider", "2001:db8:ffff::9", 80):
        assert gets(router, "2001:db8:ffff::9", 80, "here")

    address = address or router.sh(_LINK_LOCAL.format(sender)).split()[3].partition("/")[0]
    with talking([*router.prefix, *inside("provider"), sys.executable, "-c", HEARS6]) as provider:
        assert provider() == "ready"
        forgery = [sys.executable, "-c", FORGED6, "2001:db8:ffff::9", "fd20::10", address]
        router.run([*inside(sender), *forgery])

        assert provider() == heard


def test_an_error_about_a_flow_of_the_hosts_leaves_it_in_no_lane(router: Throwaway, laneway: Laneway) -> None:
    router.sh(PROVIDER)
    apply(laneway, policy())
    with answering(router, "provider", "203.0.113.9", 80):
        router.run(script(ASK, "203.0.113.9", 80))

    router.run([*inside("acme-web"), *forged("203.0.113.9", "192.0.2.2", (80, 5555))])

    assert "mark=0 " in router.sh("conntrack -L -p udp --dport 80 2>/dev/null")


_ASKS_THE_GATEWAY = """
import socket
one = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
one.bind(("2001:db8:ffff::9", 5555))
one.settimeout(5)
one.sendto(b"?", ("fd20::1", 7777))
print(one.recvfrom(9)[0].decode(), flush=True)
one.settimeout(2)
try:
    print(one.recvfrom(9), flush=True)
except TimeoutError:
    print("nothing", flush=True)
"""
_AS_THE_GATEWAY = """
import socket, struct
source, to = (socket.inet_pton(socket.AF_INET6, each) for each in ("fd20::1", "2001:db8:ffff::9"))
def datagram(check):
    return struct.pack(">HHHH", 7777, 5555, 12, check) + b"fake"
words = struct.unpack(">26H", source + to + struct.pack(">II", 12, 17) + datagram(0))
check = sum(words)
check = (check & 0xffff) + (check >> 16)
check = ~((check & 0xffff) + (check >> 16)) & 0xffff
one = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
one.sendto(struct.pack(">IHBB", 6 << 28, 12, 17, 64) + source + to + datagram(check), ("2001:db8:ffff::9", 0))
"""


def test_nobody_speaks_as_its_gateway_in_a_flow_of_the_hosts(router: Throwaway, laneway: Laneway) -> None:
    router.sh(PROVIDER + PROVIDER6)
    apply(laneway, policy())

    with answering(router, None, "fd20::1", 7777):
        argv = [*router.prefix, *inside("provider"), sys.executable, "-c", _ASKS_THE_GATEWAY]
        with talking(argv) as provider:
            assert provider() == "here"
            router.run([*inside("acme-web"), sys.executable, "-c", _AS_THE_GATEWAY])

            assert provider() == "nothing"


_CONNECTED = """
import socket, sys
to, port, own = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
one = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM)
one.settimeout(2)
one.bind(("", own))
one.connect((to, port))
one.send(b"?")
sys.stdin.readline()
try:
    print(one.recv(9).decode(), flush=True)
except TimeoutError:
    print("nothing", flush=True)
except ConnectionRefusedError:
    print("refused", flush=True)
sys.stdin.readline()
"""


def what_comes(host: Throwaway, to: str, port: int, *error: str) -> str:
    """Return what a program of the host's own hears of its datagram, for one after a tenant sent such an error."""
    program = [*host.prefix, sys.executable, "-c", _CONNECTED, to, str(port), "5555"]
    with talking(program) as asked:
        if error:
            time.sleep(0.3)
            host.run([*inside("acme-web"), *error])
        return asked()


def test_no_tenant_is_heeded_about_flows_of_the_hosts_own(router: Throwaway, laneway: Laneway) -> None:
    router.sh(PROVIDER + PROVIDER6)
    apply(laneway, policy(publish='["5353:53/udp"]'))
    link_local = router.sh(_LINK_LOCAL.format("acme-web")).split()[3].partition("/")[0]
    own, six = "2001:db8:a::2", [sys.executable, "-c", FORGED6]

    with answering(router, "provider", "203.0.113.9", 80):
        heard = [what_comes(router, "203.0.113.9", 80, *forged("192.0.2.2", "203.0.113.9", (5555, 80)))]
    with answering(router, "provider", "2001:db8:ffff::9", 80):
        for source in ("fd20::10", link_local):
            error = (*six, own, "2001:db8:ffff::9", source, "5555", "80")
            heard.append(what_comes(router, "2001:db8:ffff::9", 80, *error))
    with answering(router, "globex-db", "10.30.0.10", 53):
        heard.append(what_comes(router, "10.30.0.10", 53, *forged("10.30.0.1", "10.30.0.10", (5555, 53))))
    with answering(router, "globex-db", "fd30::10", 53):
        error = (*six, "fd30::1", "fd30::10", link_local, "5555", "53")
        heard.append(what_comes(router, "fd30::10", 53, *error))
    assert heard == ["here"] * 5

    # Whoever the host asks may say that nobody is there: a workload, and what is behind a published port.
    for to, port in (("10.20.0.10", 99), ("fd20::10", 99), ("192.0.2.2", 5353), ("2001:db8:a::2", 5353)):
        assert what_comes(router, to, port) == "refused", (to, port)
