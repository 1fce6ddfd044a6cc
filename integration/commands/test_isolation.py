"""What keeps tenants apart holds whatever others put before laneway's jumps in filter, and whatever tenants make up."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from integration.commands.conftest import PROVIDER, PROVIDER6, answering, asked, gets, inside, script
from integration.commands.listening import frame, hearing, mac_of

if TYPE_CHECKING:
    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway

BOTH = (4, 6)
OUTSIDE = {4: "203.0.113.9", 6: "2001:db8:ffff::9"}
WEB = {4: "10.20.0.10", 6: "fd20::10"}
APP = {4: "10.30.0.10", 6: "fd30::10"}
HOST = {4: "192.0.2.2", 6: "2001:db8:a::2"}
GATEWAY = {4: "10.20.0.1", 6: "fd20::1"}
CT = {4: "172.18.0.5", 6: "fd18::5"}
CT_SENDS = {(each, protocol) for each in CT.values() for protocol in (1, 6, 17, 58)}

POLICY = """
[uplinks.north]
interface = "eth0"
gateways = ["192.0.2.1", "2001:db8:a::1"]
{north}
[tenants.acme]
subnets = ["10.20.0.0/24", "fd20::/64"]
uplinks = ["north"]
{acme}
[tenants.acme.workloads.web]
addresses = ["10.20.0.10", "fd20::10"]
publish = ["8080:80/udp"]
[tenants.acme.workloads.db]
addresses = ["10.20.0.11", "fd20::11"]
[tenants.globex]
subnets = ["10.30.0.0/24", "fd30::/64"]
uplinks = ["north"]
[tenants.globex.workloads.app]
addresses = ["10.30.0.10", "fd30::10"]
[tenants.globex.workloads.aux]
addresses = ["10.30.0.11", "fd30::11"]
"""

# Another's container on a bridge of its own, which the host routes.
CONTAINER = """
ip netns add ct
ip link add ctbr type bridge
ip link add ctveth type veth peer name eth0 netns ct
ip link set ctveth master ctbr up
ip addr add 172.18.0.1/24 dev ctbr
ip addr add fd18::1/64 dev ctbr nodad
ip link set ctbr up
ip -n ct link set lo up
ip -n ct addr add 172.18.0.5/24 dev eth0
ip -n ct addr add fd18::5/64 dev eth0 nodad
ip -n ct link set eth0 up
ip -n ct route add default via 172.18.0.1
ip -n ct -6 route add default via fd18::1
ip -n acme-web route replace default via 10.20.0.1
"""
BRIDGED = "sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1"

# Whatever is in filter before our jump, or in its place: others' rules, in the variant named.
ACCEPTS = "{t}-{v} -I FORWARD -j ACCEPT; {t}-{v} -I INPUT -j ACCEPT"
FLUSHED = "{t}-{v} -F; {t}-{v} -P FORWARD ACCEPT"
NO_RULES = """
for family in -4 -6; do for pref in $(ip $family rule | sed -n 's/^\\(1[0-9]\\{{4\\}}\\):.*/\\1/p'); do
    ip $family rule del pref $pref
done; done
"""
OTHER = {"nft": "legacy", "legacy": "nft"}

_SENDS = """
import socket, sys
to, port, own = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
family = socket.AF_INET6 if ":" in to else socket.AF_INET
for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
    one = socket.socket(family, kind)
    one.settimeout(0.2)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("", own))
    try:
        one.connect((to, port))
        one.send(b"x")
    except OSError:
        pass
"""


def on_both(script: str, variant: str) -> str:
    """Return the script for iptables and ip6tables of a variant."""
    return "\n".join(script.format(t=tool, v=variant) for tool in ("iptables", "ip6tables"))


def sends(host: Throwaway, netns: str, to: str, port: int, own: int = 0) -> None:
    """Send a datagram, a SYN and an echo request."""
    host.run([*inside(netns), sys.executable, "-c", _SENDS, to, str(port), str(own)])
    host.run([*inside(netns), "ping", "-c", "1", "-W", "0.3", to], check=False)


@pytest.fixture
def edge(router: Throwaway, laneway: Laneway) -> Throwaway:
    """A host with acme and globex on it, a provider, and somebody else's container."""
    router.sh(PROVIDER + PROVIDER6 + BRIDGED)
    write(router, POLICY.format(north="", acme=""))
    laneway("apply", "/run/policy.toml")
    router.sh(CONTAINER)
    assert passes(router)
    return router


