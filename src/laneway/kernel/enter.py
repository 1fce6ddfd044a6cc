"""Run a command inside a workload."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

from laneway.kernel.tools import tool_path

if TYPE_CHECKING:
    from collections.abc import Sequence


def run_in_netns(name: str, argv: Sequence[str]) -> NoReturn:
    """Become `argv` inside the network namespace `name`, with its /sys and its files of /etc/netns (ip-netns(8)).

    Raises HostRefused when the host has no ip(8).
    """
    os.execv(tool_path("ip"), ["ip", "netns", "exec", name, *argv])  # noqa: S606  no shell is the point
