"""Other software on the host that rules over its network: what runs, and how it is set up."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from laneway.kernel.settings import lines, section
from laneway.state.diagnosis import Firewalld, Networkd

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROGRAMS = {
    "dockerd": "dockerd",
    "firewalld": "firewalld",
    "NetworkManager": "NetworkManager",
    "systemd-network": "systemd-networkd",  # the kernel keeps 15 characters of a name
    "podman": "podman",
    "tailscaled": "tailscaled",
    "dhcpcd": "dhcpcd",
    "connmand": "connmand",
}
"""Programs by the name that the kernel knows them by (proc_pid_comm(5))."""

_PLACES = ("usr/lib", "usr/local/lib", "run", "etc")
"""Where files of settings are, of several of one name the last counting (systemd.syntax(7))."""

_NO = frozenset({"no", "false", "off", "0", "n", "f"})
_TRUSTED_INTERFACE = re.compile(r"""<interface\s+name=["']([^"']+)["']""")


def running() -> Mapping[str, tuple[str, ...]]:
    """Return which of the known programs see this network, each with the command lines of its processes.

    Those of another network namespace do not see it.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name, command in _running():
        found[name] = (*found.get(name, ()), command)
    return found


def _running() -> Iterator[tuple[str, str]]:
    here = os.readlink("/proc/self/ns/net")  # noqa: PTH115  no path is meant
    for process in Path("/proc").glob("[0-9]*"):
        try:
            name = (process / "comm").read_text(encoding="utf-8", errors="replace").rstrip("\n")
            if name in PROGRAMS and _network(process) in (here, ""):
                command = (process / "cmdline").read_text(encoding="utf-8", errors="replace")
                yield PROGRAMS[name], command.replace("\0", " ")
        except OSError:  # it has ended
            continue


def _network(process: Path) -> str:
    try:
        return os.readlink(process / "ns" / "net")  # noqa: PTH115  no path is meant
    except PermissionError:  # of another user's process only root may know
        return ""


def ufw_enabled(root: Path) -> bool:
    """Tell whether ufw sets up the firewall at start."""
    return any(line.replace(" ", "").strip("\"'").lower() == "enabled=yes" for line in lines(root / "etc/ufw/ufw.conf"))


def networkd(root: Path) -> Networkd:
    """Return what systemd-networkd is told to do with what others make (networkd.conf(5))."""
    settings = {"manageforeignroutingpolicyrules": True, "manageforeignroutes": True}
    for file in _settings_files(root):
        for key, value in section(file, "Network"):
            if key in settings and value:
                settings[key] = value.lower() not in _NO
    return Networkd(settings["manageforeignroutingpolicyrules"], settings["manageforeignroutes"])


def _settings_files(root: Path) -> Iterator[Path]:
    main = [root / place / "systemd/networkd.conf" for place in _PLACES]
    yield from [each for each in main if each.is_file()][-1:]
    drop_ins: dict[str, Path] = {}
    for place in _PLACES:
        drop_ins.update({each.name: each for each in (root / place / "systemd/networkd.conf.d").glob("*.conf")})
    yield from (drop_ins[name] for name in sorted(drop_ins))


def firewalld(root: Path) -> Firewalld:
    """Return how firewalld is set up."""
    settings = {"FirewallBackend": "nftables", "IPv6_rpfilter": "yes"}
    for line in lines(root / "etc/firewalld/firewalld.conf"):
        key, _, value = line.partition("=")
        if key.strip() in settings:
            settings[key.strip()] = value.strip().lower()
    zone = "\n".join(lines(root / "etc/firewalld/zones/trusted.xml"))
    trusted = frozenset(_TRUSTED_INTERFACE.findall(zone))
    return Firewalld(settings["FirewallBackend"], trusted, settings["IPv6_rpfilter"], _firewalld_version(root))


def _firewalld_version(root: Path) -> str:
    """Return the version that its own files tell: asking the program takes half a second."""
    for place in ("usr/lib/python3/dist-packages", "usr/lib/python3*/site-packages"):
        for file in root.glob(f"{place}/firewall/config/__init__.py"):
            for line in lines(file):
                found = re.match(r"""VERSION = ["']([0-9.]+)""", line)
                if found:
                    return found[1]
    return ""


def left_by_networkmanager(root: Path) -> frozenset[str]:
    """Return the patterns of interfaces that NetworkManager is told to leave alone (NetworkManager.conf(5))."""
    files = [root / "etc/NetworkManager/NetworkManager.conf"]
    for place in ("usr/lib", "run", "etc"):
        files += sorted((root / place / "NetworkManager/conf.d").glob("*.conf"))
    found: set[str] = set()
    for file in files:
        for key, value in section(file, "keyfile"):
            if key.rstrip("+") == "unmanaged-devices":
                found.update(each.removeprefix("interface-name:") for each in re.split("[;,]", value) if each)
    return frozenset(found)