def write(host: Throwaway, text: str) -> None:
    host.run(["tee", "/run/policy.toml"], input=text)


def passes(host: Throwaway) -> bool:
    """Return whether what may pass does: out by the lane, in to a published port, and from the host to a workload."""
    found = []
    for family in BOTH:
        with answering(host, "provider", OUTSIDE[family], 80):
            found.append(gets(host, OUTSIDE[family], 80, "here"))
        with answering(host, "acme-web", WEB[family], 80):
            published = {4: "192.0.2.2", 6: "2001:db8:a::2"}[family]
            found.extend(
                host.run([*inside(netns), *script(ASKS, to, port)]).stdout.strip() == "here"
                for netns, to, port in (
                    ("provider", published, 8080),
                    ("globex-app", published, 8080),
                    (None, WEB[family], 80),
                )
            )
    return all(found)


ASKS = """
import socket
one = socket.socket({family}, socket.SOCK_DGRAM)
one.settimeout(2)
one.connect(("{address}", {port}))
for attempt in range(3):
    try:
        one.send(b"?")
        print(one.recv(9).decode())
        break
    except OSError:
        continue
"""


@pytest.mark.parametrize(
    ("damage", "other"),
    [
        pytest.param(ACCEPTS, False, id="an ACCEPT before our jumps"),
        pytest.param(ACCEPTS, True, id="an ACCEPT in the other variant, and filter flushed"),
        pytest.param(FLUSHED, False, id="filter flushed"),
        pytest.param(ACCEPTS + NO_RULES, False, id="an ACCEPT before our jumps, and our ip rules flushed"),
    ],
)
def test_others_reach_no_tenant_and_no_tenant_reaches_them(
    edge: Throwaway, variant: str, damage: str, *, other: bool
) -> None:
    edge.sh(on_both(damage, OTHER[variant] if other else variant))
    if other:
        edge.sh(on_both(FLUSHED, variant))

    for family, tool in ((4, "iptables"), (6, "ip6tables")):
        to = f"[{WEB[family]}]:80" if family == 6 else f"{WEB[family]}:80"
        edge.sh(f"{tool}-{variant} -t nat -I PREROUTING -p udp --dport 99 -j DNAT --to {to}")

    with (
        hearing(edge, "acme-web") as web,
        hearing(edge, "ct") as container,
        hearing(edge, "globex-app") as app,
        hearing(edge, "provider") as provider,
    ):
        for family in BOTH:
            sends(edge, "ct", WEB[family], 80)
            sends(edge, "acme-web", CT[family], 80)
            sends(edge, "acme-web", APP[family], 80)
            # Somebody's DNAT leads there, which laneway has not published.
            sends(edge, "provider", HOST[family], 99)
        time.sleep(0.3)

        strangers = {*CT.values(), "192.0.2.1", "2001:db8:a::1"}
        assert [each for each in web() if each.source in strangers] == []
        assert [each for each in container() if each.source.startswith(("10.20.", "fd20:"))] == []
        assert [each for each in app() if each.source.startswith(("10.20.", "fd20:"))] == []
        assert [each for each in provider() if each.to in APP.values()] == []

    for family in BOTH:
        with answering(edge, None, GATEWAY[family], 7777):
            assert asked(edge, GATEWAY[family], 7777) == ""
    assert damage.endswith(NO_RULES) or passes(edge)


def test_without_the_rules_such_packets_would_have_been_seen(edge: Throwaway, variant: str) -> None:
    """Each rule taken out alone lets through what it is there for."""
    gone = "{t}-{v} -t mangle -F LANEWAY-ISOLATE."
    ends = {*WEB.values(), *APP.values()}
    edge.sh("nft delete table inet laneway")  # the second layer would stop them too

    edge.sh(on_both(f"{gone}OUT\n{gone}BETWEEN", variant))
    with hearing(edge, "provider") as provider, hearing(edge, "acme-web") as web:
        for family in BOTH:
            leaves_untranslated(edge, family, 4000 + family)
            collude(edge, family)
        time.sleep(0.3)
        assert {*WEB.values()} <= {each.source for each in provider()}
        assert {*APP.values()} <= {each.source for each in web()} & ends

    new = "{t}-{v} -t mangle -F LANEWAY-"
    edge.sh(on_both(f"{ACCEPTS}\n{new}NEW\n{new}HOST", variant))
    with hearing(edge, "provider") as provider:
        for family in BOTH:
            sends(edge, "acme-web", APP[family], 80)
            with answering(edge, None, GATEWAY[family], 7777):
                assert gets(edge, GATEWAY[family], 7777, "here")
        time.sleep(0.3)
        assert {*APP.values()} <= {each.to for each in provider()}

    edge.sh(on_both(f"{gone}TO\n{gone}FROM\n{new}MARK", variant))
    with hearing(edge, "ct") as container, hearing(edge, "acme-web") as web:
        for family in BOTH:
            sends(edge, "ct", WEB[family], 80)
            sends(edge, "acme-web", CT[family], 80)
        time.sleep(0.3)
        assert {*CT.values()} <= {each.source for each in web()}
        assert {*WEB.values()} <= {each.source for each in container()}


