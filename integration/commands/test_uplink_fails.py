"""The uplink that has main's only default goes: whoever is on another one notices nothing, and is told nothing else."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from integration.commands.conftest import ANSWER, Laneway, script

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from integration.throwaway import Throwaway

POLICY = """
[uplinks.north]
interface = "eth0"
gateways = ["192.0.2.1", "2001:db8:a::1"]
[uplinks.south]
interface = "eth1"
gateways = ["198.51.100.1", "2001:db8:b::1"]
[tenants.globex]
subnets = ["10.30.0.0/24", "fd30::/64"]
uplinks = ["south"]
[tenants.globex.workloads.web]
addresses = ["10.30.0.10", "fd30::10"]
publish = ["8080:80/udp"]
[tenants.acme]
subnets = ["10.20.0.0/24", "fd20::/64"]
uplinks = ["north"]
[tenants.acme.workloads.web]
addresses = ["10.20.0.10", "fd20::10"]
"""
FAR = ("203.0.113.9", "2001:db8:ffff::9")
ADDRESSES = ("198.51.100.2", "2001:db8:b::2")
PROVIDERS = """
for n in 0 1; do
    ip netns add provider$n; ip link set provider$n netns provider$n; ip -n provider$n link set lo up
    ip -n provider$n link set provider$n up
    ip -n provider$n addr add 203.0.113.9/32 dev lo; ip -n provider$n addr add 2001:db8:ffff::9/128 dev lo
done
ip -n provider0 addr add 192.0.2.1/24 dev provider0; ip -n provider0 addr add 2001:db8:a::1/64 dev provider0 nodad
ip -n provider1 addr add 198.51.100.1/24 dev provider1; ip -n provider1 addr add 2001:db8:b::1/64 dev provider1 nodad
"""
BACK = """
ip link set eth0 up; ip -n provider0 link set provider0 up
ip -n provider0 addr replace 2001:db8:a::1/64 dev provider0 nodad
ip addr replace 192.0.2.2/24 dev eth0; ip addr replace 2001:db8:a::2/64 dev eth0 nodad
ip route replace default via 192.0.2.1; ip -6 route replace default via 2001:db8:a::1
"""
FAILURES = {
    "the default is deleted": "ip route del default; ip -6 route del default",
    "the link is down": "ip link set eth0 down",
    "its addresses go": "ip addr flush dev eth0 scope global",
    "no carrier, and such routes are not used": (
        "sysctl -qw net/ipv4/conf/all/ignore_routes_with_linkdown=1 net/ipv6/conf/all/ignore_routes_with_linkdown=1"
        " net/ipv6/conf/eth0/ignore_routes_with_linkdown=1; ip -n provider0 link set provider0 down"
    ),
}
CONTAINER = """
ip netns add container; ip link add ct0 type veth peer name eth0 netns container; ip link set ct0 up
ip addr add 172.31.0.1/24 dev ct0; ip -n container addr add 172.31.0.2/24 dev eth0
ip -n container link set eth0 up; ip -n container route add default via 172.31.0.1
"""
NO_ROUTE = "[Errno 113] No route to host"

GREET = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
kind = socket.SOCK_DGRAM if sys.argv[3] == "udp" else socket.SOCK_STREAM
one = socket.socket(family, kind)
if kind == socket.SOCK_STREAM:
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind((sys.argv[1], int(sys.argv[2])))
    one.listen()
    print("ready", flush=True)
    while True:
        there, _ = one.accept()
        there.sendall(b"here")
        there.close()
"""
ASK = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
for attempt in range(3):  # an IPv6 neighbour may be found late
    try:
        with socket.socket(family, socket.SOCK_DGRAM if sys.argv[3] == "udp" else socket.SOCK_STREAM) as one:
            one.settimeout(1)
            one.bind((sys.argv[4], 0))
            one.connect((sys.argv[1], int(sys.argv[2])))
            one.send(b"?")
            print(one.recv(9).decode())
            break
    except OSError as error:
        said = str(error)
else:
    print(said)
