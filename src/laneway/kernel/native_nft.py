"""The tables of nftables that iptables does not show, as `nft -j` prints them."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from laneway.errors import HostRefused
from laneway.kernel.netlink import NETFILTER, NetlinkSocket, attributes, string
from laneway.kernel.tools import run_tool
from laneway.state.nft import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

_XT_FAMILIES = frozenset({"ip", "ip6"})
_XT_NAMES = frozenset({"raw", "mangle", "nat", "filter", "security"})
_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}  # linux/netfilter.h

_TIMEOUT = 10
"""Seconds for one table: a host's firewall takes some hundredths."""

_LARGEST = 1 << 25
"""Characters of one table, its sets not told, that are still taken apart: some hundred thousand rules."""

_GET_TABLE = 10 << 8 | 1  # linux/netfilter/nf_tables.h
_TABLE_NAME = 1
_GET_CHAIN = 10 << 8 | 4
_CHAIN_TABLE, _CHAIN_NAME, _CHAIN_HOOK = 1, 3, 4
_HOOK_DEVICE, _HOOK_DEVICES = 3, 4
_HEADER = 4  # bytes of an attribute that are its length and type
_DEVICE_HOOKS = frozenset({"ingress", "egress"})
_GENERAL = bytes(4)  # of every family


class NativeTable(NamedTuple):
    """One table, as JSON has it."""

    family: str  # "inet", "ip", "ip6", "arp", "bridge" or "netdev"
    table: str
    chains: tuple[dict[str, Any], ...]
    rules: tuple[dict[str, Any], ...]

    @property
    def name(self) -> str:
        """Return how nft(8) names it."""
        return f"{self.family} {self.table}"


def native_tables() -> tuple[tuple[NativeTable, ...], tuple[str, ...]]:
    """Return the tables, and which could not be looked at, and why; without privileges there are none."""
    found: list[NativeTable] = []
    unseen = []
    for family, name in _names():
        try:
            # -t: of what named sets hold, which may be a list of half the internet, nothing is needed.
            found += map(_with_devices, taken_apart(_output("-t", "list", "table", family, name)))
        except HostRefused as error:
            unseen.append(f"the table {family} {name} of nftables: {error}")
    return tuple(found), tuple(unseen)


def _names() -> list[tuple[str, str]]:
    """Return family and name of each table that iptables does not show: the kernel is asked, with or without nft(8)."""
    try:
        with NetlinkSocket(NETFILTER) as kernel:
            answers = kernel.dump(_GET_TABLE, _GENERAL)
            found = [(_FAMILIES.get(body[0], ""), string(attributes(body, offset=4)[_TABLE_NAME])) for body in answers]
    except (HostRefused, OSError):  # no nf_tables in this kernel, or no rights
        return []
    return sorted((family, name) for family, name in found if family and not _is_not_others(family, name))


def _with_devices(table: NativeTable) -> NativeTable:
    """Return the table with the links that its chains are at, which nft(8) before 1.0.7 leaves out of its JSON."""
    if not any(each.get("hook") in _DEVICE_HOOKS and "dev" not in each for each in table.chains):
        return table
    at = _devices(table)
    return table._replace(chains=tuple({"dev": at.get(str(each.get("name")), []), **each} for each in table.chains))


def _devices(table: NativeTable) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    with NetlinkSocket(NETFILTER) as kernel:
        for body in kernel.dump(_GET_CHAIN, _GENERAL):
            chain = attributes(body, offset=4)
            if (_FAMILIES.get(body[0]), string(chain[_CHAIN_TABLE])) == (table.family, table.table):
                found[string(chain[_CHAIN_NAME])] = list(_of_hook(attributes(chain.get(_CHAIN_HOOK, b""))))
    return found


def _of_hook(hook: dict[int, bytes]) -> Iterator[str]:
    if _HOOK_DEVICES in hook:
        names = hook[_HOOK_DEVICES]
        while len(names) > _HEADER:  # one attribute a link, all of one type
            length = int.from_bytes(names[:2], sys.byteorder)
            yield string(names[_HEADER:length])
            names = names[max(length + 3 & ~3, _HEADER) :]
    elif _HOOK_DEVICE in hook:
        yield string(hook[_HOOK_DEVICE])


def _is_not_others(family: str, name: str) -> bool:
    return _is_xt(family, name) or (family, name) == ("inet", TABLE)


def _is_xt(family: str, name: str) -> bool:
    return name in _XT_NAMES and family in _XT_FAMILIES


def _output(*words: str) -> str:
    done = run_tool(["nft", "-j", *words], timeout=_TIMEOUT)
    if done.returncode:
        message = f"nft -j {' '.join(words)} failed: {done.stderr.strip().partition(chr(10))[0]}"
        raise HostRefused(message)
    if len(done.stdout) > _LARGEST:
        message = f"it is larger than {_LARGEST >> 20} MiB"
        raise HostRefused(message)
    return done.stdout


def taken_apart(output: str) -> tuple[NativeTable, ...]:
    """Return the tables that `nft -j list` tells of, but for those of iptables; raises HostRefused."""
    chains: dict[tuple[str, str], list[dict[str, Any]]] = {}
    rules: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for each in parsed(output):
        for kind, found in (("chain", chains), ("rule", rules)):
            one = each.get(kind)
            if isinstance(one, dict):
                found.setdefault((str(one.get("family")), str(one.get("table"))), []).append(one)
    return tuple(
        NativeTable(family, name, tuple(chains.get((family, name), ())), tuple(rules.get((family, name), ())))
        for family, name in sorted(chains.keys() | rules.keys())
        if not _is_not_others(family, name)
    )


def parsed(output: str) -> Iterator[dict[str, Any]]:
    """Yield the objects in what `nft -j` prints; raises HostRefused for what is no such thing."""
    try:
        shown = json.loads(output or "{}")
        yield from (each for each in shown.get("nftables", ()) if isinstance(each, dict))
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        message = "what nft -j printed is not understood"
        raise HostRefused(message) from error