def test_the_operator_lets_in_what_he_says(edge: Throwaway, variant: str) -> None:
    with hearing(edge, "acme-web") as web:
        for family in BOTH:
            sends(edge, "ct", WEB[family], 80)
        assert not {*CT.values()} & {each.source for each in web()}

        let = "{t}-{v} -A LANEWAY-USER -i ctbr -p udp --dport 80 -j ACCEPT"
        edge.sh(on_both(f"{let}\n{let.replace('-A', '-t mangle -A')}", variant))
        for family in BOTH:
            sends(edge, "ct", WEB[family], 80)
        time.sleep(0.3)

        assert {(each.source, each.protocol) for each in web()} & CT_SENDS == {(each, 17) for each in CT.values()}


def leaves_untranslated(host: Throwaway, family: int, port: int) -> None:
    """Have conntrack learn a flow from a frame on acme's own bridge, where nothing is translated, and send in it."""
    frame(host, "acme-web", mac_of(host, "acme-db", "eth0"), (WEB[family], OUTSIDE[family], port, 9))
    from_port(host, "acme-web", port, (OUTSIDE[family], 9))


def collude(host: Throwaway, family: int) -> None:
    """Have each of two tenants begin a flow on its own bridge, and the other answer in it."""
    frame(host, "acme-web", mac_of(host, "acme-db", "eth0"), (WEB[family], APP[family], 1111, 2222))
    frame(host, "globex-app", mac_of(host, "globex-aux", "eth0"), (APP[family], WEB[family], 3333, 4444))
    from_port(host, "globex-app", 2222, (WEB[family], 1111))
    from_port(host, "acme-web", 4444, (APP[family], 3333))


def from_port(host: Throwaway, netns: str, port: int, to: tuple[str, int]) -> None:
    """Send a datagram from a port, as any program would."""
    send = (
        "import socket, sys; to, port, own = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]);"
        "one = socket.socket(socket.AF_INET6 if ':' in to else socket.AF_INET, socket.SOCK_DGRAM);"
        "one.bind(('', own)); one.sendto(b'x', (to, port))"
    )
    host.run([*inside(netns), sys.executable, "-c", send, to[0], str(to[1]), str(port)])


@pytest.mark.parametrize(
    ("north", "acme", "private"),
    [
        pytest.param("", "", False, id="masqueraded"),
        pytest.param('snat = ["192.0.2.2", "2001:db8:a::2"]', "", False, id="by an address of the uplink's"),
        pytest.param(
            "masquerade = false", 'snat = ["192.0.2.2", "2001:db8:a::2"]', False, id="by an address of its own"
        ),
        pytest.param("masquerade = false", "", True, id="untranslated"),
    ],
)
def test_nothing_leaves_with_a_private_source_but_where_nothing_is_translated(
    edge: Throwaway, laneway: Laneway, north: str, acme: str, *, private: bool
) -> None:
    write(edge, POLICY.format(north=north, acme=acme))
    laneway("apply", "/run/policy.toml")

    with hearing(edge, "provider") as provider:
        for port, family in enumerate(BOTH, 4000):
            leaves_untranslated(edge, family, port)
        time.sleep(0.3)

        left = {each.source for each in provider()}

    assert ({*WEB.values()} <= left) is private
    assert private or not {*WEB.values()} & left


def test_tenants_that_collude_do_not_meet(edge: Throwaway) -> None:
    with hearing(edge, "acme-web") as web, hearing(edge, "globex-app") as app:
        for family in BOTH:
            collude(edge, family)
        time.sleep(0.3)

        assert [each for each in web() if each.source in APP.values()] == []
        assert [each for each in app() if each.source in WEB.values()] == []
