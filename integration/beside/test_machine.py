"""The hosts with real programs: they end whole, and the machine below has nothing of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from integration.beside.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_daemon_and_its_cgroup_end_with_their_host(software: Callable[[str], Path]) -> None:
    with Machine(software("cni")) as host:
        host.sh("mkdir -p /sys/fs/cgroup/one/two; cp /bin/sleep /usr/bin/laneway-sleeper")
        host.start("sleeper", "/usr/bin/laneway-sleeper 1000", ready="true")
        host.sh("cat /run/sleeper.pid > /sys/fs/cgroup/one/two/cgroup.procs")
        (own,) = host.sh("grep -o '/laneway[.][^ ]* /sys/fs/cgroup ' /proc/self/mountinfo").split()[:1]
        running = [path for path in Path("/proc").glob("[0-9]*/comm") if "laneway-sleeper" in _text(path)]
        assert len(running) == 1

    assert not running[0].exists()
    assert not Path("/usr/bin/laneway-sleeper").exists()
    with Machine(software("cni")) as host:
        assert own.strip("/") not in host.sh("ls /run/cgroup").split()


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it ended meanwhile
        return ""
