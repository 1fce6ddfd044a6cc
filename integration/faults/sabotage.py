"""Ways to make a host refuse, lie or hang; each is undone by `mend`."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration.throwaway import Throwaway

EVENTS = frozenset(
    {
        *("open", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate"),
        *("socket.__new__", "socket.bind", "socket.sendmsg", "socket.sendto", "subprocess.Popen"),
    }
)
"""Audit events (sys.addaudithook) that may touch the host."""

# Stands in the place of all programs of a variant, which are one file: does `action` for some of them at their
# `nth` run (0: at each), and is the real one for the others. `real` runs the real one.
_WRAPPER = """#!/bin/sh
name=${{0##*/}}
real() {{ /run/real/$name "$@"; }}
case $name in {programs}) ;; *) real "$@"; exit ;; esac
count=$(($(cat /run/count.$name 2>/dev/null || echo 0) + 1))
echo $count >/run/count.$name
if [ {nth} != 0 ] && [ $count {compare} {nth} ]; then real "$@"; exit; fi
{action}
"""

FAIL = "cat >/dev/null; echo boom >&2; exit 1"
FAIL_AFTER = 'real "$@"; echo boom >&2; exit 1'
LIE = "cat >/dev/null; exit 0"
DIE = "kill -9 $$"
DIE_AFTER = 'real "$@"; kill -9 $$'
CRASH = "kill -SEGV $$"
HANG = "exec sleep 300"
HANG_AFTER = 'real "$@"; exec sleep 300'
RUBBISH = "echo '*mangle'; echo ':LANEWAY-MARK - [0:0]'; echo '-A LANEWAY-MARK -m nonsense'"


def replace_tools(host: Throwaway, variant: str, programs: str, action: str, *, nth: int = 0, on: bool = False) -> None:
    """Put a wrapper in the place of a variant's programs; with `on`, its action starts with the nth run and goes on."""
    multi = f"/usr/sbin/xtables-{variant}-multi"
    compare = "-lt" if on else "!="
    text = _WRAPPER.format(programs=programs, nth=nth, compare=compare, action=action)
    host.run(["tee", "/run/wrapper"], input=text)
    host.sh(f"""
        mkdir -p /run/real; cp {multi} /run/real/multi; chmod 755 /run/wrapper; rm -f /run/count.*
        for tool in iptables ip6tables; do for verb in -save -restore ''; do
            ln -sf multi /run/real/$tool-{variant}$verb; ln -sf multi /run/real/$tool$verb
        done; done
        mount --bind /run/wrapper {multi}
    """)


def restore_tools(host: Throwaway, variant: str) -> None:
    """Put the programs back."""
    host.sh(f"umount -l /usr/sbin/xtables-{variant}-multi")


def impatient() -> None:
    """Have this process wait for no tool longer than a second."""
    from laneway.kernel import restore_chains, tools

    defaults = tools.run_tool.__kwdefaults__
    assert defaults is not None
    defaults["timeout"] = restore_chains._TIMEOUT = 1


def few_files() -> None:
    """Leave this process, from when it has its lock, no more than three open files."""

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and str(arguments[0]) == "/run/laneway.lock":
            next_one = os.dup(0)
            os.close(next_one)
            resource.setrlimit(resource.RLIMIT_NOFILE, (next_one + 3, next_one + 3))

    sys.addaudithook(hook)


def small_files() -> None:
    """Let this process write no file beyond its first bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


def when_begun(action: Callable[[], object]) -> None:
    """Have `action` done between the moment the journal stands and the first step."""
    armed = [True]

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if armed and event == "os.rename" and str(arguments[0]).rsplit("/", 1)[-1].startswith(".journal."):
            armed.clear()
            action()

    sys.addaudithook(hook)


def at_event(number: int, action: Callable[[], object]) -> None:
    """Have `action` done at the event of that number after the journal stands."""
    count = [-1]

    def start() -> None:
        count[0] = 0

    def hook(event: str, _: object) -> None:
        if event in EVENTS and count[0] >= 0:
            count[0] += 1
            if count[0] == number:
                action()

    when_begun(start)
    sys.addaudithook(hook)


def shell(script: str) -> None:
    """Run a script as another program on the host would, and not in the workload that a thread of ours may be in."""
    host = ["nsenter", f"--net=/proc/{os.getpid()}/ns/net", "--"]
    subprocess.run([*host, "sh", "-ec", script], check=True, stdin=subprocess.DEVNULL, timeout=30)


def script_when_begun(script: str) -> Callable[[], None]:
    """Return what has a script run just before the first step."""
    return partial(when_begun, partial(shell, script))


def signals(*numbers: int, events: int) -> Callable[[], None]:
    """Return what has this process, and the tools it runs, get signals at an event, as by Ctrl-C at a terminal."""

    def send() -> None:
        for number in numbers:
            os.killpg(0, number)

    return partial(at_event, events, send)


def netlink_refuses(number: int, *, nth: int) -> Callable[[], None]:
    """Return what has the kernel refuse the nth flight of netlink messages, its first message, with an error."""

    def prepare() -> None:
        from laneway.kernel import netlink

        honest = netlink.NetlinkSocket.send
        count = [0]

        def refusing(self: netlink.NetlinkSocket, requests: object) -> list[netlink.Refusal]:
            count[0] += bool(requests)
            if requests and count[0] == nth:
                return [netlink.Refusal(0, number, "")]
            return honest(self, requests)  # type: ignore[arg-type]

        netlink.NetlinkSocket.send = refusing  # type: ignore[method-assign]

    return prepare
