"""A published port leads to its workload, and nowhere else when a rule of others' translates it first."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from integration.commands.conftest import PROVIDER, PROVIDER6, answering, inside, script
from integration.commands.listening import hearing
from integration.commands.test_isolation import (
    ACCEPTS,
    APP,
    ASKS,
    BOTH,
    HOST,
    NO_RULES,
    OTHER,
    WEB,
    on_both,
    sends,
    write,
)

if TYPE_CHECKING:
    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway

DB = {4: "10.20.0.11", 6: "fd20::11"}
POLICY = """
[uplinks.north]
interface = "eth0"
gateways = ["192.0.2.1", "2001:db8:a::1"]
[tenants.acme]
subnets = ["10.20.0.0/24", "fd20::/64"]
uplinks = ["north"]
[[tenants.acme.allow]]
to = "globex/app"
ports = ["5432/udp"]
[tenants.acme.workloads.web]
addresses = ["10.20.0.10", "fd20::10"]
publish = ["8080:80/udp", "9000-9010:9000-9010/udp", "192.0.2.2:7000:70/udp", "[2001:db8:a::2]:7000:70/udp"]
[tenants.acme.workloads.db]
addresses = ["10.20.0.11", "fd20::11"]
[tenants.globex]
subnets = ["10.30.0.0/24", "fd30::/64"]
uplinks = ["north"]
[tenants.globex.workloads.app]
addresses = ["10.30.0.10", "fd30::10"]
"""
SENT_ON = "-p udp --dport {port} -j DNAT --to {to}"
_TWICE = """
import socket, sys
to, port = sys.argv[1], int(sys.argv[2])
one = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM)
for attempt in range(2):
    one.sendto(b"x", (to, port))
"""


def at(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def send_on(host: Throwaway, chain: str, port: int, to: dict[int, str], its: int = 0) -> None:
    """Have a rule of others' translate what is for a port, before all rules of its chain in a variant."""
    variant, _, hook = chain.partition(" ")
    for family, tool in ((4, "iptables"), (6, "ip6tables")):
        target = at(to[family], its) if its else to[family]
        host.sh(f"{tool}-{variant} -t nat -I {hook or 'PREROUTING'} {SENT_ON.format(port=port, to=target)}")


def answered(host: Throwaway, asker: str | None, address: str, port: int) -> bool:
    return host.run([*inside(asker), *script(ASKS, address, port)]).stdout.strip() == "here"


def stray(host: Throwaway) -> list[tuple[str, str]]:
    """Return who is heard in globex, having asked for ports that acme publishes."""
    with hearing(host, "globex-app") as app, hearing(host, "provider") as provider:
        for family in BOTH:
            for port in (9001, 9002):
                for asker in ("acme-web", "provider"):
                    sends(host, asker, HOST[family], port)
        time.sleep(0.3)
        heard = [*((each.source, each.to) for each in app()), *((each.source, each.to) for each in provider())]
    return [
        (source, to) for source, to in heard if to in APP.values() and not source.startswith(("10.30.0.1", "fe80:"))
    ]


def refused_wanted(host: Throwaway) -> list[tuple[str | None, str, int]]:
    """Return what is not answered of what must be: published ports for whoever asks, `allow`, others' ways home."""
    asked: list[tuple[str, str | None, str, int, int]] = []
    for family in BOTH:
        asked += [("acme-web", asker, HOST[family], 8080, 80) for asker in ("provider", "globex-app", None, "acme-db")]
        asked += [("acme-web", "acme-web", HOST[family], 8080, 80)]
        asked += [("acme-web", asker, HOST[family], 9005, 9005) for asker in ("provider", "globex-app")]
        asked += [("acme-web", asker, HOST[family], 7000, 70) for asker in ("provider", "globex-app")]
        asked += [("globex-app", "acme-web", APP[family], 5432, 5432)]
        # Where others send them on: to what the tenant may reach anyhow, and to another workload of its own.
        asked += [("globex-app", "acme-web", HOST[family], 9003, 5432), ("acme-db", "acme-web", HOST[family], 9004, 77)]
    homes = {"acme-web": WEB, "acme-db": DB, "globex-app": APP}
    failed: list[tuple[str | None, str, int]] = []
    for answerer, asker, address, port, inner in asked:
        with answering(host, answerer, homes[answerer][6 if ":" in address else 4], inner):
            if not answered(host, asker, address, port):
                failed.append((asker, address, port))
    return failed


def test_what_others_dnat_makes_of_a_published_port(router: Throwaway, laneway: Laneway, variant: str) -> None:
    router.sh(PROVIDER + PROVIDER6)
    # Of two variants the one that translated first on this host does so for each flow.
    send_on(router, OTHER[variant], 9002, APP)
    write(router, POLICY)
    laneway("apply", "/run/policy.toml")
    send_on(router, variant, 9001, APP)
    send_on(router, variant, 9003, APP, 5432)
    send_on(router, variant, 9004, DB, 77)
    send_on(router, f"{variant} OUTPUT", 9009, APP, 77)

    assert stray(router) == []
    assert refused_wanted(router) == []
    with hearing(router, "globex-app") as app:
        # The host is not kept from any tenant, nor is what it sends again before it is answered.
        for family in BOTH:
            router.run([sys.executable, "-c", _TWICE, HOST[family], "9009"])
        time.sleep(0.3)
        hosts = [each.source for each in app() if each.source in HOST.values()]
    assert sorted(hosts) == sorted([*HOST.values()] * 2)

    router.sh(on_both(ACCEPTS, variant) + "\n" + on_both(ACCEPTS, OTHER[variant]))
    assert stray(router) == []
    assert refused_wanted(router) == []
    router.sh(NO_RULES.format())
    assert stray(router) == []
