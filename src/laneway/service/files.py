"""The files that systemd and network managers read, with their places; their texts are in `laneway/units`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

MARK: Final = "# Written by `laneway service install`; `laneway service remove` deletes it.\n"
"""The first line of a file that an operator's command wrote: no other file is deleted."""

UNITS: Final = ("laneway-pending.service", "laneway-boot.service", "laneway-uplinks.service", "laneway.service")
"""The units that are enabled, in the order in which they run; the last one goes on."""

FLUSHING: Final = {
    "nftables.service": True,
    "firewalld.service": True,
    "iptables.service": True,
    "ip6tables.service": True,
    "netfilter-persistent.service": False,
    "ufw.service": False,
}
"""Services that flush the rules of others, and whether they have a reload: a drop-in must not give them one."""

RELOAD: Final = "ExecReload=-systemctl --no-block reload-or-restart laneway-boot.service\n"

FIREWALLD: Final = "ExecReload=-firewall-cmd --state\n"
"""firewalld reloads after its ExecReload, a signal, has ended; it answers this question when it is done."""

_SAFE = re.compile(r"[A-Za-z0-9/._+-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class ServiceFile:
    """A file to be read by systemd or by a network manager."""

    path: str  # below /etc, /usr/lib or /usr/local/lib
    text: str
    reader: str = ""  # the program it is for; none: systemd

    @property
    def marked(self) -> str:
        """Return the text as an operator's command writes it."""
        return MARK + self.text


def service_files(command: str) -> tuple[ServiceFile, ...]:
    """Return all files, with `command` as the absolute path of laneway."""
    called = _quoted(command)
    return (
        *(ServiceFile(f"systemd/system/{unit}", _template(unit).replace("@LANEWAY@", called)) for unit in UNITS),
        *(ServiceFile(f"systemd/system/{unit}.d/laneway.conf", _drop_in(unit)) for unit in FLUSHING),
        ServiceFile("systemd/network/05-laneway.network", _template("networkd.network"), "systemd-networkd"),
        ServiceFile("systemd/networkd.conf.d/laneway.conf", _template("networkd.conf"), "systemd-networkd"),
        ServiceFile("NetworkManager/conf.d/laneway.conf", _template("networkmanager.conf"), "NetworkManager"),
    )


def _drop_in(unit: str) -> str:
    barrier = FIREWALLD if unit == "firewalld.service" else ""
    return _template("reapply.conf") + (barrier + RELOAD if FLUSHING[unit] else "")


def _template(name: str) -> str:
    return files("laneway").joinpath("units", name).read_text(encoding="utf-8")


def _quoted(command: str) -> str:
    """Return a path as systemd.service(5) has it on a command line."""
    doubled = command.replace("\\", "\\\\").replace("%", "%%").replace('"', '\\"')
    return command if _SAFE.fullmatch(command) else f'"{doubled}"'
