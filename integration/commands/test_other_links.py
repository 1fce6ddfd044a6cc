"""By a link that is neither a tenant's nor an uplink nothing of a tenant's comes or goes, in a known flow either."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from integration.commands.conftest import (
    PROVIDER,
    PROVIDER6,
    answering,
    apply,
    asked,
    gets,
    inside,
    policy,
    talking,
)
from integration.commands.listening import Heard, hearing
from integration.commands.test_forged import FORGED6, forged

if TYPE_CHECKING:
    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway

_MANAGEMENT = """
ip netns add management
ip link set provider1 netns management
ip -n management link set provider1 up
ip -n management addr add 198.51.100.1/24 dev provider1
ip -n management addr add 2001:db8:b::1/64 dev provider1 nodad
ip -n management route add default via 198.51.100.2
ip -n management -6 route add default via 2001:db8:b::2
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth1.rp_filter=0
"""
_HEARS = """
import socket, sys
one = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)  # of both families
one.bind(("::", {port}))
print("ready", flush=True)
said = set()
while sys.stdin.readline():
    one.settimeout(2)
    try:
        while True:
            said.add(one.recv(9).decode())
    except TimeoutError:
        print(*sorted(said), flush=True)
"""
_SAYS = """
import socket, sys, time
source, to, port, said, own = sys.argv[1:]
one = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM)
transparent = (socket.IPPROTO_IPV6, 75) if ":" in to else (socket.IPPROTO_IP, 19)
one.setsockopt(*transparent, 1)  # as whoever it is said to be (ip(7))
one.bind((source, int(own)))
for attempt in range(5):  # an IPv6 neighbour may be found late
    one.sendto(said.encode(), (to, int(port)))
    time.sleep(0.3)
