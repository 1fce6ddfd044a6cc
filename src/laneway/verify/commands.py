"""What is typed on a host that has no laneway, in one go, and how its output is taken apart.

Nothing of it changes the host: the tools of the legacy iptables are asked only where that has tables already, since
being asked is what makes them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from laneway.compile.plumbing import SYSCTLS
from laneway.errors import HostRefused
from laneway.kernel.sysctls import HOST_KEYS, UPLINK_KEYS
from laneway.state.visible import complaint, visible

if TYPE_CHECKING:
    from collections.abc import Mapping

BRIDGED = {4: "net/bridge/bridge-nf-call-iptables", 6: "net/bridge/bridge-nf-call-ip6tables"}
"""Whether iptables sees bridged frames, by family."""

_LINK_KEYS = tuple(key for sysctls in SYSCTLS.values() for key, _ in sysctls)
_KEYS = (*HOST_KEYS, *UPLINK_KEYS, *_LINK_KEYS, *BRIDGED.values())
_PATTERNS = tuple(f"/proc/sys/{each.replace('{}', '*')}" for each in dict.fromkeys(_KEYS))

_SCRIPT = r"""
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin:/usr/local/sbin"
export mark
show=$(cat <<'END'
show() {
    title=$1; shift
    printf '\n%s %s\n' "$mark" "$title"
    "$@" 2>/dev/null || { code=$?; printf '\n%s !%s %s\n' "$mark" "$code" "$title"; "$@" 2>&1 >/dev/null; }
}
END
)
eval "$show"
# One shell a namespace: each `ip -n` makes a mount namespace, with a copy of all mounts, and each name is one of them.
inner="$show"'
show "netns $0 link" ip -N -d -j link
show "netns $0 addr" ip -N -j addr
show "netns $0 route4" ip -N -j -4 route show table all proto 147
show "netns $0 route6" ip -N -j -6 route show table all proto 147
:'
if command -v nsenter >/dev/null; then
    inside() { nsenter --net="/run/netns/$1" sh -c "$inner" "$1" 2>/dev/null; }
else
    inside() { ip netns exec "$1" sh -c "$inner" "$1" 2>/dev/null; }
