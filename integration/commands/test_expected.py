"""What a helper of conntrack expects (a transfer by TFTP or FTP) leads to no other tenant than the one that asked."""

from __future__ import annotations

import socket
import sys
import time
from typing import TYPE_CHECKING

from integration.commands.conftest import PROVIDER, PROVIDER6, apply, inside, policy
from integration.commands.listening import hearing
from integration.commands.test_isolation import ACCEPTS, BOTH, OUTSIDE, WEB, on_both

if TYPE_CHECKING:
    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway

DATABASE = {4: "10.30.0.10", 6: "fd30::10"}
MORE = """
[[tenants.acme.allow]]
to = "globex/db"
ports = ["69/udp"]
[tenants.initech]
subnets = ["10.40.0.0/24", "fd40::/64"]
uplinks = ["north"]
[tenants.initech.workloads.pc]
addresses = ["10.40.0.10", "fd40::10"]
"""
PC = {4: "10.40.0.10", 6: "fd40::10"}
HELPER = "{t}-{v} -t raw -I PREROUTING -p udp --dport 69 -j CT --helper tftp"

# Whoever asks for a file (RFC 1350) is sent it from another port than it asked.
_ASKS = """
import socket, sys
own, to = sys.argv[1:]
one = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM)
one.bind((own, 5555))
one.sendto(b"\\x00\\x01file\\x00octet\\x00", (to, 69))
"""
_SENDS = """
import socket, sys
own, to = sys.argv[1:]
one = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM)
one.bind((own, 7000))
one.sendto(b"\\x00\\x03\\x00\\x01data", (to, 5555))
"""


def transfer(host: Throwaway, server: str, family: int, address: str) -> None:
    """Have acme's workload ask a server for a file, and that send it."""
    host.run(["conntrack", "-F"])
    host.run([*inside("acme-web"), sys.executable, "-c", _ASKS, WEB[family], address])
    host.run([*inside(server), sys.executable, "-c", _SENDS, address, WEB[family]])


def arrives(host: Throwaway, family: int) -> bool:
    """Wait until acme's workload is sent a file from outside: an IPv6 neighbour may be found late."""
    deadline = time.monotonic() + 30
    with hearing(host, "acme-web") as web:
        while time.monotonic() < deadline:
            transfer(host, "provider", family, OUTSIDE[family])
            time.sleep(0.3)
            if any(each.source == OUTSIDE[family] and each.protocol == socket.IPPROTO_UDP for each in web()):
                return True
    return False


def test_what_a_helper_expects_leads_to_no_other_tenant(router: Throwaway, laneway: Laneway, variant: str) -> None:
    router.sh(PROVIDER + PROVIDER6 + "ip -n provider route add 10.0.0.0/8 via 192.0.2.2")
    apply(laneway, policy() + MORE)
    router.sh(on_both(HELPER, variant))

    for family in BOTH:
        assert arrives(router, family)

    for family, tool in ((4, "iptables"), (6, "ip6tables")):
        router.sh(f"{tool}-{variant} -t nat -I PREROUTING -p udp --dport 5555 -j DNAT --to {PC[family]}")
    for opened in ("", on_both(ACCEPTS, variant)):
        router.sh(opened)
        with hearing(router, "initech-pc") as pc:
            for family in BOTH:
                transfer(router, "provider", family, OUTSIDE[family])
                transfer(router, "globex-db", family, DATABASE[family])
            time.sleep(0.3)
            assert [each for each in pc() if each.source in {*OUTSIDE.values(), *DATABASE.values()}] == []
