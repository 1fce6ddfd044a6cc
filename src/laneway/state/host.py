"""`HostState`: everything laneway wants of a host, or everything of laneway's that the host holds."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from laneway.state.chains import BaseJump, Chain, ChainKey, JumpKey, LeftoverKey
from laneway.state.links import AddressKey, Link, LinkKey, Netns
from laneway.state.marks import FwMark
from laneway.state.routing import FibRule, Route, RouteKey
from laneway.state.sets import IpSet, SetEntry


@dataclass(slots=True)
class HostState:
    """One mapping per kind of kernel object, keyed by the kernel's own identity.

    The two sides of every plan are of this type: `desired`, from `compile`, and `observed`, from `kernel.read`,
    which holds our own objects only. None as a value: the object has no property besides its being there.
    """

    netns: dict[str, Netns] = field(default_factory=dict)
    links: dict[LinkKey, Link] = field(default_factory=dict)
    addresses: dict[AddressKey, None] = field(default_factory=dict)
    priors: dict[str, str] = field(default_factory=dict)  # what a sysctl of the host's own was before laneway
    sysctls: dict[str, str] = field(default_factory=dict)  # "net/ipv4/ip_forward" -> "1", below /proc/sys
    routes: dict[RouteKey, Route] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)  # absolute path -> whole content
    sets: dict[str, IpSet] = field(default_factory=dict)
    entries: dict[SetEntry, FwMark | None] = field(default_factory=dict)
    fib_rules: dict[FibRule, None] = field(default_factory=dict)
    chains: dict[ChainKey, Chain] = field(default_factory=dict)
    jumps: dict[JumpKey, BaseJump] = field(default_factory=dict)
    leftovers: dict[LeftoverKey, Any] = field(default_factory=dict)  # never desired

    def kinds(self) -> dict[str, dict[Any, Any]]:
        """Return the mappings by name, in the order in which their objects are created."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


class ReadBack(NamedTuple):
    """What a host was found to hold after a change."""

    state: HostState
    contradictions: tuple[str, ...]  # sentences: where a second reader sees other chain rules than the first


def recorded_priors(state: HostState) -> dict[str, str]:
    """Return what sysctls of the host's own were before laneway, whichever variant of iptables remembers them."""
    left = {each.key: value for each, value in state.leftovers.items() if each.kind == "priors"}
    return left | state.priors
