"""What is ours is known without a state file, after a kill at the worst moment too; what is not stays as it is."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from integration.kernel.samples import BRIDGE, NETNS, TABLE, creation, deletion, linux, one_of_everything
from integration.snapshot import settle
from laneway.kernel import syscalls
from laneway.plan.steps import Op, Step
from laneway.state.facts import ForeignFibRule, ForeignRoute, MarkUse, TableName, UplinkRoute
from laneway.state.host import HostState
from laneway.state.links import GROUP, HALF_MADE, HOST, LinkKey, Netns
from laneway.state.marks import FwMark
from laneway.state.prefix import IPV4, IPV6, prefix

if TYPE_CHECKING:
    from integration.throwaway import Throwaway
    from laneway.state.facts import Foreign, HostFacts

# Everything of somebody else's, as like ours as it can be.
_STRANGERS = f"""
ip link add lwb-fake type bridge; ip link set lwb-fake up alias 'laneway tenant=acme'
ip addr add 10.20.0.1/24 dev lwb-fake
ip link add up0 type bridge; ip link set up0 up
ip addr add 192.0.2.2/24 dev up0; ip addr add 2001:db8::2/64 dev up0 nodad
ip route add default via 192.0.2.1 dev up0 metric 50; ip route add default via 192.0.2.9 dev up0 metric 99
ip route add 198.51.100.0/24 via 192.0.2.7 dev up0
ip -6 route add default via 2001:db8::1 dev up0
ip netns add stranger; touch /run/netns/half
ip rule add pref 10050 fwmark 0x110000/0xffff0000 lookup {TABLE}
ip -6 rule add pref 600 not from fd00::/8 to fd01::/16 iif up0 ipproto tcp dport 80-90 blackhole protocol 99
ip route add 10.20.0.0/24 dev up0 table {TABLE}; ip route add blackhole 10.0.0.0/8 table 77 proto 99 metric 5
ip route add 172.31.0.0/16 dev up0 proto 147
ipset create foreign-set hash:net skbinfo; ipset add foreign-set 10.20.0.0/24
mkdir -p /etc/netns/stranger; echo 'nameserver 10.0.0.53' > /etc/netns/stranger/resolv.conf
mkdir -p /etc/iproute2/rt_tables.d; printf '0x64\\tvpn # mine\\nnonsense\\n' > /etc/iproute2/rt_tables.d/vpn.conf
"""

_LOOK = """
for ns in '' stranger; do on="ip ${ns:+-n $ns}"
$on -o link; $on -o addr | sed 's/ *valid_lft.*//'
$on rule; $on -6 rule; $on route show table all; $on -6 route show table all
done
ipset save; ls -l /run/netns /etc/netns /etc/iproute2/rt_tables.d
"""


@pytest.fixture
def crowded(throwaway: Throwaway) -> Throwaway:
    """A host on which others have been."""
    throwaway.sh(_STRANGERS)
    settle(throwaway)
    return throwaway


def test_nothing_of_others_is_read_as_ours(crowded: Throwaway) -> None:
    assert crowded.call(lambda: linux().read()) == HostState()


def test_nothing_of_others_is_changed_by_making_and_deleting_ours(crowded: Throwaway) -> None:
    def come_and_go() -> None:
        wished = one_of_everything()
        linux().run(creation(wished))
        linux().run(deletion(linux().read()))

    # No change begins while somebody else has a route in a table that is to be laneway's (plan.conflicts).
    crowded.sh(f"ip route del 10.20.0.0/24 dev up0 table {TABLE}")
    before = crowded.sh(_LOOK)

    crowded.call(come_and_go)

    assert crowded.sh(_LOOK) == before


def _foreign() -> Foreign:
    return linux().foreign((20000, 85535), (10000, 19999))


def test_what_others_have_is_reported(crowded: Throwaway) -> None:
    foreign = crowded.call(_foreign)

    assert foreign.links == {LinkKey(HOST, name) for name in ("lo", "lwb-fake", "up0")}
    assert foreign.netns == {"stranger", "half"}
    assert {("lwb-fake", prefix("10.20.0.1/24")), ("up0", prefix("192.0.2.2/24"))} <= foreign.addresses
    assert foreign.fib_rules[1] == ForeignFibRule(
        IPV4, 10050, f"10050: from all fwmark 0x110000/0xffff0000 lookup {TABLE}"
    )
    assert (
        ForeignFibRule(IPV6, 600, "600: not from fd00::/8 to fd01::/16 iif up0 ipproto 6 dport 80-90 blackhole")
        in foreign.fib_rules
    )
    assert [each.text for each in foreign.fib_rules if each.family == IPV4][::2] == [
        "0: from all lookup local",
        "32766: from all lookup main",
    ]
    assert foreign.routes == (
        ForeignRoute(77, "blackhole 10.0.0.0/8 table 77 proto 99 metric 5"),
        ForeignRoute(TABLE, f"10.20.0.0/24 dev up0 table {TABLE} proto 3"),
    )
    assert foreign.marks == (
        MarkUse(FwMark(0x110000, 0xFFFF0000), f"ip rule 10050: from all fwmark 0x110000/0xffff0000 lookup {TABLE}"),
    )
    assert TableName(100, "vpn", "/etc/iproute2/rt_tables.d/vpn.conf") in foreign.table_names
    # Where ip(8) keeps its own: in /etc/iproute2, or since 6.5 below /usr.
    assert (254, "main") in {each[:2] for each in foreign.table_names}


def test_ours_is_not_reported_as_foreign(throwaway: Throwaway) -> None:
    before = throwaway.call(_foreign)

    throwaway.call(lambda: linux().run(creation(one_of_everything())))

    assert throwaway.call(_foreign) == before


def _facts() -> HostFacts:
    return linux().facts(["up0", "missing0"])


_WAYS = """
ip route add 10.96.0.0/16 via 192.0.2.7 dev up0 metric 50; ip route add 10.96.0.0/16 via 192.0.2.8 dev up0 metric 60
ip route add 10.97.0.0/16 via 192.0.2.7 dev up0; ip route add 10.97.0.0/16 tos 0x10 via 192.0.2.8 dev up0
ip route add 10.98.0.0/16 via inet6 2001:db8::1 dev up0
sysctl -qw net.ipv4.nexthop_compat_mode=0
ip nexthop add id 7 via 192.0.2.8 dev up0; ip route add 10.99.0.0/16 nhid 7
"""


def test_of_ways_to_one_prefix_the_first_is_taken_and_others_kinds_are_left_to_main(crowded: Throwaway) -> None:
    crowded.sh(_WAYS)

    found = [each for each in crowded.call(_facts).uplink_routes if each.to.address[0] == 10]

    assert found == [
        UplinkRoute("up0", prefix("10.96.0.0/16"), prefix("192.0.2.7").address),
        *(UplinkRoute("up0", prefix(f"10.{n}.0.0/16"), b"", by_main=True) for n in (97, 98, 99)),
    ]


def test_facts_tell_gateways_and_routes_of_uplinks(crowded: Throwaway) -> None:
    crowded.sh("sysctl -qw net.ipv4.conf.up0.rp_filter=1; ip link add down0 type bridge")

    facts = crowded.call(_facts)

    assert facts.interfaces == {"lo", "lwb-fake", "up0"}
    assert facts.gateways == {
        ("up0", IPV4): prefix("192.0.2.1").address,
        ("up0", IPV6): prefix("2001:db8::1").address,
    }
    assert set(facts.uplink_routes) == {
        UplinkRoute("up0", prefix("2001:db8::/64"), b""),
        UplinkRoute("up0", prefix("172.31.0.0/16"), b""),
        UplinkRoute("up0", prefix("192.0.2.0/24"), b""),
        UplinkRoute("up0", prefix("198.51.100.0/24"), prefix("192.0.2.7").address),
    }
    assert facts.sysctls == {
        "net/ipv4/ip_forward": "0",
        "net/ipv4/conf/all/rp_filter": "0",
        "net/ipv4/conf/up0/rp_filter": "1",
        **{f"net/ipv4/conf/{link}/arp_{what}": "0" for link in ("all", "up0") for what in ("announce", "ignore")},
        "net/ipv6/conf/all/forwarding": "0",
        "net/ipv6/conf/up0/accept_ra": "1",
        "net/ipv6/conf/up0/use_oif_addrs_only": "0",
        "net/ipv4/conf/all/accept_redirects": "1",
        "net/ipv4/conf/default/forwarding": "0",
        "net/ipv6/conf/default/forwarding": "0",
        "net/ipv4/conf/up0/forwarding": "0",
        "net/ipv6/conf/up0/forwarding": "0",
        # Turned on for all, forwarding is turned on for each link of others, whatever its name.
        **{f"net/ipv{n}/conf/{link}/forwarding": "0" for n in (4, 6) for link in ("lo", "down0", "lwb-fake")},
        "kernel/random/boot_id": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
    }


def _killed_before_the_mount() -> None:
    def kill(path: Path) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    syscalls.pin_netns = kill
    linux().run([Step(Op.CREATE, "netns", NETNS, new=Netns("laneway"))])


def _half_made(throwaway: Throwaway) -> None:
    with pytest.raises(AssertionError, match="was killed"):
        throwaway.call(_killed_before_the_mount)


def test_a_netns_whose_maker_was_killed_is_ours(throwaway: Throwaway) -> None:
    _half_made(throwaway)

    assert throwaway.call(lambda: linux().read()) == HostState(netns={NETNS: HALF_MADE})
    assert throwaway.call(_foreign).netns == frozenset()


def test_a_half_made_netns_can_be_deleted(throwaway: Throwaway) -> None:
    _half_made(throwaway)

    throwaway.call(lambda: linux().run(deletion(linux().read())))

    assert throwaway.sh("ls -A /run/netns") == ""


@pytest.mark.parametrize("op", [Op.CREATE, Op.REPLACE])
def test_a_half_made_netns_can_be_finished(throwaway: Throwaway, op: Op) -> None:
    _half_made(throwaway)
    wished = Netns("laneway tenant=acme workload=web")

    throwaway.call(lambda: linux().run([Step(op, "netns", NETNS, HALF_MADE, wished)]))

    assert throwaway.call(lambda: linux().read()).netns == {NETNS: wished}
    assert throwaway.sh("ip netns") == f"{NETNS}\n"


def test_links_on_their_way_out_are_still_ours(throwaway: Throwaway) -> None:
    throwaway.sh(f"ip link add {BRIDGE} group {GROUP + 1} type bridge")

    observed = throwaway.call(lambda: linux().read())

    assert observed.links[LinkKey(HOST, BRIDGE)].group == GROUP + 1
    throwaway.call(lambda: linux().run(deletion(linux().read())))
    assert throwaway.call(lambda: linux().read()) == HostState()


def test_links_are_deleted_though_somebody_uses_the_group_they_die_in(throwaway: Throwaway) -> None:
    throwaway.call(lambda: linux().run(creation(one_of_everything())))
    throwaway.sh(f"ip link add theirs group {GROUP + 1} type bridge")
    ours = one_of_everything()

    throwaway.call(lambda: linux().run(deletion(ours)))

    assert throwaway.sh("ip -br link show type bridge").split()[0] == "theirs"


def test_a_netns_is_deleted_with_its_veth_though_a_process_lives_inside(throwaway: Throwaway) -> None:
    throwaway.call(lambda: linux().run(creation(one_of_everything())))
    throwaway.sh(f"ip netns exec {NETNS} sleep 60 >/dev/null 2>&1 &")
    throwaway.sh("sleep 0.3")

    throwaway.call(lambda: linux().run([Step(Op.DELETE, "netns", NETNS, old=Netns())]))

    assert throwaway.sh("ip -br link show type veth") == ""
    assert throwaway.sh("ls -A /run/netns") == ""


def test_a_strangers_netns_of_our_name_is_not_deleted(throwaway: Throwaway) -> None:
    throwaway.sh(f"ip netns add {NETNS}")

    with pytest.raises(AssertionError, match="is not laneway's"):
        throwaway.call(lambda: linux().run([Step(Op.DELETE, "netns", NETNS, old=Netns())]))

    assert throwaway.sh("ip netns") == f"{NETNS}\n"


def test_a_link_of_an_unknown_kind_in_our_group_is_reported_and_can_be_deleted(throwaway: Throwaway) -> None:
    throwaway.sh("ip tuntap add tun0 mode tun && ip link set tun0 group 27767")

    observed = throwaway.call(lambda: linux().read())

    assert {key: str(link.kind) for key, link in observed.links.items()} == {LinkKey(HOST, "tun0"): "tun"}
    throwaway.call(lambda: linux().run(deletion(observed)))
    assert throwaway.call(lambda: linux().read()) == HostState()
