"""The command line run on a throw-away host, to be killed, starved and lied to; and a host's state as text."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

# Loaded here once, and not again by each child that is forked to be killed.
import pyroute2  # noqa: F401
import toml  # noqa: F401

from integration.snapshot import LINKS, settle
from integration.throwaway import Throwaway
from laneway.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import ExitStack

DEADLINE = 120  # seconds, for any one command

WORLD = """
for conf in all default; do echo 0 > /proc/sys/net/ipv6/conf/$conf/accept_dad; done
for side in 0 1; do
    ip link add eth$side address 02:00:00:00:00:0$side type veth peer name isp$side address 02:00:00:00:01:0$side
    ip link set eth$side up; ip link set isp$side up
done
ip addr add 192.0.2.2/24 dev eth0; ip addr add 2001:db8:a::2/64 dev eth0 nodad
ip addr add 198.51.100.2/24 dev eth1; ip addr add 2001:db8:b::2/64 dev eth1 nodad
ip route add default via 192.0.2.1; ip -6 route add default via 2001:db8:a::1
ip rule add pref 500 fwmark 0x1 lookup main
iptables-nft -A FORWARD -s 203.0.113.99 -j DROP; ip6tables-nft -t mangle -A OUTPUT -d 2001:db8:ffff::1 -j ACCEPT
iptables-legacy -A FORWARD -s 203.0.113.98 -j DROP
ipset create theirs hash:net; ipset add theirs 203.0.113.0/24
ip netns add theirs
"""
"""Two uplinks, and one of everything that belongs to others."""

# An xt_table of the legacy variant stays for ever once it was used: only what is in it counts.
SNAPSHOT = rf"""
set +e
look() {{
    $1 {LINKS} | sed -E 's/^[0-9]*: //; s/@[^:]*:/:/'
    $1 ip -o addr | sed 's/^[0-9]*: //; s/ *valid_lft.*//'
    $1 ip rule; $1 ip -6 rule
    {{ $1 ip route show table all
      $1 ip -6 route show table all; }} | sed "s/ linkdown//" | sort
}}
look ''; look 'ip netns exec theirs'
for tool in iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy; do
    echo "$tool"; $tool-save 2>/dev/null | grep -Ev '^#|^:[A-Z]+ ACCEPT |^\*|^COMMIT'
done
nft list tables; ipset save; ls -A /run/netns /etc/netns 2>/dev/null
find /etc/iproute2 -type f | sort | xargs cat -- ; find /etc/iproute2 | sort
cat /proc/sys/net/ipv4/ip_forward; grep -r . /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf 2>/dev/null | sort
true
"""

POLICY = """
[host]
iptables = "{variant}"

[uplinks.north]
interface = "eth0"
gateways = ["192.0.2.1", "2001:db8:a::1"]

[uplinks.south]
interface = "eth1"
gateways = ["198.51.100.1", "2001:db8:b::1"]
"""

ACME = """
[tenants.acme]
subnets = ["10.20.0.0/24", "fd20::/64"]
uplinks = ["north", "south"]

[tenants.acme.workloads.web]
addresses = ["10.20.0.10", "fd20::10"]
publish = ["8080:80/tcp"]

[[tenants.acme.classes]]
name = "bulk"
match = { protocol = "tcp", ports = [443] }
uplink = "south"
"""

GLOBEX = """
[tenants.globex]
subnets = ["10.30.0.0/24", "fd30::/64"]
uplinks = ["south", "north"]

[tenants.globex.workloads.app]
addresses = ["10.30.0.10", "fd30::10"]
"""

OTHER_ACME = ACME.replace('["north", "south"]', '["south", "north"]').replace("8080:80", "8081:80")


class Ended(NamedTuple):
    """What a command came to."""

    code: int  # negative: the number of the signal that ended it
    out: str
    err: str


def prepared(host: Throwaway, variant: str) -> None:
    """Make the host's world, and put two policies on it: `a.toml`, and `b.toml` that changes much of it."""
    host.sh(WORLD)
    head = POLICY.format(variant=variant)
    write(host, "a.toml", head + ACME)
    write(host, "b.toml", head + OTHER_ACME + GLOBEX)
    settle(host)


def write(host: Throwaway, name: str, text: str) -> None:
    """Put a file below /run on the host."""
    host.run(["tee", f"/run/{name}"], input=text)


def snapshot(host: Throwaway) -> str:
    """Return the state of the host as other tools tell it."""
    return host.sh(SNAPSHOT)


@contextlib.contextmanager
def started(host: Throwaway, *arguments: str, prepare: Callable[[], object] = lambda: None) -> Iterator[Started]:
    """Start `laneway` with these arguments in a process group of its own; at the end it is over, or is killed."""
    out, err = os.memfd_create("out"), os.memfd_create("err")
    child = os.fork()
    if not child:
        _become(host, arguments, prepare, (out, err))
    running = Started(child, out, err)
    try:
        yield running
    finally:
        running.end()
        os.close(out)
        os.close(err)


class Started:
    """A command that runs."""

    def __init__(self, pid: int, out: int, err: int) -> None:
        """Keep whom to wait for, and where what it says goes."""
        self.pid = pid
        self._out = out
        self._err = err
        self._ended: Ended | None = None

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to it and to the tools it runs."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def wait(self, seconds: float = DEADLINE) -> Ended:
        """Wait for its end, kill it if that does not come, and return what it came to."""
        deadline = time.monotonic() + seconds
        while self._ended is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._ended = Ended(os.waitstatus_to_exitcode(status), _said(self._out), _said(self._err))
            elif time.monotonic() > deadline:
                self.kill()
                deadline += DEADLINE
            else:
                time.sleep(0.002)
        return self._ended

    def end(self) -> None:
        """Kill what is left of it."""
        if self._ended is None:
            self.kill()
            self.wait()


def _said(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    text = b""
    while part := os.read(descriptor, 1 << 16):
        text += part
    return text.decode()


def _become(
    host: Throwaway, arguments: tuple[str, ...], prepare: Callable[[], object], streams: tuple[int, int]
) -> None:
    code = 99
    try:
        os.setpgid(0, 0)
        # As a terminal leaves them: under nohup(1), or after a shell's &, they are ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        host.enter()
        for number, descriptor in zip((1, 2), streams, strict=True):
            os.dup2(descriptor, number)
        sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
        faulthandler.dump_traceback_later(DEADLINE - 20, file=2)  # where it hangs, if it does
        sys.argv = ["laneway", *arguments]
        prepare()
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 98
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def laneway(host: Throwaway, *arguments: str, prepare: Callable[[], object] = lambda: None) -> Ended:
    """Run `laneway` with these arguments on the host to its end."""
    with started(host, *arguments, prepare=prepare) as running:
        return running.wait()


def done(host: Throwaway, *arguments: str) -> str:
    """Run `laneway` with these arguments on the host, which must succeed, and return what it printed."""
    ended = laneway(host, *arguments)
    assert ended.code == 0, f"laneway {' '.join(arguments)}: {ended}"
    return ended.out


class Hosts:
    """Hosts that hold a policy, one a variant, made anew only when a test left one other than it found it."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._clean: dict[str, tuple[Throwaway, str]] = {}

    def get(self, variant: str) -> Throwaway:
        if variant in self._clean and snapshot(self._clean[variant][0]) == self._clean[variant][1]:
            return self._clean[variant][0]
        host = self._stack.enter_context(Throwaway())
        prepared(host, variant)
        done(host, "apply", "/run/a.toml")
        self._clean[variant] = (host, snapshot(host))
        return host
