"""Sysctls by their paths under /proc/sys (proc_sys(5)); sysctl(8) may fail and still exit with 0."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from laneway.errors import StepFailed
from laneway.kernel.reasons import Refused, failed, raised, told
from laneway.kernel.reasons import refused as host_refused
from laneway.plan.steps import Op, Step
from laneway.state.host import BOOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ROOT = Path("/proc/sys")
_LONGEST = 4096  # bytes

HOST_KEYS = (
    BOOT,
    "net/ipv4/ip_forward",
    "net/ipv6/conf/all/forwarding",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/conf/all/arp_ignore",
    "net/ipv4/conf/all/arp_announce",
    "net/ipv4/conf/all/accept_redirects",
    "net/ipv4/conf/default/forwarding",
    "net/ipv6/conf/default/forwarding",
)
"""Sysctls of the host's own that shape what laneway programs."""

ACCEPT_RA = "net/ipv6/conf/{}/accept_ra"
FORWARDS = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}
FORWARDING = {4: "net/ipv4/conf/{}/forwarding", 6: "net/ipv6/conf/{}/forwarding"}

UPLINK_KEYS = (
    "net/ipv4/conf/{}/rp_filter",
    "net/ipv4/conf/{}/arp_ignore",
    "net/ipv4/conf/{}/arp_announce",
    ACCEPT_RA,
    "net/ipv6/conf/{}/use_oif_addrs_only",
    "net/ipv4/conf/{}/forwarding",
    "net/ipv6/conf/{}/forwarding",
)
"""The same, of each uplink's interface."""


def read(keys: Iterable[str]) -> dict[str, str]:
    """Return the present values of those `keys` that exist."""
    values = {}
    for key in keys:
        try:
            values[key] = _value(key)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise host_refused(f"cannot read sysctl {key}", error) from error
    return values


def _value(key: str) -> str:
    return _parts((_ROOT / key).read_text(encoding="ascii"))


def _parts(text: str) -> str:
    """Return the value as laneway writes it: a tab parts the numbers of a sysctl that holds several."""
    return " ".join(text.split())


def run(op: Op, steps: Sequence[Step], refused: Refused = raised) -> None:
    """Do steps of the kind "sysctls"; what fails is told to `refused`. A deleted one went with its link."""
    if op is not Op.DELETE:
        for step in steps:
            with told(step, refused):
                _write(step)


def _write(step: Step) -> None:
    try:
        file = os.open(f"{_ROOT}/{step.key}", os.O_RDWR | os.O_CLOEXEC)  # not by pathlib: there are thousands
        try:
            os.write(file, step.new.encode())
            present = _parts(os.pread(file, _LONGEST, 0).decode())
        finally:
            os.close(file)
    except FileNotFoundError as error:
        raise StepFailed(step, f"there is no sysctl {step.key} on this host") from error
    except OSError as error:
        raise failed(step, error.errno or 0) from error
    if present != step.new:
        raise StepFailed(step, f"sysctl {step.key} is {present} after {step.new} was written to it")
