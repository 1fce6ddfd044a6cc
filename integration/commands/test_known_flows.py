"""Flows that conntrack knows end with what let them begin; who is refused is told so; who logged in stays."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway

HEAD = """
[uplinks.north]
interface = "{interface}"
gateways = [{gateways}]
masquerade = false
"""
NORTH = HEAD.format(interface="eth0", gateways='"192.0.2.1", "2001:db8:a::1"')
ELSEWHERE = HEAD.format(interface="eth1", gateways='"198.51.100.1"')
ACME = """
[tenants.acme]
subnets = ["10.20.0.0/24", "fd20::/64"]
uplinks = ["north"]
host_access = {services}
[tenants.acme.workloads.web]
addresses = ["10.20.0.10", "fd20::10"]
"""
DATABASE = """
[tenants.{name}]
subnets = ["10.30.0.0/24", "fd30::/64"]
uplinks = ["north"]
[tenants.{name}.workloads.db]
addresses = ["10.30.0.10", "fd30::10"]
publish = {publish}
"""
ALLOW = """
[[tenants.acme.allow]]
to = "globex/db"
ports = ["5432/udp"]
"""
REJECT = """
[[tenants.acme.classes]]
name = "not-that"
match = { protocol = "udp", ports = [666] }
action = "reject"
"""

_ANSWER = """
import socket
one = socket.socket({family}, socket.SOCK_DGRAM)
one.bind(("{address}", {port}))
print("ready", flush=True)
while True:
    one.sendto(b"here", one.recvfrom(9)[1])
"""
_ASK = """
import socket
one = socket.socket({family}, socket.SOCK_DGRAM)
one.settimeout(1)
one.bind(("", 5555))
one.connect(("{address}", {port}))
for attempt in range(4):  # an IPv6 neighbour may be found late
    try:
        one.send(b"?")
        print(one.recv(9).decode())
        break
    except TimeoutError:
        continue
    except OSError:
        print("refused")
        break
"""


def _script(text: str, address: str, port: int) -> list[str]:
    family = "socket.AF_INET6" if ":" in address else "socket.AF_INET"
    return [sys.executable, "-c", text.format(family=family, address=address, port=port)]


def inside(netns: str | None) -> list[str]:
    return [] if netns is None else ["ip", "netns", "exec", netns]


@contextmanager
def answering(host: Throwaway, netns: str | None, address: str, port: int) -> Iterator[None]:
    """Have somebody answer every datagram to a port."""
    argv = [*host.prefix, *inside(netns), *_script(_ANSWER, address, port)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()
        try:
            yield
        finally:
            server.kill()


def asked(host: Throwaway, address: str, port: int) -> str:
    """Return what acme's workload gets, from the same port as ever: in the flow that conntrack knows, if it does."""
    return host.run([*inside("acme-web"), *_script(_ASK, address, port)]).stdout.strip()


def gets(host: Throwaway, address: str, port: int, wanted: str) -> bool:
    """Wait until acme's workload gets what is wanted: new links carry packets when the kernel is round to them."""
    deadline = time.monotonic() + 30
    while (said := asked(host, address, port)) != wanted and time.monotonic() < deadline:
        continue
    return said == wanted


def apply(laneway: Laneway, text: str, *options: str) -> None:
    laneway.host.run(["tee", "/run/policy.toml"], input=NORTH + text)
    laneway("apply", "/run/policy.toml", *options)


def policy(*, services: str = "[]", name: str = "globex", publish: str = "[]") -> str:
    return ACME.format(services=services) + DATABASE.format(name=name, publish=publish)


@pytest.mark.parametrize("address", ["10.30.0.10", "fd30::10"])
def test_an_allow_that_is_withdrawn_ends_what_it_let_begin(router: Throwaway, laneway: Laneway, address: str) -> None:
    apply(laneway, policy() + ALLOW)
    with answering(router, "globex-db", address, 5432):
        assert gets(router, address, 5432, "here")

        apply(laneway, policy())

        assert asked(router, address, 5432) == "refused"


