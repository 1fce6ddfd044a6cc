"""Real programs for a throw-away host: Debian's packages, fetched by apt and unpacked, installed nowhere.

apt leaves out what the machine has already, so that what is unpacked fits the machine's release, and
no daemon is ever started there: nothing is configured, no script of a package runs.
"""

from __future__ import annotations

import shlex
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PROGRAMS = {
    "podman": (
        "podman",
        "netavark",
        "aardvark-dns",
        "crun",
        "containernetworking-plugins",
        "busybox-static",
        "iptables",
        "nftables",
    ),
    "docker": ("docker.io", "busybox-static", "iptables"),
    "cni": ("containernetworking-plugins",),
    "firewalld": ("firewalld", "dbus", "iptables", "ipset"),
    "ufw": ("ufw", "iptables"),
    "sshd": ("openssh-server",),
    "persistent": ("netfilter-persistent", "iptables-persistent", "nftables"),
}
"""What is wanted of Debian for each program: with all it depends on."""

_MINUTES = 5 * 60  # seconds: a mirror that gives nothing for so long is a failure


class NotGot(Exception):  # noqa: N818  a sentence, for who reads the test's output
    """The program could not be had from Debian."""


def unpacked(program: str, store: Path) -> Path:
    """Return the root of a program's packages, below `store`: fetched and unpacked once, for all who ask."""
    root = store / program / "root"
    done = store / program / "done"
    if not done.exists():
        packages = _fetched(PROGRAMS[program], store / program / "archives")
        for directory in ("bin", "sbin", "lib", "lib64"):  # some packages ship paths that are links since usrmerge
            (root / "usr" / directory).mkdir(parents=True, exist_ok=True)
            (root / directory).unlink(missing_ok=True)
            (root / directory).symlink_to(f"usr/{directory}")
        for package in packages:
            unpack = f"dpkg-deb --fsys-tarfile {shlex.quote(str(package))} | tar -x --keep-directory-symlink -C"
            _run("sh", "-ec", f"{unpack} {shlex.quote(str(root))}")
        done.touch()
    return root


def _fetched(names: Sequence[str], archives: Path) -> list[Path]:
    """Return the files of the packages and of all that the machine lacks for them."""
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    lists = archives.parent / "lists"
    fetch = [*_apt(archives), "install", "--yes", "--download-only", "--no-install-recommends", *names]
    try:
        _run(*fetch)
    except NotGot:  # the machine's own lists may be old, or none: with lists of our own, once more
        (lists / "partial").mkdir(parents=True, exist_ok=True)
        ours = ["-o", f"Dir::State::Lists={lists}"]
        _run(*_apt(archives), *ours, "update")
        _run(*fetch[:1], *ours, *fetch[1:])
    return sorted(archives.glob("*.deb"))


def _apt(archives: Path) -> list[str]:
    """Return apt-get with a store of its own: it reads what the machine has and writes nothing there."""
    options = {
        "Dir::Cache::archives": str(archives),
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "Debug::NoLocking": "1",
        "APT::Sandbox::User": "root",  # _apt may not write below a store that is root's
        "Acquire::Retries": "3",
    }
    return ["apt-get", "-q", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]


def _run(*argv: str) -> None:
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=_MINUTES)
    if done.returncode:
        raise NotGot(f"{shlex.join(argv)}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
