"""Flows that conntrack knows end with what let them begin; who is refused is told so; who logged in stays."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from integration.commands.conftest import (
    ACME,
    ASK,
    HEAD,
    NORTH,
    PROVIDER,
    PROVIDER6,
    answering,
    apply,
    asked,
    gets,
    inside,
    policy,
    script,
    talking,
)

if TYPE_CHECKING:
    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway

ELSEWHERE = HEAD.format(interface="eth1", gateways='"198.51.100.1"')
ALLOW = """
[[tenants.acme.allow]]
to = "globex/db"
ports = ["5432/udp"]
"""
POLICY_OF_TWO = """
[uplinks.south]
interface = "eth1"
gateways = ["198.51.100.1"]
[tenants.acme]
subnets = [{subnets}]
uplinks = ["north", "south"]
[tenants.acme.workloads.web]
addresses = ["10.20.0.10"]
{workload}
[[tenants.acme.classes]]
name = "vpn"
match = {{ protocol = "udp", ports = [51820] }}
uplink = "south"
"""
VPN = """
[tenants.acme.workloads.vpn]
addresses = ["10.21.0.10"]
"""
REJECT = """
[[tenants.acme.classes]]
name = "not-that"
match = { protocol = "udp", ports = [666] }
action = "reject"
"""


@pytest.mark.parametrize("address", ["10.30.0.10", "fd30::10"])
def test_an_allow_that_is_withdrawn_ends_what_it_let_begin(router: Throwaway, laneway: Laneway, address: str) -> None:
    apply(laneway, policy() + ALLOW)
    with answering(router, "globex-db", address, 5432):
        assert gets(router, address, 5432, "here")

        apply(laneway, policy())

        assert asked(router, address, 5432) == "refused"


@pytest.mark.parametrize("address", ["10.30.0.10", "fd30::10"])
def test_an_allow_that_somebody_flushed_beforehand_ends_as_well(
    router: Throwaway, laneway: Laneway, address: str
) -> None:
    apply(laneway, policy() + ALLOW)
    with answering(router, "globex-db", address, 5432):
        assert gets(router, address, 5432, "here")
        router.sh("ipset flush lw-allow4; ipset flush lw-allow6")

        apply(laneway, policy())

        assert asked(router, address, 5432) == "refused"


def test_an_own_address_goes_though_somebody_deleted_the_ip_rules_beforehand(
    router: Throwaway, laneway: Laneway
) -> None:
    as_whom = 'snat = ["{}"]\n[tenants.acme.workloads.web]'
    own = [policy().replace("[tenants.acme.workloads.web]", as_whom.format(f"192.0.2.{n}")) for n in (20, 21)]
    apply(laneway, own[0])
    asked(router, "203.0.113.9", 53)
    assert "dst=192.0.2.20" in router.sh("conntrack -L -s 10.20.0.10")
    router.sh("for family in -4 -6; do ip $family rule flush protocol 147; done")

    apply(laneway, own[1])

    assert "dst=192.0.2.20" not in router.sh("conntrack -L -s 10.20.0.10")


def test_a_subnet_that_leaves_its_tenant_leaves_the_lanes_of_its_classes(router: Throwaway, laneway: Laneway) -> None:
    with_class = POLICY_OF_TWO.format(subnets='"10.20.0.0/24", "10.21.0.0/24"', workload=VPN)
    apply(laneway, with_class)
    router.run([*inside("acme-vpn"), *script(ASK, "203.0.113.9", 51820)])
    assert "src=10.21.0.10" in router.sh("conntrack -L -p udp --orig-port-dst 51820")

    apply(laneway, POLICY_OF_TWO.format(subnets='"10.20.0.0/24"', workload=""))

    assert "src=10.21.0.10" not in router.sh("conntrack -L -p udp --orig-port-dst 51820")


def test_a_subnet_passes_to_nobody_while_flows_of_its_tenants_are_known(router: Throwaway, laneway: Laneway) -> None:
    apply(laneway, policy())
    router.run(["tee", "/run/policy.toml"], input=NORTH + policy(name="initech"))

    refused = laneway("apply", "/run/policy.toml", "--prune", code=7)

    assert "10.30.0.0/24 is tenant globex's on this host, and would be tenant initech's" in refused.stderr
    assert "lwb-globex" in router.sh("ipset list lw-src4")


_KILLED = """
import os, sys
from laneway.cli.main import main
from laneway.kernel import conntrack, links
{}.{} = lambda *_: os.kill(os.getpid(), 9)
sys.argv = ["laneway", *sys.argv[1:]]
main()
"""


def killed(router: Throwaway, module: str, function: str, *arguments: str) -> None:
    """Run laneway until it calls a function of the kernel's part, and no further."""
    done = router.run([sys.executable, "-c", _KILLED.format(module, function), *arguments], check=False)
    assert done.returncode == -9, done.stderr


