"""Nobody is taken for somebody else: not for a service, by a port; nor from outside for a tenant or the host."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from integration.commands.conftest import (
    NORTH,
    PROVIDER,
    PROVIDER6,
    answering,
    apply,
    gets,
    inside,
    policy,
)

if TYPE_CHECKING:
    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway

FAMILIES = pytest.mark.parametrize(
    ("family", "outside", "host"),
    [
        pytest.param(4, "203.0.113.9", "192.0.2.2", id="IPv4"),
        pytest.param(6, "2001:db8:ffff::9", "2001:db8:a::2", id="IPv6"),
    ],
)

# From a port that it says, to one that it says.
_SAYS = """
import socket, sys
source, port, to, its = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
one = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM)
one.settimeout(1)
one.bind((source, port))
one.connect((to, its))
for attempt in range(4):  # an IPv6 neighbour may be found late
    try:
        one.send(b"?")
        print(one.recv(9).decode())
        break
    except TimeoutError:
        continue
"""

# A UDP datagram of any source, out of the provider's link.
_SPOOFS = """
import socket, struct, sys
mac, source, to, port, its = sys.argv[1:]
family = socket.AF_INET6 if ":" in to else socket.AF_INET
ends = socket.inet_pton(family, source) + socket.inet_pton(family, to)

def summed(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return struct.pack(">H", ~(total + (total >> 16)) & 0xFFFF)

datagram = struct.pack(">HHHH", int(port), int(its), 8, 0)
datagram = datagram[:6] + summed(ends + struct.pack(">HH", 17, 8) + datagram)
if family == socket.AF_INET:
    header = struct.pack(">BBHHHBBH", 0x45, 0, 28, 1, 0, 64, 17, 0) + ends
    header = header[:10] + summed(header) + header[12:]
else:
    header = struct.pack(">IHBB", 6 << 28, 8, 17, 64) + ends
kind = b"\\x08\\x00" if family == socket.AF_INET else b"\\x86\\xdd"
one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
one.bind(("provider0", 0))
one.send(bytes.fromhex(mac.replace(":", "")) + bytes(6) + kind + header + datagram)
"""
_HEARD = {
    4: "grep '^Udp: [0-9]' /proc/net/snmp | cut -d' ' -f2",
    6: "grep Udp6InDatagrams /proc/net/snmp6 | tr -dc '0-9\\n' | cut -c2-",
}


def says(host: Throwaway, netns: str, *words: str) -> str:
    """Send from a port until somebody answers, and return the answer."""
    return host.run([*inside(netns), sys.executable, "-c", _SAYS, *words]).stdout.strip()


def spoof(host: Throwaway, *words: str) -> None:
    """Have the provider send a datagram that bears another's source."""
    mac = host.sh("cat /sys/class/net/eth0/address").strip()
    host.run([*inside("provider"), sys.executable, "-c", _SPOOFS, mac, *words])


@pytest.mark.parametrize("shared", [False, True], ids=["by the uplink's address", "by an own address that is both's"])
@FAMILIES
def test_a_tenant_that_sends_from_anothers_published_port_is_not_given_what_is_for_that(
    router: Throwaway, laneway: Laneway, family: int, outside: str, host: str, *, shared: bool
) -> None:
    router.sh(PROVIDER + PROVIDER6)
    published = policy(publish=f'["{f"[{host}]" if family != 4 else host}:5555:5555/udp"]')
    if shared:
        published = published.replace("host_access", f'snat = ["{host}"]\nhost_access')
    router.run(["tee", "/run/policy.toml"], input=NORTH.replace("masquerade = false", "") + published)
    laneway("apply", "/run/policy.toml")
    inner = "10.30.0.10" if family == 4 else "fd30::10"
    with answering(router, "provider", outside, 80):
        assert gets(router, outside, 80, "here")  # acme's workload, from port 5555

    with answering(router, "globex-db", inner, 5555):
        answer = says(router, "provider", outside, "80", host, "5555")

    assert answer == "here"


@FAMILIES
def test_nobody_outside_speaks_as_a_tenant_in_its_flow(
    router: Throwaway, laneway: Laneway, family: int, outside: str, host: str
) -> None:
    router.sh(PROVIDER + PROVIDER6 + "ip -n provider route add 10.0.0.0/8 via 192.0.2.2")
    router.sh("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=1")
    apply(laneway, policy())
    source = "10.20.0.10" if family == 4 else "fd20::10"
    with answering(router, "provider", outside, 80):
        assert gets(router, outside, 80, "here")
        before = router.run([*inside("provider"), "sh", "-c", _HEARD[family]]).stdout

        spoof(router, source, outside, "5555", "80")
        time.sleep(0.3)

        assert router.run([*inside("provider"), "sh", "-c", _HEARD[family]]).stdout == before


@pytest.mark.parametrize("source", ["fd30::1", "2001:db8:b::2"])
def test_nobody_outside_speaks_as_the_host(router: Throwaway, laneway: Laneway, source: str) -> None:
    router.sh(PROVIDER + PROVIDER6)
    apply(laneway, policy(publish='["5353:53/udp"]'))

    spoof(router, "2001:db8:ffff::9", "2001:db8:a::2", "4000", "5353")
    spoof(router, source, "2001:db8:a::2", "4000", "5353")

    known = router.sh("conntrack -L -f ipv6 -p udp 2>/dev/null")
    assert "src=2001:db8:ffff::9 dst=2001:db8:a::2" in known
    assert f"src={source} dst=2001:db8:a::2" not in known
