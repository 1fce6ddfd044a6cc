"""Who spoke to a port before it was published reaches the workload when it is; whom the host answers, it answers."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from integration.commands.conftest import (
    ACME,
    NORTH,
    PROVIDER,
    PROVIDER6,
    answering,
    apply,
    inside,
    policy,
    talking,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway

SPEAKS = """
import socket, sys
family, address, port = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, sys.argv[1], int(sys.argv[2])
one = socket.socket(family, socket.SOCK_DGRAM)
one.settimeout(0.4)
for line in sys.stdin:
    said = "nothing"
    for attempt in range(4):
        try:
            one.sendto(b"?", (address, port))
            said = one.recv(9).decode()
            break
        except OSError:
            continue
    print(said, flush=True)
"""
HERE = ("192.0.2.2", "2001:db8:a::2")
HOSTS_OWN = """
import socket
two = [socket.socket(family, socket.SOCK_DGRAM) for family in (socket.AF_INET, socket.AF_INET6)]
two[1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
for one, address in zip(two, ("0.0.0.0", "::")):
    one.bind((address, 5353))
print("ready", flush=True)
import select
while True:
    for one in select.select(two, [], [])[0]:
        data, whom = one.recvfrom(9)
        one.sendto(b"host", whom)
"""


@contextmanager
def speakers(host: Throwaway, port: int, netns: tuple[str | None, ...]) -> Iterator[Callable[[], dict[str, str]]]:
    """Have somebody speak from each namespace to each address of the host, each from one socket as long as it lasts."""
    with ExitStack() as stack:
        who = {}
        for name in netns:
            for address in HERE:
                argv = [*host.prefix, *inside(name), sys.executable, "-c", SPEAKS, address, str(port)]
                who[f"{name} to {address}"] = stack.enter_context(talking(argv))
        yield lambda: {name: ask() for name, ask in who.items()}


@contextmanager
def served_by_the_host(host: Throwaway) -> Iterator[None]:
    with subprocess.Popen([*host.prefix, sys.executable, "-c", HOSTS_OWN], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()
        try:
            yield
        finally:
            server.kill()


EVERYBODY = ("provider", None, "acme-web")


def test_who_spoke_before_a_port_was_published_reaches_the_workload(router: Throwaway, laneway: Laneway) -> None:
    router.sh(PROVIDER + PROVIDER6)
    apply(laneway, policy())
    with speakers(router, 5353, EVERYBODY) as ask, speakers(router, 5354, (None,)) as elsewhere:
        assert set(ask().values()) == {"nothing"}
        elsewhere()
        others = router.sh("conntrack -L -p udp --orig-port-dst 5354 -o id | grep -o 'id=[0-9]*' | sort")
        assert others

        apply(laneway, policy(publish='["5353:5432/udp"]'))

        with answering(router, "globex-db", "10.30.0.10", 5432), answering(router, "globex-db", "fd30::10", 5432):
            assert set(ask().values()) == {"here"}, ask()
            kept = router.sh("conntrack -L -p udp --orig-port-dst 5354 -o id | grep -o 'id=[0-9]*' | sort")
            assert kept == others, "flows to other ports are nobody's concern"

            # Somebody takes nat away, they go on speaking, and the next apply puts it back.
            router.sh("for t in iptables ip6tables; do $t -t nat -F; done; conntrack -F")
            assert set(ask().values()) == {"nothing"}
            laneway("apply", "/run/policy.toml")
            assert set(ask().values()) == {"here"}, ask()

        # It moves to another workload, and goes away.
        moved = ACME.replace("[tenants.acme.workloads.web]", '[tenants.acme.workloads.web]\npublish=["5353:53/udp"]')
        apply(laneway, moved.format(services="[]") + policy().removeprefix(ACME.format(services="[]")))
        with answering(router, "acme-web", "10.20.0.10", 53), answering(router, "acme-web", "fd20::10", 53):
            assert set(ask().values()) == {"here"}, ask()
            apply(laneway, policy())
            assert set(ask().values()) == {"nothing"}


def test_whom_a_service_of_the_hosts_answers_it_goes_on_answering(router: Throwaway, laneway: Laneway) -> None:
    router.sh(PROVIDER + PROVIDER6)
    apply(laneway, policy())
    with speakers(router, 5353, ("provider", None)) as ask:
        with served_by_the_host(router):
            assert set(ask().values()) == {"host"}
            apply(laneway, policy(publish='["5353:5432/udp"]'))
            assert set(ask().values()) == {"host"}

        # The service ends: with the next change its clients are the workload's.
        router.sh("ipset flush lw-pub4-north; ipset flush lw-pub6-north")
        laneway("apply", "/run/policy.toml")
        with answering(router, "globex-db", "10.30.0.10", 5432), answering(router, "globex-db", "fd30::10", 5432):
            assert set(ask().values()) == {"here"}, ask()


@pytest.mark.parametrize("variant", ["nft"], indirect=True)
def test_a_port_that_is_published_with_the_first_policy_of_a_host(router: Throwaway, laneway: Laneway) -> None:
    router.sh(PROVIDER + PROVIDER6)
    router.sh("iptables -A INPUT -m conntrack --ctstate NEW; ip6tables -A INPUT -m conntrack --ctstate NEW")
    with speakers(router, 5353, ("provider", None)) as ask:
        assert set(ask().values()) == {"nothing"}
        router.run(["tee", "/run/policy.toml"], input=NORTH + policy(publish='["5353:5432/udp"]'))

        laneway("apply", "/run/policy.toml")

        with answering(router, "globex-db", "10.30.0.10", 5432), answering(router, "globex-db", "fd30::10", 5432):
            assert set(ask().values()) == {"here"}, ask()