"""


def ask(host: Throwaway, netns: str, address: str, port: int, *source: str, kind: str = "udp") -> str:
    argv = ["ip", "netns", "exec", netns, sys.executable, "-c", ASK, address, str(port), kind, *(source or ("",))]
    return host.run(argv).stdout.strip()


def served(host: Throwaway, stack: ExitStack, netns: str | None, argv: list[str]) -> None:
    import subprocess

    inside = [] if netns is None else ["ip", "netns", "exec", netns]
    server = stack.enter_context(subprocess.Popen([*host.prefix, *inside, *argv], stdout=subprocess.PIPE, text=True))
    stack.callback(server.kill)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"


@pytest.fixture(params=[("nft", "1"), ("legacy", "2")], ids=["nft-strict", "legacy-loose"])
def kind(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A variant of iptables, and an rp_filter."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def variant(kind: tuple[str, str]) -> str:
    """The variant of iptables."""
    return kind[0]


@pytest.fixture
def hosting(router: Throwaway, kind: tuple[str, str], tmp_path: Path) -> Iterator[Laneway]:
    """A host with a tenant on each uplink, who answer, as do the host and both providers."""
    router.sh(f"sysctl -qw net/ipv4/conf/all/rp_filter={kind[1]} net/ipv4/conf/default/rp_filter={kind[1]}")
    router.sh("for n in 0 1; do sysctl -qw net/ipv4/conf/eth$n/rp_filter=" + kind[1] + "; done" + PROVIDERS + CONTAINER)
    laneway = Laneway(router)
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY, encoding="utf-8")
    laneway("apply", policy)
    with ExitStack() as stack:
        for far in FAR:
            for provider in ("provider0", "provider1"):
                served(router, stack, provider, script(ANSWER, far, 53))
        for address in ("10.30.0.10", "fd30::10"):
            served(router, stack, "globex-web", script(ANSWER, address, 80))
        for address in ADDRESSES:
            served(router, stack, None, [sys.executable, "-c", GREET, address, "22", "tcp"])
        yield laneway


def reached(host: Throwaway) -> dict[str, str]:
    """Return what is heard of each who is on the uplink that is well."""
    found = {}
    for far, own in zip(FAR, ADDRESSES, strict=True):
        found[f"globex to {far}"] = ask(host, "globex-web", far, 53)
        found[f"published at {own}"] = ask(host, "provider1", own, 8080, far)
        found[f"ssh at {own}"] = ask(host, "provider1", own, 22, far, kind="tcp")
        done = host.run(["ip", "netns", "exec", "provider1", "ping", "-c1", "-W2", "-I", far, own], check=False)
        found[f"ping {own}"] = "here" if done.returncode == 0 else done.stdout
    return found


def test_who_is_on_the_other_uplink_notices_nothing(hosting: Laneway) -> None:
    host = hosting.host
    well = dict.fromkeys(reached(host), "here")
    assert reached(host) == well

    for failure, commands in FAILURES.items():
        host.sh(commands)
        assert {failure: reached(host)} == {failure: well}
        # acme keeps to its own uplink, and neither the host nor others' networks go where main does not lead them.
        assert {failure: ask(host, "acme-web", FAR[0], 53)} != {failure: "here"} or "deleted" in failure
        assert ask(host, "container", FAR[0], 53) in ("[Errno 101] Network is unreachable", NO_ROUTE)
        for far in FAR:
            assert "dev eth1" not in host.run(["ip", "route", "get", far], check=False).stdout
        for far in FAR:
            told = hosting.json("explain", "--live", "--from", "globex/web", "--to", far, "--udp", "53")
            assert told["verdict"] == "delivered"
        host.sh(BACK)
        hosting("apply", "--in-force")
    loses_its_routes(hosting, well)


def loses_its_routes(hosting: Laneway, well: dict[str, str]) -> None:
    """Nothing says that all is well where a link was down and up again, and what is said to mend it does."""
    host = hosting.host
    host.sh("ip link set eth1 down; ip link set eth1 up; ip addr add 2001:db8:b::2/64 dev eth1 nodad")
    assert ask(host, "globex-web", FAR[0], 53) != "here"

    status = hosting.json("status", code=4)
    closed = {each["tenant"]: (each["open"], each["closed"]) for each in status["lanes"]}
    gone = "its default route is gone"
    assert closed == {"globex": (False, {"IPv4": gone, "IPv6": gone}), "acme": (True, {})}
    assert "closed: its default route is gone (IPv4 and IPv6)" in hosting("status", code=4).stdout
    for command in ("status", "verify", "doctor"):
        answer = hosting.json(command, code=4)
        found = answer["errors"] if command == "status" else answer["findings"]
        (told,) = [each for each in found if each["rule"] == "lane-closed"]
        assert "uplink south: its lanes are closed in IPv4 and IPv6" in told["what"]
        assert told["commands"] == ["laneway apply --in-force"]
    hosting("apply", "--in-force")
    assert reached(host) == well
    hosting("doctor")  # asks anew for who was asked for in vain meanwhile
    assert hosting.json("verify")["findings"] == []
    assert [each["closed"] for each in hosting.json("status")["lanes"]] == [{}, {}]
