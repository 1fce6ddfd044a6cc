"""A published port leads to its workload, and nowhere else when a rule of others' translates it first."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from integration.commands.conftest import PROVIDER, PROVIDER6, inside
from integration.commands.listening import hearing
from integration.commands.test_isolation import ACCEPTS, APP, BOTH, HOST, NO_RULES, OTHER, WEB, on_both, write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
NATIVE = """
table {family} others {{
    chain first {{
        type nat hook prerouting priority -110
        udp dport 9006 dnat to {to}
    }}
    chain stateless {{
        type filter hook prerouting priority -140
        udp dport {{ 9007, 9008 }} {family} daddr set {to}
    }}
    chain untracked {{
        type filter hook prerouting priority -300
        udp dport 9008 notrack
    }}
}}
"""

# Two of each, for what is sent again before it is answered is known to conntrack.
_SENDS = """
import json, socket, sys
for to, port in json.loads(sys.argv[1]):
    one = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM)
    for attempt in range(2):
        try:
            one.sendto(b"x", (to, port))
        except OSError:
            pass
"""
_ANSWERS = """
import json, select, socket, sys
ears = []
for address, port in json.loads(sys.argv[1]):
    ears.append(socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM))
    ears[-1].bind((address, port))
print("ready", flush=True)
while True:
    for ear in select.select(ears, [], [])[0]:
        try:
            ear.sendto(b"here", ear.recvfrom(9)[1])
        except OSError:
            pass
"""
_ASKS = """
import json, select, socket, sys, time
waiting = {}
for number, (to, port) in enumerate(json.loads(sys.argv[1])):
    one = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM)
    one.connect((to, port))
    waiting[one] = number
for attempt in range(4):  # an IPv6 neighbour may be found late
    for one in waiting:
        try:
            one.send(b"?")
        except OSError:
            pass
    until = time.monotonic() + 0.7
    while waiting and (left := until - time.monotonic()) > 0:
        for one in select.select(list(waiting), [], [], left)[0]:
            try:
                one.recv(9)
                del waiting[one]
            except OSError:
                pass
print(json.dumps(sorted(waiting.values())))
"""


def at(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def send_on(host: Throwaway, chain: str, port: int, to: dict[int, str], its: int = 0) -> None:
    """Have a rule of others' translate what is for a port, before all rules of its chain in a variant."""
    variant, _, hook = chain.partition(" ")
    for family, tool in ((4, "iptables"), (6, "ip6tables")):
        target = at(to[family], its) if its else to[family]
        rule = f"-t nat -I {hook or 'PREROUTING'} -p udp --dport {port} -j DNAT --to {target}"
        host.sh(f"{tool}-{variant} {rule}")


def send_on_native(host: Throwaway, to: dict[int, str]) -> None:
    for family, name in ((4, "ip"), (6, "ip6")):
        host.run(["nft", "-f", "-"], input=NATIVE.format(family=name, to=to[family]))


def sends(host: Throwaway, netns: str | None, to: Iterable[tuple[str, int]]) -> None:
    host.run([*inside(netns), sys.executable, "-c", _SENDS, json.dumps(list(to))])


@contextmanager
def answering(host: Throwaway, netns: str, at: Iterable[tuple[str, int]]) -> Iterator[None]:
    """Have a workload answer every datagram to any of these."""
    argv = [*host.prefix, *inside(netns), sys.executable, "-c", _ANSWERS, json.dumps(list(at))]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()
        try:
            yield
        finally:
            server.kill()


def unanswered(host: Throwaway, netns: str | None, to: list[tuple[str, int]]) -> list[tuple[str | None, str, int]]:
    """Return which of these do not answer somebody, who asks all at once."""
    silent = json.loads(host.run([*inside(netns), sys.executable, "-c", _ASKS, json.dumps(to)]).stdout)
    return [(netns, *to[each]) for each in silent]


def stray(host: Throwaway) -> list[tuple[str, str]]:
    """Return who is heard in globex, having asked for ports that acme publishes."""
    asked = [(HOST[family], port) for family in BOTH for port in (9001, 9002, 9006, 9007, 9008)]
    with hearing(host, "globex-app") as app, hearing(host, "provider") as provider:
        for asker in ("acme-web", "acme-db", "provider"):
            sends(host, asker, asked)
        time.sleep(0.3)
        heard = [*((each.source, each.to) for each in app()), *((each.source, each.to) for each in provider())]
    return [
        (source, to) for source, to in heard if to in APP.values() and not source.startswith(("10.30.0.1", "fe80:"))
    ]


def refused_wanted(host: Throwaway) -> list[tuple[str | None, str, int]]:
    """Return what is not answered of what must be: published ports for whoever asks, `allow`, others' ways home."""
    wanted: dict[str | None, list[tuple[str, int]]] = {
        "provider": [(HOST[family], port) for family in BOTH for port in (8080, 9005, 7000)],
        "globex-app": [(HOST[family], port) for family in BOTH for port in (8080, 9005, 7000)],
        None: [(HOST[family], 8080) for family in BOTH],
        "acme-db": [(HOST[family], 8080) for family in BOTH],
        # Where others send them on: to what the tenant may reach anyhow, and to another workload of its own.
        "acme-web": [(HOST[family], port) for family in BOTH for port in (8080, 9003, 9004)]
        + [(APP[family], 5432) for family in BOTH],
    }
    answers = {
        "acme-web": [(WEB[family], port) for family in BOTH for port in (80, 9005, 70)],
        "acme-db": [(DB[family], 77) for family in BOTH],
        "globex-app": [(APP[family], 5432) for family in BOTH],
    }
    with ExitStack() as servers:
        for netns, ports in answers.items():
            servers.enter_context(answering(host, netns, ports))
        return [each for asker, to in wanted.items() for each in unanswered(host, asker, to)]


def test_what_others_dnat_makes_of_a_published_port(router: Throwaway, laneway: Laneway, variant: str) -> None:
    router.sh(PROVIDER + PROVIDER6)
    # Of two variants the one that translated first on this host does so for each flow.
    send_on(router, OTHER[variant], 9002, APP)
    write(router, POLICY)
    laneway("apply", "/run/policy.toml")
    send_on_native(router, APP)
    send_on(router, variant, 9001, APP)
    send_on(router, variant, 9003, APP, 5432)
    send_on(router, variant, 9004, DB, 77)
    send_on(router, f"{variant} OUTPUT", 9009, APP, 77)

    assert stray(router) == []
    assert refused_wanted(router) == []
    with hearing(router, "globex-app") as app:
        # The host is not kept from any tenant, nor is what it sends again before it is answered.
        sends(router, None, [(HOST[family], 9009) for family in BOTH])
        time.sleep(0.3)
        hosts = [each.source for each in app() if each.source in HOST.values()]
    assert sorted(hosts) == sorted([*HOST.values()] * 2)

    router.sh(on_both(ACCEPTS, variant) + "\n" + on_both(ACCEPTS, OTHER[variant]))
    assert stray(router) == []
    assert refused_wanted(router) == []
    router.sh(NO_RULES.format())
    assert stray(router) == []
