"""Run a command inside a workload."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

from laneway.errors import HostRefused
from laneway.kernel.netns import RUN
from laneway.kernel.tools import tool_path

if TYPE_CHECKING:
    from collections.abc import Sequence


def run_in_netns(name: str, argv: Sequence[str]) -> NoReturn:
    """Become `argv` inside the network namespace `name`, with its /sys and its files of /etc/netns (ip-netns(8)).

    Its exit code is that of `argv`, or as of env(1): 127 for one that is not found, 126 for one that cannot be run.
    Raises HostRefused when there is no such namespace, or the host has no ip(8) or env(1).
    """
    if not (RUN / name).exists():
        raise HostRefused(f"there is no network namespace {name} on this host", "laneway status names the workloads")
    # ip(8) ends with 1 when it cannot run a command. What has an equals sign env(1) takes for a variable.
    runs = [] if "=" in argv[0] else [tool_path("env"), "--"]
    os.execv(tool_path("ip"), ["ip", "netns", "exec", name, *runs, *argv])  # noqa: S606  no shell is the point
