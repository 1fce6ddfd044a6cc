"""`HostState`: everything laneway wants of a host, or everything of laneway's that the host holds."""

from __future__ import annotations

from typing import Any, NamedTuple

from laneway.state.chains import BaseJump, Chain, ChainKey, JumpKey
from laneway.state.leftovers import LeftoverKey
from laneway.state.links import AddressKey, Link, LinkKey, Netns
from laneway.state.marks import FwMark
from laneway.state.nft import NftElement, NftTable
from laneway.state.routing import FibRule, Route, RouteKey
from laneway.state.sets import IpSet, SetEntry

DIRECTORY_MARK = ".laneway"
"""The empty file in a directory that laneway made for files of its own, and removes with the last of them."""


class HostState:
    """One mapping per kind of kernel object, keyed by the kernel's own identity.

    The two sides of every plan are of this type: `desired`, from `compile`, and `observed`, from `kernel.read`,
    which holds our own objects only. None as a value: the object has no property besides its being there.
    """

    # No dataclass, for the reason that `policy.model` gives; no named tuple, since it begins with mappings of its own.
    netns: dict[str, Netns]
    links: dict[LinkKey, Link]
    addresses: dict[AddressKey, None]
    priors: dict[str, str]  # what a sysctl of the host's own was before laneway
    sysctls: dict[str, str]  # "net/ipv4/ip_forward" -> "1", below /proc/sys
    routes: dict[RouteKey, Route]
    files: dict[str, str]  # absolute path -> whole content
    sets: dict[str, IpSet]
    entries: dict[SetEntry, FwMark | None]
    fib_rules: dict[FibRule, None]
    chains: dict[ChainKey, Chain]
    jumps: dict[JumpKey, BaseJump]
    leftovers: dict[LeftoverKey, Any]  # never desired
    nft_tables: dict[str, NftTable]  # of family inet
    nft_elements: dict[NftElement, None]

    def __init__(self, **kinds: dict[Any, Any]) -> None:
        """Hold these objects by kind; of the kinds that are not given there are none."""
        for name in KINDS:
            setattr(self, name, kinds.pop(name, {}))
        if kinds:
            raise TypeError(f"no kind of kernel object: {', '.join(kinds)}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HostState) and self.kinds() == other.kinds()

    __hash__ = None  # type: ignore[assignment]  # its mappings change

    def __repr__(self) -> str:
        return f"HostState({', '.join(f'{name}={each!r}' for name, each in self.kinds().items() if each)})"

    def kinds(self) -> dict[str, dict[Any, Any]]:
        """Return the mappings by name, in the order in which their objects are created."""
        return {name: getattr(self, name) for name in KINDS}

    def replaced(self, **kinds: dict[Any, Any]) -> HostState:
        """Return a state that holds these objects instead, and of the other kinds its own."""
        return HostState(**{**self.kinds(), **kinds})


KINDS = tuple(HostState.__annotations__)
"""The kinds of kernel objects, in the order in which they are created."""


class ReadBack(NamedTuple):
    """What a host was found to hold after a change."""

    state: HostState
    contradictions: tuple[str, ...]  # sentences: where a second reader sees other chain rules than the first


BOOT = "kernel/random/boot_id"
"""Of which start of the machine recorded priors are: kept beside them, since saved rules can outlive it."""

DISK = "disk"
"""In place of a variant of iptables: priors that laneway's own memory on disk has, and that no plan touches."""


def recorded_keys(state: HostState) -> set[str]:
    """Return every sysctl of which something is recorded anywhere, of whichever start of the machine."""
    return {each.key for each in state.leftovers if each.kind == "priors"} | state.priors.keys()


def recorded_priors(state: HostState) -> dict[str, str]:
    """Return what sysctls of the host's own were before laneway: the chain's word comes before that of the disk.

    Those of an earlier start of the machine say nothing of this one.
    """
    sources: dict[str, dict[str, str]] = {DISK: {}}
    for each, value in state.leftovers.items():
        if each.kind == "priors":
            sources.setdefault(each.variant, {})[each.key] = value
    now = state.sysctls.get(BOOT)
    found: dict[str, str] = {}
    for source in (*sources.values(), state.priors):
        if now is None or source.get(BOOT, now) == now:
            found |= source
    found.pop(BOOT, None)
    return found
