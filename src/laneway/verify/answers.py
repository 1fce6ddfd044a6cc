"""The answers of a host's commands, looked at before anything is made of them: an answer may be cut, garbled or forged.

What is wrong with one is told as that, with the command: it is no bug, and no drift either.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeVar

from laneway.errors import HostRefused, LanewayError
from laneway.state.visible import complaint
from laneway.verify.commands import command_of, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from laneway.verify.commands import Said

T = TypeVar("T")

_GARBLED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, OSError)
"""What taking an answer apart raises when it is not what it should be."""

_SHOWN = 60  # characters of an answer that is not understood

_VALUES: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("ifname", "ifalias", "master", "address", "info_kind", "info_slave_kind", "family"), str),
    **dict.fromkeys(("local", "dst", "src", "gateway", "host", "dev", "fwmark", "fwmask"), str),
    **dict.fromkeys(("ifindex", "link_index", "prefixlen", "metric", "priority", "srclen", "dstlen"), int),
    **dict.fromkeys(("linkinfo", "info_slave_data", "via"), dict),
    **dict.fromkeys(("flags", "addr_info", "nexthops", "metrics"), list),
    **dict.fromkeys(("group", "table", "type", "protocol", "goto"), (str, int)),
}
"""Types of the values that are used, by the keys that iproute2 gives them everywhere."""

_KIND_OF_ITS_OWN = frozenset({"info_data", "info_slave_data", "stats64", "stats"})
"""Objects in which these keys have other meanings."""

_SAVED = re.compile(r"#.*|\*[a-z]+|:\S+ (?:ACCEPT|DROP|QUEUE|RETURN|-)(?: \[\d+:\d+\])?|-A \S+(?: .*)?|COMMIT|")
_SETS = re.compile(r"(?:create|add) \S+ \S.*")
_SYSCTL = re.compile(
    r"/proc/sys/(net/\S[^:]*(?=:[-\d][-\d\t ]*\Z)|kernel/random/boot_id(?=:[\da-f]{8}(?:-[\da-f]{4,12}){4}\Z)):(.*)"
)
_VARIANT = re.compile(r"ip6?tables v\d[\w.-]*(?: \((?:nf_tables|legacy)\))?")


def taken(said: Mapping[str, Said], name: str, take: Callable[[str], T]) -> T:
    """Return what `take` makes of a command's answer; raises HostRefused where that is no answer of this command's."""
    text = text_of(said, name)
    try:
        return take(text)
    except LanewayError:
        raise
    except _GARBLED as error:
        what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) and error.args else str(error)
        begins = complaint(text[:_SHOWN]) or "nothing"
        message = f"the host could not be read: its answer to `{command_of(name)}` is not understood: {complaint(what)}"
        raise HostRefused(message, f"run that there; it was answered {begins!r} …") from error


def objects(text: str, key: str = "ifname") -> list[dict[str, Any]]:
    """Return the objects of an answer, each of which has the key.

    iproute2 prints nothing at all for none, and empty ones for what it skips. It leaves control characters in names as
    they are, which JSON forbids (json_writer.c, jsonw_puts).
    """
    found = json.loads(text, strict=False) if text.strip() else []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ValueError("no array of objects")
    for each in found:
        _check(each)
        if each and key not in each:
            raise KeyError(key)
    return [each for each in found if each]


def links(text: str) -> list[dict[str, Any]]:
    """Return the links of a network namespace, which always has a loopback."""
    found = objects(text)
    if not any(each["ifname"] == "lo" for each in found):
        raise ValueError("there is no link lo")
    return found


def rules(text: str) -> list[dict[str, Any]]:
    """Return FIB rules."""
    return objects(text, "priority")


def rules4(text: str) -> list[dict[str, Any]]:
    """Return the FIB rules of IPv4: a host without any could not answer."""
    found = rules(text)
    if not found:
        raise ValueError("there is no ip rule at all")
    return found


def routes(text: str) -> list[dict[str, Any]]:
    """Return routes."""
    return objects(text, "dst")


def _check(value: dict[str, Any]) -> None:
    for key, each in value.items():
        wanted = _VALUES.get(key)
        if wanted is not None and (not isinstance(each, wanted) or isinstance(each, bool)):
            raise ValueError(f"{key} is {type(each).__name__}")
        if key in _KIND_OF_ITS_OWN:
            continue
        for inner in each if isinstance(each, list) else [each]:
            if isinstance(inner, dict):
                _check(inner)


def saved(text: str) -> str:
    """Return what iptables-save said, if that is whole: each table ends, and has the chains that its rules are in."""
    chains: set[str] | None = None
    for line in _whole_lines(text):
        if not _SAVED.fullmatch(line):
            raise ValueError(f"no line of iptables-save: {line[:_SHOWN]}")
        if line.startswith("*") and chains is None:
            chains = set()
        elif line == "COMMIT" and chains is not None:
            chains = None
        elif line.startswith(":") and chains is not None:
            chains.add(line[1:].split(" ")[0])
        elif line.startswith("-A ") and chains is not None and line.split(" ")[1] in chains:
            continue
        elif line and not line.startswith("#"):
            raise ValueError(f"out of place: {line[:_SHOWN]}")
    if chains is not None:
        raise ValueError("it ends within a table")
    return text


def sets(text: str) -> str:
    """Return what ipset save said, if every line of it is one."""
    for line in _whole_lines(text):
        if line and not _SETS.fullmatch(line):
            raise ValueError(f"no line of ipset save: {line[:_SHOWN]}")
    return text


def sysctls(text: str) -> dict[str, str]:
    """Return sysctls by their paths below /proc/sys; each that laneway knows is a number or some, or the boot's id."""
    found = {}
    for line in _whole_lines(text):
        match = _SYSCTL.fullmatch(line)
        if match is None:
            raise ValueError(f"no sysctl: {line[:_SHOWN]}")
        found[match[1]] = match[2]
    if "net/ipv4/ip_forward" not in found:
        raise ValueError("net/ipv4/ip_forward is missing, which every kernel has")
    return found


def variant(text: str) -> str:
    """Return what `iptables -V` said, if that is a version."""
    if not _VARIANT.fullmatch(text.strip()):
        raise ValueError("no version of iptables")
    return text


def _whole_lines(text: str) -> list[str]:
    """Return the lines; not as str.splitlines does, to which there are more ends of lines than one."""
    if text and not text.endswith("\n"):
        raise ValueError("its last line is cut off")
    return text.split("\n")[:-1]