"""
ALLOW = """
[[tenants.acme.allow]]
to = "globex/db"
ports = ["5432/udp"]
"""


def says(netns: str | None, *arguments: str, port: str = "5555") -> list[str]:
    """Return who sends a datagram, a few times: as whom, to whom and to which port, and what it says."""
    return [*inside(netns), sys.executable, "-c", _SAYS, *arguments, port]


@pytest.mark.parametrize(("acme", "globex"), [("10.20.0.10", "10.30.0.10"), ("fd20::10", "fd30::10")])
def test_nobody_there_speaks_as_a_tenant_in_a_flow_that_is_known(
    router: Throwaway, laneway: Laneway, acme: str, globex: str
) -> None:
    router.sh(_MANAGEMENT)
    apply(laneway, policy() + ALLOW)
    with answering(router, "globex-db", globex, 5432):
        assert gets(router, globex, 5432, "here")

    with talking([*router.prefix, *inside("globex-db"), sys.executable, "-c", _HEARS.format(port=5432)]) as database:
        assert database() == "ready"
        router.run(says("acme-web", acme, globex, "5432", "acme"))
        router.run(says("management", acme, globex, "5432", "another"))

        assert database() == "acme"


_SAYS_ONCE = _SAYS.replace("range(5)", "range(1)").replace("0.3", "0")
_ENDS = {4: ("10.20.0.10", "10.30.0.10", "203.0.113.9"), 6: ("fd20::10", "fd30::10", "2001:db8:ffff::9")}
_THERE = {"management": ("provider1", "198.51.100.1", "2001:db8:b::1")}
_OUTSIDE = {"provider": ("provider0", "192.0.2.1", "2001:db8:a::1")}


def test_no_answer_and_no_error_from_there_reaches_a_tenant(router: Throwaway, laneway: Laneway) -> None:
    router.sh(PROVIDER + PROVIDER6 + _MANAGEMENT + "ip -n provider route add 10.0.0.0/8 via 192.0.2.2")
    apply(laneway, policy() + ALLOW)
    for _, globex, peer in _ENDS.values():
        with answering(router, "provider", peer, 80), answering(router, "globex-db", globex, 5432):
            assert gets(router, peer, 80, "here")
            assert gets(router, globex, 5432, "here")

    heard: dict[str, set[Heard]] = {}
    for sender, (link, _, own) in (_THERE | _OUTSIDE).items():
        with hearing(router, "acme-web") as web:
            for family, (acme, globex, peer) in _ENDS.items():
                for end, port in ((peer, "80"), (globex, "5432")):
                    answer = [sys.executable, "-c", _SAYS_ONCE, end, acme, "5555", "x", port]
                    error = forged(acme, end, (5555, int(port)))
                    if family == 6:
                        script = FORGED6.replace("eth0", link)
                        error = [sys.executable, "-c", script, acme, end, own, "5555", port]
                    for each in (answer, error):
                        router.run([*inside(sender), *each], check=False)
            time.sleep(0.3)
            ends = {*_ENDS[4], *_ENDS[6], *_THERE["management"], *_OUTSIDE["provider"]}
            heard[sender] = {each for each in web() if each.source in ends and each.to in ("10.20.0.10", "fd20::10")}

    assert heard["management"] == set()
    # Nor does anybody outside speak as another tenant.
    assert {each for each in heard["provider"] if each.protocol == 17} == (
        {Heard("203.0.113.9", "10.20.0.10", 17), Heard("2001:db8:ffff::9", "fd20::10", 17)}
    )
    assert {each for each in heard["provider"] if each.protocol != 17} == {
        Heard("192.0.2.1", "10.20.0.10", 1),
        Heard("2001:db8:a::1", "fd20::10", 58),
    }


@pytest.mark.parametrize(("acme", "gateway"), [("10.20.0.10", "10.20.0.1"), ("fd20::10", "fd20::1")])
def test_nobody_there_begins_a_flow_as_a_tenant(router: Throwaway, laneway: Laneway, acme: str, gateway: str) -> None:
    router.sh(_MANAGEMENT)
    apply(laneway, policy())
    with answering(router, None, gateway, 9999):
        assert gets(router, gateway, 9999, "refused")
        router.run(says("management", acme, gateway, "9999", "another"))

        assert asked(router, gateway, 9999) == "refused"


_CONTAINER = """
ip link add docker0 type bridge; ip link set docker0 up; ip addr add 172.17.0.1/16 dev docker0
iptables -t nat -A PREROUTING -d 192.0.2.2 -p udp --dport 8081 -j DNAT --to-destination 172.17.0.2:80
"""


def test_what_others_translate_for_their_own_network_leaves_by_no_uplink(router: Throwaway, laneway: Laneway) -> None:
    router.sh(PROVIDER + _CONTAINER)
    router.sh("ip -n provider addr add 172.17.0.2/32 dev lo; ip -n provider route add 10.0.0.0/8 via 192.0.2.2")
    apply(laneway, policy())

    with answering(router, "provider", "203.0.113.9", 80), answering(router, "provider", "172.17.0.2", 80):
        assert gets(router, "203.0.113.9", 80, "here")
        assert asked(router, "192.0.2.2", 8081) == "refused"


_LED_BACK = "ip{}tables-legacy -w 5 -t raw -{} PREROUTING -i provider0 -d {}"


@pytest.mark.parametrize(
    ("acme", "gateway", "peer", "six"),
    [("10.20.0.10", "10.20.0.1", "203.0.113.9", ""), ("fd20::10", "fd20::1", "2001:db8:ffff::9", "6")],
    ids=["IPv4", "IPv6"],
)
def test_what_is_for_a_tenant_leaves_by_no_uplink_when_its_bridge_went_down_and_came_up(  # noqa: PLR0917
    router: Throwaway, laneway: Laneway, acme: str, gateway: str, peer: str, six: str
) -> None:
    router.sh(PROVIDER + PROVIDER6)
    router.sh("ip -n provider route add 10.0.0.0/8 via 192.0.2.2")
    apply(laneway, policy(services='["53/udp"]'))
    with answering(router, "provider", peer, 80), answering(router, None, gateway, 53):
        assert gets(router, peer, 80, "here")
        assert gets(router, gateway, 53, "here")
    provider = [*inside("provider"), "sh", "-ec"]
    router.run([*provider, _LED_BACK.format(six, "I", acme)])

    router.sh("ip link set lwb-acme down; ip link set lwb-acme up")
    router.run(says("provider", peer, acme, "5555", "secret", port="80"))
    router.run(says(None, gateway, acme, "5555", "secret", port="53"), check=False)

    counted = router.run([*provider, f"ip{six}tables-legacy-save -c -t raw"]).stdout
    assert f"[0:0] -A PREROUTING -d {acme}/" in counted


@pytest.mark.parametrize(
    ("acme", "peer"),
    [pytest.param("10.20.0.10", "203.0.113.9", id="IPv4"), pytest.param("fd20::10", "2001:db8:ffff::9", id="IPv6")],
)
def test_nothing_leaves_there_while_the_ip_rules_are_flushed_and_main_leads_there(
    router: Throwaway, laneway: Laneway, acme: str, peer: str
) -> None:
    router.sh(PROVIDER + PROVIDER6 + _MANAGEMENT)
    router.sh("ip -n provider route add 10.0.0.0/8 via 192.0.2.2")
    router.sh("ip -n management addr add 203.0.113.9/32 dev lo; ip -n management addr add 2001:db8:ffff::9/128 dev lo")
    apply(laneway, policy())
    with answering(router, "provider", peer, 80):
        assert gets(router, peer, 80, "here")

    router.sh("ip route replace default via 198.51.100.1; ip -6 route del default")
    router.sh("ip -6 route add default via 2001:db8:b::1; ip -n management link set lo up")
    router.sh("for family in -4 -6; do ip $family rule flush protocol 147; done")

    with talking([*router.prefix, *inside("management"), sys.executable, "-c", _HEARS.format(port=80)]) as stranger:
        assert stranger() == "ready"
        assert not asked(router, peer, 80)  # a known flow is dropped in mangle, which sends no error
        assert stranger() == ""
        router.run(says("management", peer, peer, "80", "itself"))

        assert stranger() == "itself"


_BY_THE_GATEWAY = """
import socket
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("10.20.0.10", 5555))
one.settimeout(5)
one.sendto(b"?", ("10.20.0.1", 7777))
print(one.recv(9).decode(), flush=True)
# Loose source and record route (RFC 791, 3.1): by the gateway to somebody outside, as part of that flow.
one.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, bytes([131, 7, 4]) + socket.inet_aton("10.20.0.1") + bytes(1))
one.sendto(b"routed", ("203.0.113.9", 7777))
"""


def test_a_tenant_names_no_next_hops_itself(router: Throwaway, laneway: Laneway) -> None:
    router.sh(PROVIDER)
    for netns in (None, "provider"):
        router.run([*inside(netns), "sysctl", "-qw", "net.ipv4.conf.all.accept_source_route=1"])
    apply(laneway, policy(services='["7777/udp"]'))

    with (
        answering(router, None, "10.20.0.1", 7777),
        talking([*router.prefix, *inside("provider"), sys.executable, "-c", _HEARS.format(port=7777)]) as provider,
    ):
        assert provider() == "ready"
        assert router.run([*inside("acme-web"), sys.executable, "-c", _BY_THE_GATEWAY]).stdout.strip() == "here"

        assert provider() == ""
