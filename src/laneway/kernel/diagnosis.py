"""The host looked over: everything that `laneway.doctor` judges, gathered as far as this process may look."""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from laneway.errors import HostRefused
from laneway.kernel import (
    facts,
    flushers,
    foreign,
    gateways,
    link_managers,
    listeners,
    nft_table,
    other_software,
    sysctls,
    underlay,
)
from laneway.kernel.files import TABLE_NAMES
from laneway.kernel.iptables_variant import PROGRAMS, detect_variant, has_variant, other_variant
from laneway.kernel.link_messages import (
    DUMP_ADDRESSES,
    DUMP_LINKS,
    OUR_GROUPS,
    RTM_GETADDR,
    RTM_GETLINK,
    addresses,
    links,
)
from laneway.kernel.netlink import NetlinkSocket, attributes, string
from laneway.kernel.route_messages import DUMP_RULES, RTM_GETRULE, rules
from laneway.kernel.save_text import foreign_rules as rules_of_others
from laneway.kernel.save_text import saved_tables
from laneway.kernel.tools import tool_path
from laneway.kernel.unrouted import unrouted
from laneway.kernel.xt_tables import save_output
from laneway.state.diagnosis import Diagnosis, LinkSeen, StrangeRules, watched_sysctls
from laneway.state.facts import Foreign
from laneway.state.prefix import FAMILIES
from laneway.state.underlay import Underlay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from laneway.kernel.save_text import SavedTable
    from laneway.state.diagnosis import Flusher, Trial
    from laneway.state.facts import Variant

T = TypeVar("T")
Saved = dict[int, "dict[str, SavedTable]"]

_LINK = Struct("=BxHiII")  # family, device type, index, flags, which flags change
_IFF_UP = 1
_IFF_POINTOPOINT = 1 << 4
_IFF_NOARP = 1 << 7
_IFF_LOWER_UP = 1 << 16
_IFLA_IFNAME = 3
_IFLA_MTU = 4
_IFLA_GROUP = 27
_NUMBER = Struct("=I")

_TOOLS = {"ip": "iproute2"}
"""Programs beside iptables' that commands of laneway run."""

_OUT = re.compile(r"(?:^| )-o (\S+)")


class _Look:
    """Takes notes of what could not be looked at, and why."""

    def __init__(self) -> None:
        self.unseen: list[str] = []

    def at(self, what: str, look: Callable[[], T], otherwise: T) -> T:
        """Return what `look` finds, or else `otherwise`."""
        try:
            return look()
        except HostRefused as error:
            reason = str(error)
        except OSError as error:
            reason = error.strerror or str(error)
        self.unseen.append(f"{what}: {reason}")
        return otherwise


def look_over(
    uplinks: Sequence[str], wanted: Literal["auto", "legacy", "nft"] = "auto", root: Path = Path("/")
) -> Diagnosis:
    """Return what can be seen of this host; whatever cannot be, is named and does not stop the rest."""
    look = _Look()
    there: tuple[LinkSeen, ...] = look.at("links", _links, ())
    variant = look.at("iptables", lambda: _variant(wanted), None)
    saved: Saved = look.at("the rules of iptables", lambda: _saved(variant), {})
    names = look.at("whose the network namespaces are", foreign.namespaces, frozenset[str]())
    theirs = look.at("what belongs to others", lambda: _foreign(variant, names, root), Foreign())
    read_only = _unwritable(root / TABLE_NAMES.lstrip("/"))
    return Diagnosis(
        kernel=_kernel(),
        variant=variant,
        nftables=nft_table.is_there(),
        links=there,
        underlay=look.at("addresses and routes", underlay.read, Underlay()),
        gateways=look.at("gateways", partial(_gateways, uplinks), {}),
        sysctls=look.at("sysctls", lambda: sysctls.read(watched_sysctls(tuple(uplinks))), {}),
        foreign=theirs,
        listeners=listeners.read(),
        in_force=look.at("ip rules", _in_force, otherwise=False),
        trials=look.at("what the kernel can do", lambda: _trials(variant), ()),
        missing_tools=tuple(_missing_tools(wanted, variant)),
        strangers=look.at("the other iptables", lambda: _strangers(variant), ()),
        clamped=frozenset(_clamped(saved)),
        unrouted=look.at("what laneway refused", lambda: unrouted(variant), ()),
        **_settings(look, there, root),
        names_read_only=read_only[0],
        remount=read_only[1],
        unseen=tuple(dict.fromkeys((*look.unseen, *theirs.unseen))),
    )


def glance(uplinks: Sequence[str], variant: Variant, others: Foreign, root: Path = Path("/")) -> Diagnosis:
    """Return what is seen at once of a host in force: nothing is tried, and what belongs to `others` is known."""
    look = _Look()
    there: tuple[LinkSeen, ...] = look.at("links", _links, ())
    return Diagnosis(
        variant=variant,
        links=there,
        underlay=look.at("addresses and routes", underlay.read, Underlay()),
        gateways=look.at("gateways", partial(_gateways, uplinks), {}),
        sysctls=look.at("sysctls", lambda: sysctls.read(watched_sysctls(tuple(uplinks))), {}),
        foreign=others,
        in_force=True,
        **_settings(look, there, root),
        unseen=tuple(dict.fromkeys((*look.unseen, *others.unseen))),
    )