_KILLED = """
import os, sys
from laneway.cli.main import main
from laneway.kernel import conntrack
conntrack.forget = lambda _: os.kill(os.getpid(), 9)
sys.argv = ["laneway", "apply", "/run/policy.toml"]
main()
"""


def test_what_a_change_that_was_killed_would_have_ended_the_next_one_ends(router: Throwaway, laneway: Laneway) -> None:
    apply(laneway, policy() + ALLOW)
    with answering(router, "globex-db", "10.30.0.10", 5432):
        assert gets(router, "10.30.0.10", 5432, "here")
        router.run(["tee", "/run/policy.toml"], input=NORTH + policy())
        assert router.run([sys.executable, "-c", _KILLED], check=False).returncode == -9
        assert asked(router, "10.30.0.10", 5432) == "here", "nobody forgot it"

        laneway("apply", "/run/policy.toml")

        assert asked(router, "10.30.0.10", 5432) == "refused"
    assert "cut off" not in laneway("apply", "/run/policy.toml").stderr


def test_no_flow_to_a_published_port_outlives_its_tenant(router: Throwaway, laneway: Laneway) -> None:
    apply(laneway, policy(publish='["5353:5432/udp"]'))
    with answering(router, "globex-db", "10.30.0.10", 5432):
        assert gets(router, "192.0.2.2", 5353, "here")
    laneway("destroy", "globex")

    apply(laneway, policy(name="initech"))

    with answering(router, "initech-db", "10.30.0.10", 5432):
        assert asked(router, "192.0.2.2", 5353) == "refused"


def test_a_service_of_the_hosts_that_is_withdrawn_is_withdrawn(router: Throwaway, laneway: Laneway) -> None:
    apply(laneway, policy(services='["53/udp"]'))
    with answering(router, None, "10.20.0.1", 53):
        assert gets(router, "10.20.0.1", 53, "here")

        apply(laneway, policy())

        assert asked(router, "10.20.0.1", 53) == "refused"


@pytest.mark.parametrize("address", ["203.0.113.9", "2001:db8:ffff::9"])
def test_a_class_that_rejects_says_so(router: Throwaway, laneway: Laneway, address: str) -> None:
    apply(laneway, policy() + REJECT)

    assert gets(router, address, 666, "refused")


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
_HEARS = """
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
    router.sh(_PROVIDER)
    apply(laneway, policy())
    with answering(router, "provider", "203.0.113.9", 80):
        router.sh("ip -n provider route add 10.0.0.0/8 via 192.0.2.2")
        assert gets(router, "203.0.113.9", 80, "here")

    with talking([*router.prefix, *inside("provider"), sys.executable, "-c", _HEARS]) as provider:
        assert provider() == "ready"
        router.run([*inside(sender), *forged("203.0.113.9", "10.20.0.10", (80, 5555))])

        assert provider() == heard


_PROVIDER6 = """
ip -n provider addr add 2001:db8:a::1/64 dev provider0 nodad
ip -n provider addr add 2001:db8:ffff::9/128 dev lo
ip -n provider -6 route add fd00::/8 via 2001:db8:a::2
"""
_FORGED6 = """
import socket, struct, sys
source, to = (socket.inet_pton(socket.AF_INET6, each) for each in sys.argv[1:3])
quoted = struct.pack(">IHBB", 6 << 28, 8, 17, 64) + source + to + struct.pack(">HHHH", 80, 5555, 8, 0)
one = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
one.bind((sys.argv[3], 0, 0, socket.if_nametoindex("eth0")))
one.sendto(struct.pack(">BBHI", 1, 4, 0, 0) + quoted, (sys.argv[1], 0))
"""
_HEARS6 = """
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
    router.sh(_PROVIDER + _PROVIDER6)
    apply(laneway, policy())
    with answering(router, "provider", "2001:db8:ffff::9", 80):
        assert gets(router, "2001:db8:ffff::9", 80, "here")

    address = address or router.sh(_LINK_LOCAL.format(sender)).split()[3].partition("/")[0]
    with talking([*router.prefix, *inside("provider"), sys.executable, "-c", _HEARS6]) as provider:
        assert provider() == "ready"
        forgery = [sys.executable, "-c", _FORGED6, "2001:db8:ffff::9", "fd20::10", address]
        router.run([*inside(sender), *forgery])

        assert provider() == heard


