"""The scripts an operator would write for the same tenants, of ip, ip -n and iptables-restore; and plain dumps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from integration.bench.crowd import NORTH, Member

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_SYSCTLS = "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1\n"

HOST_DUMPS = """
ip -j link > /dev/null
ip -j addr > /dev/null
ip -j rule > /dev/null
ip -j -6 rule > /dev/null
ip -j route show table all > /dev/null
ip -j -6 route show table all > /dev/null
iptables-save > /dev/null
ip6tables-save > /dev/null
ipset save > /dev/null
"""

ALL_DUMPS = (
    HOST_DUMPS
    + """
printf 'link\\naddr\\nroute\\n' > /run/dumps
for netns in /run/netns/*-web; do
    ip -j -n "${netns##*/}" -batch /run/dumps > /dev/null
    ip -j -n "${netns##*/}" -6 route > /dev/null
done
"""
)
"""With what is inside the network namespaces, which laneway reads as well."""


BRIDGES_AWAY = r"ip -o link show type bridge | sed 's/^[0-9]*: \([^:]*\):.*/link del \1/' | ip -batch -"

TEAR_DOWN = r"""
ls /run/netns | sed -n 's/^\(.*-web\)$/netns del \1/p' > /run/tear-down
ip -o link show type bridge | sed 's/^[0-9]*: \([^:]*\):.*/link del \1/' >> /run/tear-down
ip -batch /run/tear-down
"""
"""What takes the namespaces and the links of the scripts away again; the rules and chains are not even counted."""


def write_scripts(directory: Path, count: int, *, variant: str) -> Path:
    """Write what builds `count` tenants with one workload and one published port each; return the script."""
    members = [Member(number) for number in range(count)]
    (directory / "inside").mkdir()
    script = ["set -e", _SYSCTLS]
    for name, lines in _BATCHES.items():
        (directory / name).write_text("".join(f"{line}\n" for each in members for line in lines(each)))
        script.append(f"ip {'-6 ' * name.endswith('6')}-batch {directory / name}")
    for each in members:
        (directory / "inside" / each.netns).write_text("".join(f"{line}\n" for line in _inside(each)))
        script.append(f"ip -n {each.netns} -batch {directory / 'inside' / each.netns}")
    for family, tool in ((4, "iptables"), (6, "ip6tables")):
        (directory / tool).write_text("".join(f"{line}\n" for line in _chains(members, family)))
        script.append(f"{tool}-{variant}-restore --noflush < {directory / tool}")
    path = directory / "build.sh"
    path.write_text("\n".join([*script, ""]))
    return path


def _links(each: Member) -> Sequence[str]:
    return (
        f"link add {each.bridge} type bridge",
        f"link add lwv-{each.name} type veth peer name eth0 netns {each.netns}",
        f"link set lwv-{each.name} master {each.bridge}",
        f"link set lwv-{each.name} up",
        f"link set {each.bridge} up",
    )


def _addresses(each: Member) -> Sequence[str]:
    return f"addr add {each.net4}.1/24 dev {each.bridge}", f"addr add {each.net6}::1/64 dev {each.bridge} nodad"


def _routing(each: Member, subnet: str, gateway: str) -> Sequence[str]:
    table = 20000 + each.number
    return (
        f"route add unreachable default metric 4294967294 table {table}",
        f"route add {subnet} dev {each.bridge} table {table}",
        f"route add default via {gateway} dev eth0 table {table}",
        f"rule add pref {10000 + each.number} fwmark {each.number + 1 << 16:#x}/0xffff0000 lookup {table}",
    )


_BATCHES: dict[str, Callable[[Member], Sequence[str]]] = {
    "netns": lambda each: [f"netns add {each.netns}"],
    "links": _links,
    "addresses": _addresses,
    "routing": lambda each: _routing(each, f"{each.net4}.0/24", NORTH[0]),
    "routing6": lambda each: _routing(each, f"{each.net6}::/64", NORTH[1]),
}


def _inside(each: Member) -> Sequence[str]:
    return (
        "link set lo up",
        "link set eth0 up",
        f"addr add {each.net4}.10/24 dev eth0",
        f"addr add {each.net6}::10/64 dev eth0 nodad",
        f"route add default via {each.net4}.1",
        f"route add default via {each.net6}::1",
    )


def _chains(members: Sequence[Member], family: int) -> list[str]:
    v4 = family == 4
    mark, dnat = [], []
    for each in members:
        net = f"{each.net4}.0/24" if v4 else f"{each.net6}::/64"
        inside = each.addresses[0] if v4 else f"[{each.addresses[1]}]"
        lane = f"{each.number + 1 << 16:#x}/0xffff0000"
        mark.append(f"-A PREROUTING -s {net} -i {each.bridge} -j MARK --set-xmark {lane}")
        dnat.append(f"-A PREROUTING -i eth0 -p tcp --dport {each.port} -j DNAT --to-destination {inside}:80")
    walls = [
        "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A FORWARD -i lwb-+ -o lwb-+ -j REJECT",
        "-A FORWARD -o lwb-+ -m conntrack ! --ctstate DNAT -j REJECT",
        "-A INPUT -i lwb-+ -j REJECT",
    ]
    nat = ["*nat", *dnat, "-A POSTROUTING -o eth0 -j MASQUERADE", "COMMIT"]
    return ["*mangle", *mark, "COMMIT", *nat, "*filter", *walls, "COMMIT"]