def test_what_a_change_that_was_killed_would_have_ended_the_next_one_ends(router: Throwaway, laneway: Laneway) -> None:
    apply(laneway, policy() + ALLOW)
    with answering(router, "globex-db", "10.30.0.10", 5432):
        assert gets(router, "10.30.0.10", 5432, "here")
        router.run(["tee", "/run/policy.toml"], input=NORTH + policy())
        killed(router, "conntrack", "forget", "apply", "/run/policy.toml")
        assert asked(router, "10.30.0.10", 5432) == "here", "nobody forgot it"

        laneway("apply", "/run/policy.toml")

        assert asked(router, "10.30.0.10", 5432) == "refused"
    assert "cut off" not in laneway("apply", "/run/policy.toml").stderr


def test_a_port_published_by_a_tenant_that_is_half_there_leads_nowhere(router: Throwaway, laneway: Laneway) -> None:
    router.sh(PROVIDER)
    apply(laneway, ACME.format(services="[]"))
    published = policy(publish='["5353:5432/udp"]')
    router.run(["tee", "/run/policy.toml"], input=NORTH + published)

    killed(router, "links", "run", "apply", "/run/policy.toml")

    assert asked(router, "192.0.2.2", 5353) == "refused", "it left for the private address, by acme's uplink"
    router.run(script(ASK, "192.0.2.2", 5353))
    assert "10.30.0.10" not in router.sh("conntrack -L -p udp --orig-port-dst 5353")


def test_nor_does_one_of_a_tenant_that_is_half_gone(router: Throwaway, laneway: Laneway) -> None:
    router.sh(PROVIDER)
    apply(laneway, policy(publish='["5353:5432/udp"]'))
    router.run(script(ASK, "192.0.2.2", 5353))
    assert "src=10.30.0.10" in router.sh("conntrack -L -p udp --orig-port-dst 5353")

    killed(router, "links", "run", "destroy")

    router.run(script(ASK, "192.0.2.2", 5353))
    assert "10.30.0.10" not in router.sh("conntrack -L -p udp --orig-port-dst 5353")


def test_no_flow_to_a_published_port_outlives_its_tenant(router: Throwaway, laneway: Laneway) -> None:
    apply(laneway, policy(publish='["5353:5432/udp"]'))
    with answering(router, "globex-db", "10.30.0.10", 5432):
        assert gets(router, "192.0.2.2", 5353, "here")
    laneway("destroy", "globex")

    apply(laneway, policy(name="initech"))

    with answering(router, "initech-db", "10.30.0.10", 5432):
        assert asked(router, "192.0.2.2", 5353) == "refused"


def test_a_class_has_no_say_in_what_came_to_a_published_port(router: Throwaway, laneway: Laneway) -> None:
    router.sh(PROVIDER)
    published = policy(publish='["5353:5432/udp"]')
    apply(laneway, published)
    router.run([*inside("provider"), *script(ASK, "192.0.2.2", 5353)])
    router.run([*inside("globex-db"), *script(ASK, "203.0.113.9", 53)])

    apply(laneway, published + REJECT.replace("acme", "globex"))

    assert "src=10.30.0.10" in router.sh("conntrack -L -s 192.0.2.1")
    assert "src=10.30.0.10" not in router.sh("conntrack -L -s 10.30.0.10")


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


def test_who_logged_in_by_an_uplink_stays_when_it_is_another_interface(router: Throwaway, laneway: Laneway) -> None:
    router.sh(PROVIDER)
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
    router.sh(PROVIDER + PROVIDER6.replace("ip -n provider -6 route add fd00::/8 via 2001:db8:a::2", ""))
    router.run(["tee", "/run/policy.toml"], input=NORTH.replace("masquerade = false", "") + policy())
    laneway("apply", "/run/policy.toml")
    router.sh(flush)
    assert asked(router, address, 80) == "", "untranslated: there is no way back"

    laneway("apply", "/run/policy.toml")

    with answering(router, "provider", address, 80):
        assert asked(router, address, 80) == "here"
