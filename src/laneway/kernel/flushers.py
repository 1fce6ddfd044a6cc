"""What on a host takes away rules that are not its own when it starts: services, scripts and their files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from laneway.state.diagnosis import Flusher

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_NFTABLES = ("etc/nftables.conf", "etc/sysconfig/nftables.conf")
_PERSISTENT = (
    ("netfilter-persistent", ("etc/iptables/rules.v4", "etc/iptables/rules.v6")),
    ("iptables", ("etc/sysconfig/iptables", "etc/iptables/iptables.rules")),
    ("ip6tables", ("etc/sysconfig/ip6tables", "etc/iptables/ip6tables.rules")),
)
_SHOREWALL = ("shorewall", "shorewall6", "shorewall-lite", "shorewall6-lite")
_SCRIPTS = (
    "etc/systemd/system/*.service",
    "etc/systemd/system/*.service.d/*.conf",
    "etc/cron.d/*",
    "etc/cron.*ly/*",
    "var/spool/cron/crontabs/*",
    "etc/network/interfaces",
    "etc/network/interfaces.d/*",
    "etc/network/if-*.d/*",
    "etc/NetworkManager/dispatcher.d/*",
    "etc/networkd-dispatcher/*.d/*",
    "etc/rc.local",
)
_MOST_FILES = 500
_LARGEST = 1 << 16  # bytes of one file that are looked through
_DEEPEST = 8  # includes within includes

_FLUSH = re.compile(r"\bflush\s+ruleset\b")
_INCLUDE = re.compile(r"""^\s*include\s+["']([^"']+)["']""", re.MULTILINE)
_RESTORE = re.compile(r"\bip6?tables(?:-legacy|-nft)?-restore\b(?P<options>[^|;&\n]*)")
_KEEPS = re.compile(r"\s(?:-n|--noflush|-t|--test)\b")
_OF_ALL = re.compile(
    r"\bip6?tables(?:-legacy|-nft)?\s(?:[^|;&\n]*\s)?(?:-F|--flush)\s*(?:$|[|;&])|\bnft\s+flush\s+ruleset\b"
)


def read(root: Path) -> tuple[Flusher, ...]:
    """Return what would take laneway's rules away when it starts, is restarted or reloaded."""
    return (*_nftables(root), *_persistent(root), *_shorewall(root), *_ufw(root), *_scripts(root))


def enabled(root: Path, service: str) -> bool:
    """Return whether a service is started at boot: by a link of a target's, as `systemctl enable` makes it."""
    return any((root / "etc/systemd/system").glob(f"*.wants/{service}.service"))


def _nftables(root: Path) -> Iterator[Flusher]:
    if enabled(root, "nftables"):
        for name in _NFTABLES:
            file = _flushing(root, root / name, 0)
            if file is not None:
                yield Flusher("nftables.service", _shown(root, file), "flush ruleset")
                return


def _flushing(root: Path, file: Path, depth: int) -> Path | None:
    """Return the file with a `flush ruleset`, that one or one it includes."""
    text = "\n".join(line.partition("#")[0] for line in _text(file).splitlines())
    if _FLUSH.search(text):
        return file
    for pattern in _INCLUDE.findall(text) if depth < _DEEPEST else ():
        base = root if pattern.startswith("/") else file.parent
        for each in sorted(base.glob(pattern.lstrip("/")))[:_MOST_FILES]:
            found = _flushing(root, each, depth + 1)
            if found is not None:
                return found
    return None


def _persistent(root: Path) -> Iterator[Flusher]:
    for service, files in _PERSISTENT:
        there = [each for each in files if (root / each).is_file()]
        if there and enabled(root, service):
            without = [each for each in there if "LANEWAY-" not in _text(root / each)]
            what = "rules without laneway's" if without else "rules of laneway's as they were then"
            yield Flusher(f"{service}.service", _shown(root, root / (without or there)[0]), what)


def _shorewall(root: Path) -> Iterator[Flusher]:
    for service in _SHOREWALL:
        if enabled(root, service):
            yield Flusher(f"{service}.service", f"/etc/{service}", "its own rules alone")


def _ufw(root: Path) -> Iterator[Flusher]:
    for line in _text(root / "etc/default/ufw").splitlines():
        if line.replace(" ", "").replace('"', "").lower() == "manage_builtins=yes":
            yield Flusher("ufw", "/etc/default/ufw", "MANAGE_BUILTINS=yes")


def _scripts(root: Path) -> Iterator[Flusher]:
    for file in _files(root):
        for line in _text(file).splitlines():
            found = _flushes(line)
            if found:
                yield Flusher("a script", _shown(root, file), found)
                break


def _flushes(line: str) -> str:
    """Return what in a line takes rules of others away, or nothing."""
    if line.lstrip().startswith(("#", ";")) or "laneway" in line:
        return ""
    restore = _RESTORE.search(line)
    if restore and not _KEEPS.search(restore["options"]):
        return restore[0].strip()
    of_all = _OF_ALL.search(line)
    return of_all[0].strip(" |;&") if of_all else ""


def _files(root: Path) -> Iterable[Path]:
    found = (each for pattern in _SCRIPTS for each in sorted(root.glob(pattern)) if each.is_file())
    return [each for each, _ in zip(found, range(_MOST_FILES), strict=False)]


def _text(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(_LARGEST)
    except OSError:
        return ""


def _shown(root: Path, file: Path) -> str:
    return f"/{file.relative_to(root)}"
