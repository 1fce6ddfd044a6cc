"""Who is in an uplink's own network, or behind another router there, is reached as main does."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from integration.commands.conftest import ANSWER, Laneway, script
from integration.commands.test_uplink_fails import POLICY, ask, served

if TYPE_CHECKING:
    from pathlib import Path

    from integration.throwaway import Throwaway

PUBLISHING = POLICY.replace(
    'addresses = ["10.20.0.10", "fd20::10"]', 'addresses = ["10.20.0.10", "fd20::10"]\npublish = ["8081:80/udp"]'
)
REFUSING = """
[[tenants.acme.routes]]
to = "203.0.113.64/26"
type = "unreachable"
[[tenants.acme.routes]]
to = "2001:db8:ffff:4::/63"
type = "unreachable"
"""
NETWORK = """
ip netns add wire; ip link set provider0 netns wire; ip -n wire link add wire type bridge; ip -n wire link set wire up
ip -n wire link set provider0 master wire up
for name in gateway neighbour; do
    ip netns add $name; ip -n $name link set lo up
    ip -n wire link add $name type veth peer name eth0 netns $name
    ip -n wire link set $name master wire up; ip -n $name link set eth0 up
done
ip -n gateway addr add 192.0.2.1/24 dev eth0; ip -n gateway addr add 2001:db8:a::1/64 dev eth0 nodad
ip -n neighbour addr add 192.0.2.50/24 dev eth0; ip -n neighbour addr add 2001:db8:a::50/64 dev eth0 nodad
ip -n neighbour addr add 203.0.113.129/32 dev lo; ip -n neighbour addr add 2001:db8:ffff:8::1/128 dev lo
ip -n neighbour addr add 203.0.113.97/32 dev lo; ip -n neighbour addr add 2001:db8:ffff:4::1/128 dev lo
ip -n neighbour route add default via 192.0.2.2; ip -n neighbour -6 route add default via 2001:db8:a::2
ip route add 203.0.113.128/25 via 192.0.2.50; ip -6 route add 2001:db8:ffff:8::/64 via 2001:db8:a::50
ip route add 203.0.113.96/27 via 192.0.2.50; ip -6 route add 2001:db8:ffff:4::/64 via 2001:db8:a::50
ip netns add provider1; ip link set provider1 netns provider1; ip -n provider1 link set provider1 up
ip -n provider1 addr add 198.51.100.1/24 dev provider1; ip -n provider1 addr add 2001:db8:b::1/64 dev provider1 nodad
"""
ON_LINK = ("192.0.2.50", "2001:db8:a::50")
BEHIND = ("203.0.113.129", "2001:db8:ffff:8::1")
REFUSED = ("203.0.113.97", "2001:db8:ffff:4::1")


@pytest.fixture
def variant() -> str:
    """One variant of iptables: routes are the same with the other."""
    return "legacy"


def test_neighbours_and_static_routes(router: Throwaway, laneway: Laneway, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(PUBLISHING + REFUSING, encoding="utf-8")
    router.sh(NETWORK)
    laneway("apply", policy)
    with ExitStack() as stack:
        for address in (*ON_LINK, *BEHIND, *REFUSED):
            served(router, stack, "neighbour", script(ANSWER, address, 53))
        for address in ("10.20.0.10", "fd20::10"):
            served(router, stack, "acme-web", script(ANSWER, address, 80))

        for address in (*ON_LINK, *BEHIND):
            assert (address, ask(router, "acme-web", address, 53)) == (address, "here")
            told = laneway.json("explain", "--live", "--from", "acme/web", "--to", address, "--udp", "53")
            assert (told["verdict"], told["uplink"]) == ("delivered", "north")
            assert not any(each["differs"] for each in told["kernel"])
            # who has another uplink goes by that one's gateway
            assert (address, ask(router, "globex-web", address, 53)) != (address, "here")
        for own in ("192.0.2.2", "2001:db8:a::2"):
            assert (own, ask(router, "neighbour", own, 8081)) == (own, "here")
        for address in REFUSED:
            assert (address, ask(router, "acme-web", address, 53)) != (address, "here")
        of_globex = [
            route for route in router.json("ip -j route show table lw.globex.south") if route.get("dev") == "eth0"
        ]
        assert of_globex == []
        assert laneway.json("verify")["drift"] == []