def test_an_error_about_a_flow_of_the_hosts_leaves_it_in_no_lane(router: Throwaway, laneway: Laneway) -> None:
    router.sh(_PROVIDER)
    apply(laneway, policy())
    with answering(router, "provider", "203.0.113.9", 80):
        router.run(_script(_ASK, "203.0.113.9", 80))

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
    router.sh(_PROVIDER + _PROVIDER6)
    apply(laneway, policy())

    with answering(router, None, "fd20::1", 7777):
        argv = [*router.prefix, *inside("provider"), sys.executable, "-c", _ASKS_THE_GATEWAY]
        with talking(argv) as provider:
            assert provider() == "here"
            router.run([*inside("acme-web"), sys.executable, "-c", _AS_THE_GATEWAY])

            assert provider() == "nothing"


_KEEPS = """
import socket, sys
server = socket.create_server(("0.0.0.0", 22))
print("ready", flush=True)
one = server.accept()[0]
while said := one.recv(1):
    one.send(said)
"""
_LOGGED_IN = """
import socket, sys
one = socket.create_connection(("192.0.2.2", 22), 5, source_address=("203.0.113.9", 0))
for line in sys.stdin:
    one.send(b"x")
    print("alive" if one.recv(1) else "ended", flush=True)
"""
_PROVIDER = """
ip netns add provider
ip link set provider0 netns provider
ip -n provider link set provider0 up
ip -n provider addr add 192.0.2.1/24 dev provider0
ip -n provider link set lo up
ip -n provider addr add 203.0.113.9/32 dev lo
"""


@contextmanager
def talking(argv: list[str]) -> Iterator[Callable[[], str]]:
    """Start a program, and give what tells it a line and returns the one it answers."""
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as program:
        to, back = program.stdin, program.stdout
        assert to is not None
        assert back is not None

        def answer() -> str:
            to.write("\n")
            return back.readline().strip()

        try:
            yield answer
        finally:
            program.kill()


def test_who_logged_in_by_an_uplink_stays_when_it_is_another_interface(router: Throwaway, laneway: Laneway) -> None:
    router.sh(_PROVIDER)
    apply(laneway, policy())
    with talking([*router.prefix, sys.executable, "-c", _KEEPS]) as server:
        assert server() == "ready"
        with talking([*router.prefix, *inside("provider"), sys.executable, "-c", _LOGGED_IN]) as session:
            assert session() == "alive"

            router.run(["tee", "/run/policy.toml"], input=ELSEWHERE + policy())
            laneway("apply", "/run/policy.toml")

            assert session() == "alive"


_FLUSH = """
for tool in iptables ip6tables; do
    $tool -t raw -F PREROUTING
    $tool -t mangle -F PREROUTING
    $tool -t nat -F POSTROUTING
    $tool -F FORWARD
done
"""
_FLUSH_NAT = "iptables -t nat -F POSTROUTING; ip6tables -t nat -F POSTROUTING"


@pytest.mark.parametrize("flush", [pytest.param(_FLUSH, id="all"), pytest.param(_FLUSH_NAT, id="nat")])
@pytest.mark.parametrize("address", ["203.0.113.9", "2001:db8:ffff::9"])
def test_a_flow_that_began_while_the_rules_were_flushed_goes_on_in_its_lane(
    router: Throwaway, laneway: Laneway, address: str, flush: str
) -> None:
    router.sh(_PROVIDER + _PROVIDER6.replace("ip -n provider -6 route add fd00::/8 via 2001:db8:a::2", ""))
    router.run(["tee", "/run/policy.toml"], input=NORTH.replace("masquerade = false", "") + policy())
    laneway("apply", "/run/policy.toml")
    router.sh(flush)
    assert asked(router, address, 80) == "", "untranslated: there is no way back"

    laneway("apply", "/run/policy.toml")

    with answering(router, "provider", address, 80):
        assert asked(router, address, 80) == "here"
