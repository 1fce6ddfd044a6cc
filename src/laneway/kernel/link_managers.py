"""Programs that set up links by themselves, and whether they are told to leave laneway's alone."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from laneway.kernel.settings import lines, section

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_PLACES = ("etc", "run", "usr/local/lib", "usr/lib")
"""Where networkd's files are: of several of one name the first counts (systemd.network(5))."""

_OURS = (("lwv0123456789ab", "veth", ("ether",)), ("lwb-tenant", "bridge", ("ether", "bridge")))
"""Links as laneway makes them: a name like theirs, their kind, and what networkd may call their type."""

_NEVER = frozenset(
    {"macaddress", "permanentmacaddress", "path", "ssid", "bssid", "wlaninterfacetype", "property", "devicetree"}
)
"""What laneway's links have not, or nobody knows beforehand."""

_YES = frozenset({"yes", "true", "on", "1", "y", "t"})


def networkd_takes(root: Path) -> str:
    """Return the .network file by which systemd-networkd would set up a link of laneway's, or nothing."""
    files: dict[str, Path] = {}
    for place in _PLACES:
        for file in (root / place / "systemd/network").glob("*.network"):
            files.setdefault(file.name, file)
    for link in _OURS:
        taken = next((files[name] for name in sorted(files) if _matches(files[name], *link)), None)
        if taken is not None and not _unmanaged(taken):
            return f"/{taken.relative_to(root)}"
    return ""


def _matches(file: Path, name: str, kind: str, types: tuple[str, ...]) -> bool:
    if not lines(file):  # masked: a link to /dev/null, or empty
        return False
    asked: dict[str, list[str]] = {}
    for key, value in section(file, "Match"):
        asked.setdefault(key, []).extend(value.split())
    if not asked.keys().isdisjoint(_NEVER):
        return False
    return (
        _any(asked.get("name"), (name,))
        and _any(asked.get("originalname"), (name,))
        and _any(asked.get("kind"), (kind,))
        and _any(asked.get("driver"), (kind,))
        and _any(asked.get("type"), types)
    )


def _any(patterns: list[str] | None, values: tuple[str, ...]) -> bool:
    """Return whether one of the values matches; patterns that begin with an exclamation mark are not to match."""
    if not patterns:
        return True
    if patterns[0].startswith("!"):
        refused = [patterns[0][1:], *patterns[1:]]
        return not any(fnmatchcase(value, each) for value in values for each in refused)
    return any(fnmatchcase(value, each) for value in values for each in patterns)


def _unmanaged(file: Path) -> bool:
    return any(key == "unmanaged" and value.lower() in _YES for key, value in section(file, "Link"))


def dhcpcd_takes(root: Path, running: Mapping[str, tuple[str, ...]], links: frozenset[str]) -> bool:
    """Return whether a dhcpcd that is not for one link alone would ask for leases on laneway's (dhcpcd.conf(5))."""
    if "dhcpcd" not in running or any(_about(each, links) for each in running["dhcpcd"]):
        return False
    allowed, denied = [], []
    for line in lines(root / "etc/dhcpcd.conf"):
        word, *rest = re.split(r"[\s,]+", line.partition("#")[0].strip())
        if word == "interface":  # what follows is about that one
            break
        allowed += rest if word == "allowinterfaces" else []
        denied += rest if word == "denyinterfaces" else []
    return any(
        not any(fnmatchcase(name, each) for each in denied)
        and (not allowed or any(fnmatchcase(name, each) for each in allowed))
        for name, _, _ in _OURS
    )


def _about(command: str, links: frozenset[str]) -> bool:
    """Return whether a program was started for a link: dhcpcd then writes that into its own title, too."""
    return not links.isdisjoint(command.split())


def connman_takes(root: Path) -> bool:
    """Return whether connman would set up laneway's links: it is told beginnings of names (connman.conf(5))."""
    left = list(_left_by_connman(root))
    return not all(any(name.startswith(each) for each in left) for name, _, _ in _OURS)


def _left_by_connman(root: Path) -> Iterator[str]:
    for key, value in section(root / "etc/connman/main.conf", "General"):
        if key == "networkinterfaceblacklist":
            yield from (each.strip() for each in value.split(",") if each.strip())