def _settings(look: _Look, seen: Sequence[LinkSeen], root: Path) -> dict[str, Any]:
    """Return how other software is set up, and which of it runs."""
    running: Mapping[str, tuple[str, ...]] = look.at("running programs", other_software.running, {})
    flushing: tuple[Flusher, ...] = look.at("what flushes rules", lambda: flushers.read(root), ())
    names = frozenset(each.name for each in seen)
    return {
        "running": frozenset(running),
        "flushers": flushing,
        "networkd_file": look.at("networkd's files", lambda: link_managers.networkd_takes(root), ""),
        "dhcpcd_takes": link_managers.dhcpcd_takes(root, running, names),
        "connman_takes": "connmand" in running and link_managers.connman_takes(root),
        "ufw": other_software.ufw_enabled(root),
        "networkd": other_software.networkd(root),
        "firewalld": other_software.firewalld(root),
        "networkmanager_leaves": other_software.left_by_networkmanager(root),
    }


def _variant(wanted: Literal["auto", "legacy", "nft"]) -> Variant:
    return detect_variant(wanted)


def _kernel() -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _links() -> tuple[LinkSeen, ...]:
    with NetlinkSocket() as kernel:
        return tuple(sorted(_seen(body) for body in kernel.dump(RTM_GETLINK, DUMP_LINKS)))


def _seen(body: bytes) -> LinkSeen:
    flags = _LINK.unpack_from(body)[3]
    found = attributes(body, _LINK.size)
    mtu, group = (_NUMBER.unpack(found[kind])[0] if kind in found else 0 for kind in (_IFLA_MTU, _IFLA_GROUP))
    name = string(found.get(_IFLA_IFNAME, b""))
    up, carrier, resolves = flags & _IFF_UP, flags & _IFF_LOWER_UP, not flags & (_IFF_POINTOPOINT | _IFF_NOARP)
    return LinkSeen(name, bool(up), bool(carrier), mtu, group in OUR_GROUPS, resolves)


def _foreign(variant: Variant | None, names: frozenset[str], root: Path) -> Foreign:
    from laneway.kernel import foreign_rules

    theirs = foreign_rules.ForeignRules() if variant is None else foreign_rules.read(variant)
    with NetlinkSocket() as kernel:
        everybodys = list(links(kernel.dump(RTM_GETLINK, DUMP_LINKS)))
        held = addresses(kernel.dump(RTM_GETADDR, DUMP_ADDRESSES))
        their_links, their_addresses = foreign.links_and_addresses(everybodys, held)
        known = foreign.other_routes(kernel, everybodys)
        fib_rules, marks = foreign.fib_rules(rules(kernel.dump(RTM_GETRULE, DUMP_RULES)))
        return Foreign(
            links=their_links,
            netns=names,
            addresses=their_addresses,
            fib_rules=fib_rules,
            routes=known.routes,
            marks=(*marks, *theirs.marks),
            table_names=foreign.table_names(root),
            ways=known.ways,
            defaults=known.defaults,
            gates=theirs.gates,
            forwarded=theirs.forwarded,
            unseen=theirs.unseen,
        )


def _gateways(uplinks: Sequence[str]) -> dict[tuple[str, int], bytes]:
    with NetlinkSocket() as kernel:
        there = links(kernel.dump(RTM_GETLINK, DUMP_LINKS))
        indexes = {link.number: link.name for link in there if link.name in uplinks and link.group not in OUR_GROUPS}
        seen = rules(kernel.dump(RTM_GETRULE, DUMP_RULES))
        return gateways.read(kernel, indexes, seen, tuple(facts.own_addresses(kernel, indexes)))


def _in_force() -> bool:
    with NetlinkSocket() as kernel:
        return any(seen.ours for seen in rules(kernel.dump(RTM_GETRULE, DUMP_RULES)))


def _trials(variant: Variant | None) -> tuple[Trial, ...]:
    from laneway.kernel.trials import failed_trials

    return failed_trials(variant)


def _missing_tools(wanted: str, variant: Variant | None) -> Iterator[tuple[str, str]]:
    names = {**_TOOLS, **dict.fromkeys(PROGRAMS.values(), "iptables")}
    if variant is None:
        usual = "nft" if wanted == "auto" else wanted
        names |= {f"{name}-{usual}-{verb}": "iptables" for name in PROGRAMS.values() for verb in ("save", "restore")}
    for name, package in names.items():
        try:
            tool_path(name)
        except HostRefused:
            yield name, package


def _saved(variant: Variant | None) -> Saved:
    return {family: saved_tables(save_output(variant, family)) for family in FAMILIES} if variant else {}


def _strangers(variant: Variant | None) -> tuple[StrangeRules, ...]:
    if variant is None or not has_variant(other_variant(variant)):
        return ()
    found = []
    for family, tables in _saved(other_variant(variant)).items():
        counts: dict[str, int] = dict.fromkeys(tables, 0)
        for table, _, _ in rules_of_others(tables):
            counts[table] += 1
        for table, count in sorted(counts.items()):
            saved = tables[table]
            closed = tuple(sorted(name for name, policy in saved.policies.items() if policy not in ("ACCEPT", "-")))
            if count or closed or saved.of_ours():
                found.append(StrangeRules(family, table, count, bool(saved.of_ours()), closed))
    return tuple(found)


def _clamped(saved: Saved) -> Iterator[tuple[int, str]]:
    """Yield family and link of each rule that fits TCP's segments to the path."""
    for family, tables in saved.items():
        for _, _, rule in rules_of_others(tables):
            if "-j TCPMSS" in rule:
                out = _OUT.search(rule)
                yield family, out[1] if out else ""


def _unwritable(file: Path) -> tuple[str, str]:
    """Return the directory in which the file cannot be made, and the mount point when that is why; or nothing."""
    directory = file.parent
    while not directory.exists():
        directory = directory.parent
    # What another user may not write says nothing of what root may, who applies.
    read_only = bool(os.statvfs(directory).f_flag & os.ST_RDONLY)
    if os.access(directory, os.W_OK) or (os.geteuid() != 0 and not read_only):
        return "", ""
    point = directory
    while not point.is_mount():
        point = point.parent
    return str(directory), str(point) if read_only else ""
