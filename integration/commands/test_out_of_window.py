"""A segment outside of the window, as a network that delays packets delivers them, ends nobody's connection."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from integration.commands.conftest import NORTH, PROVIDER, PROVIDER6, inside, policy, talking

if TYPE_CHECKING:
    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway

PUBLISHED = 'publish = ["8080:80/tcp"]'

SERVER = """
import socket, threading, sys
def serve(one):
    with one:
        while said := one.recv(9):
            one.send(said)
def listen(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 80), family=family) as server:
        while True:
            threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
for address in sys.argv[1:]:
    threading.Thread(target=listen, args=(address,), daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
"""

# Each line: whoever is connected says something, and hears it again. Before, a segment is sent that is far outside of
# the window, by the one end or to it; of its numbers the acknowledgement is right.
CLIENT = """
import socket, struct, sys
address, port = sys.argv[1], int(sys.argv[2])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
one = socket.create_connection((address, port), 3)
def number(queue):
    one.setsockopt(socket.IPPROTO_TCP, 19, 1)  # TCP_REPAIR
    one.setsockopt(socket.IPPROTO_TCP, 20, queue)  # TCP_REPAIR_QUEUE
    found = one.getsockopt(socket.IPPROTO_TCP, 21)  # TCP_QUEUE_SEQ
    one.setsockopt(socket.IPPROTO_TCP, 19, -1)
    return found & 0xFFFFFFFF
for line in sys.stdin:
    print(one.getsockname()[1], number(2), number(1), flush=True)
    sys.stdin.readline()
    try:
        one.send(b"x")
        print("alive" if one.recv(1) else "ended", flush=True)
    except OSError as error:
        print(type(error).__name__, flush=True)
"""
STRAY = """
import socket, struct, sys
source, to, sport, dport, seq, ack = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
family = socket.AF_INET6 if ":" in to else socket.AF_INET
raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP)
raw.bind((source, 0))
far = (seq + 0x20000000) & 0xFFFFFFFF
segment = struct.pack("!HHIIBBHHH", sport, dport, far, ack & 0xFFFFFFFF, 5 << 4, 0x10, 500, 0, 0)
if family == socket.AF_INET6:
    raw.setsockopt(socket.IPPROTO_IPV6, 7, 16)  # IPV6_CHECKSUM, at this place
else:
    ends = socket.inet_aton(source) + socket.inet_aton(to) + struct.pack("!HH", 6, len(segment))
    total = sum(struct.unpack(f"!{(len(ends) + len(segment)) // 2}H", ends + segment))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    segment = segment[:16] + struct.pack("!H", ~total & 0xFFFF) + segment[18:]
raw.sendto(segment, (to, 0))
"""


def survives(host: Throwaway, who: str, address: str, port: int, stray: tuple[str | None, str, str, bool]) -> str:
    """Return what becomes of a connection of `who` when somebody sends a stray segment of it, and how.

    That is who, from which address, to which, and whether it is the client's; else it is the server's.
    """
    sender, source, to, of_client = stray
    with talking([*host.prefix, *inside(who), sys.executable, "-c", CLIENT, address, str(port)]) as client:
        local, sends, gets = map(int, client().split())
        ports = (local, port) if of_client else (port, local)
        numbers = (sends, gets) if of_client else (gets, sends)
        host.run([*inside(sender), sys.executable, "-c", STRAY, source, to, *map(str, (*ports, *numbers))])
        return client()


def resets(host: Throwaway) -> str:
    """Return how many resets the host has sent."""
    lines = [line.split() for line in host.sh("cat /proc/net/snmp").splitlines() if line.startswith("Tcp:")]
    return str(dict(zip(*lines, strict=True))["OutRsts"])


def serving(host: Throwaway, netns: str, *addresses: str) -> subprocess.Popen[bytes]:
    argv = [*host.prefix, *inside(netns), sys.executable, "-c", SERVER, *addresses]
    server = subprocess.Popen(argv, stdout=subprocess.PIPE)
    assert server.stdout is not None
    server.stdout.readline()
    return server


def test_a_segment_outside_of_the_window_ends_no_connection(router: Throwaway, laneway: Laneway) -> None:
    router.sh(PROVIDER + PROVIDER6)
    masqueraded = NORTH.replace("masquerade = false", "")
    text = policy(services='["8080/tcp"]', publish='["8080:80/tcp"]')
    router.run(["tee", "/run/policy.toml"], input=masqueraded + text)
    laneway("apply", "/run/policy.toml")
    found = {}
    with (
        serving(router, "globex-db", "10.30.0.10", "fd30::10") as web,
        serving(router, "provider", "203.0.113.9", "2001:db8:ffff::9") as far,
    ):
        try:
            before = resets(router)
            for who, client, here in (
                ("provider", "192.0.2.1", "192.0.2.2"),
                ("provider", "2001:db8:a::1", "2001:db8:a::2"),
                ("acme-web", "10.20.0.10", "192.0.2.2"),
                ("acme-web", "fd20::10", "2001:db8:a::2"),
            ):
                found[f"{who}, published at {here}"] = survives(router, who, here, 8080, (who, client, here, True))
            assert resets(router) == before
            for server, here in (("203.0.113.9", "192.0.2.2"), ("2001:db8:ffff::9", "2001:db8:a::2")):
                stray = ("provider", server, here, False)
                found[f"a workload's to {server}"] = survives(router, "globex-db", server, 80, stray)
            assert found == dict.fromkeys(found, "alive")
        finally:
            web.kill()
            far.kill()


LISTENS = """
import socket
server = socket.create_server(("0.0.0.0", 8081))
print("ready", flush=True)
one = server.accept()[0]
while said := one.recv(9):
    one.send(said)
"""


def test_the_hosts_own_connections_are_reset_as_ever(router: Throwaway, laneway: Laneway) -> None:
    router.sh(PROVIDER)
    router.run(["tee", "/run/policy.toml"], input=NORTH + policy(publish='["8080:80/tcp"]'))
    laneway("apply", "/run/policy.toml")
    closed = "import socket; socket.create_connection(('192.0.2.2', 8082), 3)"

    refused = router.run([*inside("provider"), sys.executable, "-c", closed], check=False).stderr
    assert "ConnectionRefusedError" in refused, "a port at which nobody listens answers at once"

    with subprocess.Popen([*router.prefix, sys.executable, "-c", LISTENS], stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            server.stdout.readline()
            stray = ("provider", "192.0.2.1", "192.0.2.2", True)
            assert survives(router, "provider", "192.0.2.2", 8081, stray) == "alive"
        finally:
            server.kill()
