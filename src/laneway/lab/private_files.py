"""Mounts and files of a throw-away host's own: what is mounted or written there shows nowhere else."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from laneway.lab.syscalls import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    NEW_MOUNTS,
    mount,
    setns,
)

OLD_ETC = "/run/laneway-lab-etc"


def part_mounts(namespace: int) -> int:
    """Have nothing that is mounted in our mount namespace show in another; return our root directory, which is a mount.

    In a chroot the mount to change may lie above the root directory, out of reach of any path.
    """
    chroot = _open_root()
    setns(namespace, NEW_MOUNTS)
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    return_to(chroot)
    os.close(chroot)
    try:
        mount("none", "/", "", MS_REC | MS_PRIVATE)
    except OSError:
        # Nor would ip-netns(8) find a mount to change: a copy of what is below the root directory becomes it.
        mount("/", "/run", "", MS_BIND | MS_REC)
        os.chroot("/run")
        os.chdir("/")
    return _open_root()


def _open_root() -> int:
    return os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def return_to(root: int) -> None:
    """Go back to the root directory from that of the mount namespace, to which setns(2) leads out of every chroot."""
    os.chdir(root)
    os.chroot(".")


def private_files() -> None:
    """Give the sandbox its own /run and /etc, so that nothing written there reaches the real host."""
    mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, options="mode=755")
    for name in ("netns", "lock", "laneway"):
        Path("/run", name).mkdir(mode=0o755)
    _own_etc()
    # Where proc or sysfs may not be mounted (some containers) the old ones serve: they show more, but not less.
    with suppress(OSError):
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    with suppress(OSError):
        mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)


def _own_etc() -> None:
    """Mount a writable /etc of links to the real one, with an iproute2 and a netns directory of its own."""
    Path(OLD_ETC).mkdir()
    mount("/etc", OLD_ETC, "", MS_BIND | MS_REC)
    names = sorted(each.name for each in Path(OLD_ETC).iterdir())
    mount("tmpfs", "/etc", "tmpfs", MS_NOSUID | MS_NODEV, options="mode=755")
    for name in names:
        old, new = Path(OLD_ETC, name), Path("/etc", name)
        if name not in {"iproute2", "netns", "resolv.conf"}:
            new.symlink_to(old.readlink() if old.is_symlink() else old)
    Path("/etc/resolv.conf").touch()  # what ip-netns(8) mounts a netns' own on
    Path("/etc/netns").mkdir()
    _copy_readable(Path(OLD_ETC, "iproute2"), Path("/etc/iproute2"))


def _copy_readable(old: Path, new: Path) -> None:
    """Copy a directory of small files."""
    new.mkdir(exist_ok=True)
    for each in sorted(old.iterdir()) if old.is_dir() else ():
        if each.is_dir():
            _copy_readable(each, new / each.name)
        elif each.is_file() and os.access(each, os.R_OK):
            (new / each.name).write_bytes(each.read_bytes())
