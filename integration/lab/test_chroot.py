"""A throw-away host made in a chroot, whatever its root is, stays in the chroot: nothing comes out on the host."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from integration.throwaway import Throwaway

QUICKSTART = Path(__file__).parents[2] / "policies" / "quickstart.toml"

BOUND = """
mkdir /run/root; mount --rbind / /run/root; mount --make-rslave /run/root; mount --make-rshared /run/root
mount -t tmpfs tmpfs /run/root/run
"""
"""As arch-chroot(8), schroot(1) and rescue systems have it: the root directory is a mount."""
PLAIN = """
mkdir -p /run/above/root; mount -t tmpfs tmpfs /run/above; mkdir /run/above/root; cd /
for name in *; do
    new=/run/above/root/$name
    if [ -L "$name" ]; then cp -P "$name" "$new"; continue; fi
    [ -d "$name" ] && [ "$name" != run ] || continue
    mkdir "$new"; mount --rbind "/$name" "$new"; mount --make-rslave "$new"
done
mkdir /run/above/root/run; ln -s above/root /run/root; mount --make-rshared /run/above
"""
"""As debootstrap(8) leaves it: a directory, on a mount that others share, who would see what is mounted below."""
CHROOTS = {"chroot": "chroot /run/root", "unshare": "unshare --mount --root=/run/root --"}
INSIDE = """
test -e /srv/here
ip netns list | grep -q acme-web
ip netns add lab-only
touch /run/lab-only /etc/netns/lab-only /etc/iproute2/rt_tables.d/lab-only
"""


def outside(host: Throwaway) -> list[str]:
    """Return what is mounted on the host but in the chroot, and the names of what laneway might have written."""
    files = "find /run /etc/iproute2 /etc/netns /var/lib/laneway -xdev 2>/dev/null || true"
    return host.sh(f"cat /proc/self/mountinfo; {files}").splitlines()


@pytest.mark.parametrize("way", [pytest.param(each, id=name) for name, each in CHROOTS.items()])
@pytest.mark.parametrize("root", [pytest.param(BOUND, id="a mount"), pytest.param(PLAIN, id="a directory")])
def test_the_lab_stays_in_a_chroot(throwaway: Throwaway, root: str, way: str) -> None:
    marked = "mount -t tmpfs tmpfs /run/root/srv; touch /run/root/srv/here; mount -t proc proc /run/root/proc"
    throwaway.sh(f"mount --make-rshared /\n{root}\n{marked}")
    lab = f"{way} {sys.executable} -P -m laneway lab {QUICKSTART}"
    before = outside(throwaway)

    typed = throwaway.run(["sh", "-c", f"{lab} -- sh -ec {shlex.quote(INSIDE)}"], check=False)
    probes = throwaway.run(["sh", "-c", lab], check=False)

    assert (typed.returncode, typed.stderr) == (0, "")
    assert probes.returncode == 0, probes.stdout + probes.stderr
    assert outside(throwaway) == before
