"""A host with two uplinks, laneway on it, and who talks across it."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.answers import validated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration.throwaway import Throwaway

POLICIES = Path(__file__).parents[2] / "policies"

UPLINKS = """
for n in 0 1; do
    ip link add eth$n type veth peer name provider$n
    ip link set provider$n up
    ip link set eth$n up
done
ip addr add 192.0.2.2/24 dev eth0; ip addr add 2001:db8:a::2/64 dev eth0 nodad
ip addr add 198.51.100.2/24 dev eth1; ip addr add 2001:db8:b::2/64 dev eth1 nodad
ip route add default via 192.0.2.1; ip -6 route add default via 2001:db8:a::1
"""


@dataclass(frozen=True)
class Laneway:
    """The command, run on a throw-away host."""

    host: Throwaway

    def __call__(self, *arguments: str | Path, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run laneway, which must exit with `code`, None for any, and never with a traceback."""
        done = self.host.run([sys.executable, "-m", "laneway", *map(str, arguments)], check=False)
        assert code in (None, done.returncode), f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr
        return done

    def json(self, *arguments: str | Path, code: int | None = 0) -> Any:
        """Run laneway with --json and return its answer, which must be as its schema promises."""
        return validated(str(arguments[0]), self(*arguments, "--json", code=code).stdout)


@pytest.fixture(params=["nft", "legacy"])
def variant(request: pytest.FixtureRequest) -> str:
    """Each variant of iptables."""
    return str(request.param)


@pytest.fixture
def router(throwaway: Throwaway, variant: str) -> Throwaway:
    """A host with two uplinks, whose `iptables` is of the variant."""
    throwaway.sh(UPLINKS)
    for tool in ("iptables", "ip6tables"):
        for suffix in ("", "-save", "-restore"):
            throwaway.sh(f"ln -sf /usr/sbin/{tool}-{variant}{suffix} /etc/alternatives/{tool}{suffix}")
    return throwaway


@pytest.fixture
def laneway(router: Throwaway) -> Laneway:
    """The command on the host."""
    return Laneway(router)


@pytest.fixture
def quickstart() -> Path:
    """The smallest example."""
    return POLICIES / "quickstart.toml"


@pytest.fixture
def hosting() -> Path:
    """The example of many files."""
    return POLICIES / "hosting"


HEAD = """
[uplinks.north]
interface = "{interface}"
gateways = [{gateways}]
masquerade = false
"""
NORTH = HEAD.format(interface="eth0", gateways='"192.0.2.1", "2001:db8:a::1"')
ACME = """
[tenants.acme]
subnets = ["10.20.0.0/24", "fd20::/64"]
uplinks = ["north"]
host_access = {services}
[tenants.acme.workloads.web]
addresses = ["10.20.0.10", "fd20::10"]
"""
DATABASE = """
[tenants.{name}]
subnets = ["10.30.0.0/24", "fd30::/64"]
uplinks = ["north"]
[tenants.{name}.workloads.db]
addresses = ["10.30.0.10", "fd30::10"]
publish = {publish}
"""
PROVIDER = """
ip netns add provider
ip link set provider0 netns provider
ip -n provider link set provider0 up
ip -n provider addr add 192.0.2.1/24 dev provider0
ip -n provider link set lo up
ip -n provider addr add 203.0.113.9/32 dev lo
"""
PROVIDER6 = """
ip -n provider addr add 2001:db8:a::1/64 dev provider0 nodad
ip -n provider addr add 2001:db8:ffff::9/128 dev lo
ip -n provider -6 route add fd00::/8 via 2001:db8:a::2
"""
ANSWER = """
import socket
one = socket.socket({family}, socket.SOCK_DGRAM)
one.bind(("{address}", {port}))
print("ready", flush=True)
while True:
    one.sendto(b"here", one.recvfrom(9)[1])
"""
ASK = """
import socket
one = socket.socket({family}, socket.SOCK_DGRAM)
one.settimeout(1)
one.bind(("", 5555))
one.connect(("{address}", {port}))
for attempt in range(4):  # an IPv6 neighbour may be found late
    try:
        one.send(b"?")
        print(one.recv(9).decode())
        break
    except TimeoutError:
        continue
    except OSError:
        print("refused")
        break
"""


def script(text: str, address: str, port: int) -> list[str]:
    family = "socket.AF_INET6" if ":" in address else "socket.AF_INET"
    return [sys.executable, "-c", text.format(family=family, address=address, port=port)]


def inside(netns: str | None) -> list[str]:
    return [] if netns is None else ["ip", "netns", "exec", netns]


@contextmanager
def answering(host: Throwaway, netns: str | None, address: str, port: int) -> Iterator[None]:
    """Have somebody answer every datagram to a port."""
    argv = [*host.prefix, *inside(netns), *script(ANSWER, address, port)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()
        try:
            yield
        finally:
            server.kill()


def asked(host: Throwaway, address: str, port: int) -> str:
    """Return what acme's workload gets, from the same port as ever: in the flow that conntrack knows, if it does."""
    return host.run([*inside("acme-web"), *script(ASK, address, port)]).stdout.strip()


def gets(host: Throwaway, address: str, port: int, wanted: str) -> bool:
    """Wait until acme's workload gets what is wanted: new links carry packets when the kernel is round to them."""
    deadline = time.monotonic() + 30
    while (said := asked(host, address, port)) != wanted and time.monotonic() < deadline:
        continue
    return said == wanted


def apply(laneway: Laneway, text: str, *options: str) -> None:
    laneway.host.run(["tee", "/run/policy.toml"], input=NORTH + text)
    laneway("apply", "/run/policy.toml", *options)


def policy(*, services: str = "[]", name: str = "globex", publish: str = "[]") -> str:
    return ACME.format(services=services) + DATABASE.format(name=name, publish=publish)


@contextmanager
def talking(argv: list[str]) -> Iterator[Callable[[], str]]:
    """Start a program, and give what tells it a line and returns the one it answers."""
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as program:
        to, back = program.stdin, program.stdout
        assert to is not None
        assert back is not None

        def answer() -> str:
            to.write("\n")
            return back.readline().strip()

        try:
            yield answer
        finally:
            program.kill()
