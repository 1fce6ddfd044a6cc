"""Names laneway gives to kernel objects, all within the kernel's limits and the same in every run."""

from __future__ import annotations

import re
from base64 import b32encode
from hashlib import blake2b

NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", re.ASCII)
"""What tenants, workloads, uplinks and classes may be called."""

MAX_NAME = 64
MAX_UPLINK_NAME = 20
"""A set is called `lw-pub4-<uplink>`, and ipset names have at most 31 characters."""

MAX_INTERFACE = 15
"""IFNAMSIZ less its closing zero (linux/if.h)."""

BRIDGE_PREFIX = "lwb-"
VETH_PREFIX = "lwv"


def netns_name(tenant: str, workload: str) -> str:
    """Return the network namespace of a workload, as `ip netns` shows it."""
    return f"{tenant}-{workload}"


def bridge_name(tenant: str) -> str:
    """Return the bridge of a tenant; a long name keeps its beginning and gets a hash of the whole."""
    if len(BRIDGE_PREFIX) + len(tenant) <= MAX_INTERFACE:
        return BRIDGE_PREFIX + tenant
    return f"{BRIDGE_PREFIX}{tenant[:5]}{_hash(tenant, 6)}"


def veth_name(tenant: str, workload: str) -> str:
    """Return the host's end of a workload's veth pair."""
    return VETH_PREFIX + _hash(f"{tenant}/{workload}", 12)


def _hash(text: str, length: int) -> str:
    return b32encode(blake2b(text.encode(), digest_size=10).digest()).decode().lower()[:length]