fi
values() {
    if command -v grep >/dev/null; then
        grep -sH . $keys || :
        return
    fi
    # A process each. The shell's own read takes a byte at a time, and the kernel gives no second one of a sysctl.
    for key in $keys; do
        value=$(cat "$key" 2>/dev/null) && printf '%s:%s\n' "$key" "$value"
    done
    :
}
work() {
    show link ip -N -d -j link
    show addr ip -N -j addr
    show rule4 ip -N -j -4 rule
    show rule6 ip -N -j -6 rule
    show route4 ip -N -j -4 route show table all proto 147
    show route6 ip -N -j -6 route show table all proto 147
    show main4 ip -N -j -4 route show table main
    show main6 ip -N -j -6 route show table main
    for file in /run/netns/*; do
        [ -f "$file" ] || continue
        name=${file##*/}
        inside "$name" || show "file $file" cat "$file"
    done
    show default4 ip -N -j -4 route show table all exact 0.0.0.0/0
    show default6 ip -N -j -6 route show table all exact ::/0
    command -v nft >/dev/null && show nft nft -j -t list ruleset && show layer nft -j list table inet laneway
    show set ipset save
    show variant iptables -V
    case $(iptables -V 2>/dev/null) in *nf_tables*) plain=nft ;; *) plain=legacy ;; esac
    for family in 4 6; do
        [ $family = 4 ] && tool=iptables || tool=ip6tables
        for variant in nft legacy; do
            program=$tool-$variant-save
            command -v "$program" >/dev/null || { [ $variant = $plain ] && program=$tool-save; } || continue
            [ $variant = nft ] || read -r _ 2>/dev/null <"/proc/net/${tool%tables}_tables_names" || continue
            show "save $variant $family" "$program"
        done
    done
    names=/etc/iproute2
    for file in $names/rt_tables.d/laneway.conf $names/rt_protos.d/laneway.conf /etc/netns/*/resolv.conf; do
        [ -f "$file" ] && show "file $file" cat "$file"
    done
    history=/var/lib/laneway/generations last=0
    for directory in $history/*; do
        number=${directory##*/}
        case $number in *[!0-9]*) continue ;; esac
        [ -f "$directory/policy.toml" ] && [ ! -e "$directory/reverted" ] || continue
        [ "$number" -le $last ] || last=$number
    done
    [ $last = 0 ] || show "in-force" cat "$history/$last/policy.toml"
    show sysctl values
    printf '\n%s end\n' "$mark"
}
if command -v head >/dev/null; then work | head -c "$most"; else work; fi
"""

_HINTS = {
    "ip": "apt-get install iproute2: 4.20 or newer, which knows -N and -j",
    "set": "apt-get install ipset, and read as root: ssh://root@… or --sudo",
    "variant": "apt-get install iptables",
}


class Said(NamedTuple):
    """What one command said, and how it ended."""

    text: str
    code: int = 0
    complaint: str = ""


_COMMANDS = {
    "link": "ip -N -d -j link",
    "addr": "ip -N -j addr",
    "set": "ipset save",
    "variant": "iptables -V",
    "sysctl": "cat /proc/sys/net/…",
    "layer": "nft -j list table inet laneway",
}


def command_of(name: str) -> str:  # noqa: PLR0911  one case a kind
    """Return the command that a part of the output is of, as a person would type it."""
    kind, *rest = name.split(" ")
    family = kind[-1:] if kind[-1:] in {"4", "6"} else ""
    match kind.removesuffix(family), rest:
        case "netns", [*netns, what]:
            return command_of(what).replace("ip ", f"ip -n {visible(' '.join(netns))} ", 1)
        case "rule", []:
            return f"ip -N -j -{family} rule"
        case "route", []:
            return f"ip -N -j -{family} route show table all proto 147"
        case "main", []:
            return f"ip -N -j -{family} route show table main"
        case "save", [variant, number]:
            return f"{'iptables' if number == '4' else 'ip6tables'}-{variant}-save"
        case "file", [*path]:
            return f"cat {visible(' '.join(path))}"
        case _:
            return _COMMANDS.get(name, visible(name))


def script(mark: str, most: int = 1 << 26) -> str:
    """Return the script; `mark` begins the lines between the commands' outputs, and must not be in them.

    The host cuts what it says off after the `most` bytes itself, if it can.
    """
    return f"mark={mark} most={most} keys='{' '.join(_PATTERNS)}'{_SCRIPT}"


def sections(output: str, mark: str) -> dict[str, Said]:
    """Return what each command said, by its name; raises HostRefused when the script did not run to its end."""
    found: dict[str, Said] = {}
    pieces = re.split(rf"(?m)^{re.escape(mark)} (.*)\n", f"{output}\n")
    for title, body in zip(pieces[1::2], pieces[2::2], strict=True):
        text = body.removesuffix("\n")
        failure = re.fullmatch(r"!(\d+) (.*)", title)
        if failure:
            before = found.get(failure[2], Said("")).text
            found[failure[2]] = Said(before, int(failure[1]), complaint(text))
        else:
            found[title] = Said(text)
    if "end" not in found:
        said = complaint(output[-200:]) or "nothing"
        at = f"within its answer to `{command_of([*found][-1])}`; all that follows is missing" if found else "at once"
        hint = f"its last words: {said}: does the login work there, and for long enough?"
        raise HostRefused(f"the host could not be read: it stopped {at}", hint)
    return found


def text_of(said: Mapping[str, Said], name: str) -> str:
    """Return what a command said; raises HostRefused when it failed."""
    result = said.get(name)
    if result is None:
        message = f"the host could not be read: an answer to `{command_of(name)}` is missing"
        raise HostRefused(message, "does the same login run a whole script, and show all of it?")
    if result.code:
        tool = name.split(maxsplit=1)[0]
        hint = _HINTS.get(tool, _HINTS["ip"] if tool[:4] in {"link", "addr", "rule", "rout", "main", "netn"} else "")
        what = result.complaint or f"`{command_of(name)}` ended with exit status {result.code}"
        raise HostRefused(
            f"the host could not be read ({name}): {what}", hint or "read as root: ssh://root@… or --sudo"
        )
    return result.text
