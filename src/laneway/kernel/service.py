"""Files and units of this host's service manager and network managers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from laneway.errors import HostRefused
from laneway.kernel.tools import run_tool

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_RUNNING = Path("run/systemd/system")
"""sd_booted(3)."""

_VENDOR = {"systemd": ("usr/lib", "usr/local/lib", "lib"), "NetworkManager": ("usr/lib",)}
"""Where, below the root, packages put what the reader of a file looks for (systemd.unit(5), NetworkManager.conf(5))."""

_READERS = {
    "systemd-networkd": ("usr/lib/systemd/systemd-networkd", "lib/systemd/systemd-networkd"),
    "NetworkManager": ("usr/sbin/NetworkManager", "usr/bin/NetworkManager"),
    "dhcpcd": ("usr/sbin/dhcpcd", "sbin/dhcpcd"),
}


def is_packaged(path: str, root: Path = Path("/")) -> bool:
    """Tell whether a package, or `./run install`, put a file of this name where its reader finds it."""
    return any((root / place / path).is_file() for place in _VENDOR[path.partition("/")[0]])


def has_reader(program: str, root: Path = Path("/")) -> bool:
    """Tell whether the host has the program that a file is for."""
    return any((root / path).exists() for path in _READERS[program])


def dhcpcd_denies(patterns: Sequence[str], root: Path = Path("/")) -> bool:
    """Tell whether dhcpcd, if there is one, leaves links of these patterns alone (dhcpcd.conf(5))."""
    file = root / "etc/dhcpcd.conf"
    lines = _text(file).splitlines() if has_reader("dhcpcd", root) else [f"denyinterfaces {' '.join(patterns)}"]
    denied = {word for line in lines if line.startswith("denyinterfaces") for word in line.split()[1:]}
    return denied.issuperset(patterns)


def write(path: str, text: str, root: Path = Path("/")) -> bool:
    """Write a file below /etc unless it is so already, and return whether it was written; raises HostRefused."""
    file = root / "etc" / path
    try:
        if _text(file) == text:
            return False
        file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        aside = file.with_name(f".{file.name}.laneway")
        aside.write_text(text, encoding="utf-8")
        aside.chmod(0o644)
        aside.replace(file)
    except OSError as error:
        raise HostRefused(f"{error.filename}: {error.strerror}") from error
    return True


def begins_with(path: str, mark: str, root: Path = Path("/")) -> bool:
    """Tell whether a file below /etc is one that laneway wrote."""
    return _text(root / "etc" / path).startswith(mark)


def is_foreign(path: str, mark: str, root: Path = Path("/")) -> bool:
    """Tell whether there is a file below /etc that somebody else wrote, or a link that masks a unit."""
    file = root / "etc" / path
    return (file.exists() or file.is_symlink()) and not begins_with(path, mark, root)


def delete(path: str, root: Path = Path("/")) -> None:
    """Delete a file below /etc, and the directory of a drop-in that is empty then; raises HostRefused."""
    file = root / "etc" / path
    try:
        file.unlink(missing_ok=True)
        if file.parent.name.endswith(".d") and not any(file.parent.iterdir()):
            file.parent.rmdir()
    except OSError as error:
        raise HostRefused(f"{error.filename}: {error.strerror}") from error


def enable(units: Iterable[str]) -> None:
    """Have systemd start these units with the host; raises HostRefused."""
    _systemctl("enable", *units)


def disable(units: Iterable[str]) -> None:
    """Have systemd start these units no more; raises HostRefused."""
    _systemctl("disable", *units)


def enabled(unit: str) -> bool:
    """Tell whether systemd starts a unit with the host."""
    try:
        return run_tool(["systemctl", "is-enabled", "--quiet", unit]).returncode == 0
    except HostRefused:
        return False


def reload() -> None:
    """Have a running systemd read its units again; raises HostRefused."""
    if (Path("/") / _RUNNING).is_dir():
        _systemctl("daemon-reload")


def _systemctl(*words: str) -> None:
    done = run_tool(["systemctl", *words])
    if done.returncode:
        message = f"systemctl {' '.join(words)}: {done.stderr.strip() or f'exit status {done.returncode}'}"
        raise HostRefused(message)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
