"""Builds a `Topology` inside a sandbox: network namespaces, links, addresses, routes."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from laneway.errors import HostRefused
from laneway.lab import wiring
from laneway.lab.syscalls import inside
from laneway.lab.topology import INTERNET
from laneway.state.visible import complaint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from laneway.lab.topology import Topology

NETNS = Path("/run/netns")
TIMEOUT = 20
"""Seconds for one command; each takes milliseconds on a healthy machine."""

HOST_SYSCTLS: Mapping[str, str] = {
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "1",  # the strictest that distributions ship
    # Refusals are counted on: none may be withheld because there were many.
    "net/ipv4/icmp_ratelimit": "0",
    "net/ipv6/icmp/ratelimit": "0",
    # Duplicate address detection on new bridges would cost every lab two seconds.
    "net/ipv6/conf/default/accept_dad": "0",
}
"""What the throw-away host is like before laneway comes; a test may want another."""


def build(topology: Topology, sysctls: Mapping[str, str]) -> None:
    """Build the world around the host, in the namespaces the caller is in; raises HostRefused."""
    _batch([("", wiring.links(topology))])
    for name in ("", *wiring.netns_names(topology)):
        _write_sysctls(name, wiring.sysctls(name, topology, dict(sysctls)))
    _batch(
        [
            ("", wiring.host_side(topology)),
            *((each.netns, wiring.provider_side(each)) for each in topology.providers),
            (INTERNET, wiring.internet_side(topology)),
        ]
    )
    for tool in ("iptables", "ip6tables"):
        _redirect(tool)


def _tool(*names: str) -> str:
    for name in names:
        found = shutil.which(name)
        if found is not None:
            return found
    package = "iproute2" if names == ("ip",) else "iptables"
    raise HostRefused(f"the lab needs {names[0]}, which is not installed", f"sudo apt-get install {package}")


def open_netns(name: str) -> int:
    """Return a descriptor of a named network namespace, or with an empty name of the host's; raises OSError."""
    return os.open(NETNS / name if name else "/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _write_sysctls(netns: str, values: Mapping[str, str]) -> None:
    descriptor = open_netns(netns)
    try:
        with inside(descriptor):
            for key, value in values.items():
                path = Path("/proc/sys", key)
                if path.exists():  # a kernel without IPv6 has none of its keys
                    path.write_text(value)
    except OSError as error:
        where = f" in {netns}" if netns else ""
        raise HostRefused(f"cannot write {error.filename}{where}: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _batch(jobs: Sequence[tuple[str, Iterable[str]]]) -> None:
    """Run the lines of each network namespace by `ip -batch`, of all of them at the same time."""
    texts = [(netns, option, text) for netns, lines in jobs for option, text in wiring.by_family(lines).items()]
    _run([each for each in texts if not each[1]])
    _run([each for each in texts if each[1]])


def _run(texts: Sequence[tuple[str, str, str]]) -> None:
    tool = _tool("ip")
    with ExitStack() as stack:
        started = []
        for netns, option, text in texts:
            argv = [tool, *([option] if option else []), *(["-n", netns] if netns else []), "-batch", "-"]
            process = subprocess.Popen(  # noqa: S603  an argv list, of our own words and validated names
                argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
            )
            started.append((stack.enter_context(process), text))
        for process, text in started:
            _, complaint = process.communicate(text, timeout=TIMEOUT)
            if process.returncode:
                raise HostRefused(f"the lab's world cannot be built: {_explain(complaint, text)}", _ip_hint(complaint))


def _explain(complaint: str, text: str) -> str:
    """Return what ip(8) complains about, with the line it means."""
    number = complaint.rsplit("Command failed -:", 1)[-1].strip()
    line = text.splitlines()[int(number) - 1] if number.isdigit() else ""
    return f"ip {line}: {complaint.splitlines()[0] if complaint else 'no reason given'}"


def _ip_hint(complaint: str) -> str:
    if "not supported" in complaint or "Unknown device type" in complaint:
        return "this kernel lacks a module; as root: modprobe -a veth bridge"
    return ""


def _redirect(tool: str) -> None:
    """Lead every port of the internet to its responders, by whichever variant of iptables works here."""
    names = [f"{tool}-restore", f"{tool}-nft-restore", f"{tool}-legacy-restore"]
    _tool(*names)
    complaints = []
    descriptor = open_netns(INTERNET)
    try:
        for name in names:
            path = shutil.which(name)
            if path is None:
                continue
            with inside(descriptor):
                process = subprocess.run(  # noqa: S603  an argv list of our own words
                    [path], input=wiring.REDIRECT, capture_output=True, text=True, timeout=TIMEOUT, check=False
                )
            if process.returncode == 0:
                return
            complaints.append(f"{name}: {complaint(process.stderr) or process.returncode}")
    finally:
        os.close(descriptor)
    hint = "load the modules as root: modprobe -a ip_tables ip6_tables iptable_nat ip6table_nat nf_tables xt_REDIRECT"
    raise HostRefused("iptables does not work in the lab: " + "; ".join(complaints), hint)
