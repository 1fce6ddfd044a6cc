"""The same job by hand: the shortest rules for one tenant, and the same repeated for many, as other tools do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from integration.bench.crowd import NORTH, Member

if TYPE_CHECKING:
    from collections.abc import Iterator

_BY_HAND = """
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip netns add {netns}
ip link add {bridge} type bridge
ip link add hand0 type veth peer name eth0 netns {netns}
ip link set hand0 master {bridge}
ip link set hand0 up
ip link set {bridge} up
ip addr add {net4}.1/24 dev {bridge}
ip addr add {net6}::1/64 dev {bridge} nodad
ip -n {netns} link set eth0 up
ip -n {netns} addr add {net4}.10/24 dev eth0
ip -n {netns} addr add {net6}::10/64 dev eth0 nodad
ip route add {net4}.0/24 dev {bridge} table {table}
ip route add default via {gateway4} dev eth0 table {table}
ip -6 route add {net6}::/64 dev {bridge} table {table}
ip -6 route add default via {gateway6} dev eth0 table {table}
"""

_FIXED = """*nat
-A POSTROUTING -s {tenants} -o eth0 -j MASQUERADE
COMMIT
*raw
-A PREROUTING -i {bridge} ! -s {net} -j DROP
COMMIT
*filter
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i lwb-+ -o lwb-+ -j REJECT
-A FORWARD -i lwb-+ -o eth0 -j ACCEPT
-A FORWARD -i lwb-+ -j REJECT
-A FORWARD -o lwb-+ -m conntrack --ctstate DNAT -j ACCEPT
-A FORWARD -o lwb-+ -j REJECT
-A INPUT -i lwb-+ -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i lwb-+ -p {icmp} -j ACCEPT
-A INPUT -i lwb-+ -j REJECT
COMMIT
"""


def by_hand(count: int, *, variant: str) -> tuple[str, dict[str, str]]:
    """Return the script of the linear layout for `count` tenants, and the files it wants fed: tool and input.

    Only the last tenant is there: the others are but their rules, which is what its packets walk past.
    """
    last = Member(count - 1)
    script = _BY_HAND.format(
        netns=last.netns,
        bridge=last.bridge,
        net4=last.net4,
        net6=last.net6,
        table=_table(last),
        gateway4=NORTH[0],
        gateway6=NORTH[1],
    )
    members = [Member(number) for number in range(count)]
    fed = {f"ip -{family} -batch -": "".join(map(_rule, members)) for family in (4, 6)}
    fed[f"iptables-{variant}-restore --noflush"] = "\n".join(_chains(members, 4))
    fed[f"ip6tables-{variant}-restore --noflush"] = "\n".join(_chains(members, 6))
    return script, fed


def _table(member: Member) -> int:
    return 20000 + member.number


def _mark(member: Member) -> str:
    return f"{member.number + 1 << 16:#x}/0xffff0000"


def _rule(member: Member) -> str:
    return f"rule add pref {10000 + member.number} fwmark {_mark(member)} lookup {_table(member)}\n"


def _chains(members: list[Member], family: int) -> Iterator[str]:
    v4 = family == 4
    nets = [f"{each.net4}.0/24" if v4 else f"{each.net6}::/64" for each in members]
    yield "*mangle"
    for each, net in zip(members, nets, strict=True):
        yield f"-A PREROUTING -s {net} -i {each.bridge} -j MARK --set-xmark {_mark(each)}"
    yield "COMMIT"
    yield "*nat"
    for each in members:
        inside = each.addresses[0] if v4 else f"[{each.addresses[1]}]"
        for port in range(2):
            published = f"-A PREROUTING -i eth0 -p udp -m multiport --dports {each.port + port}"
            yield f"{published} -j DNAT --to-destination {inside}:{80 + port}"
    yield "COMMIT"
    tenants, icmp = ("10.0.0.0/8", "icmp") if v4 else ("fd00::/16", "ipv6-icmp")
    yield _FIXED.format(tenants=tenants, icmp=icmp, bridge=members[-1].bridge, net=nets[-1])
