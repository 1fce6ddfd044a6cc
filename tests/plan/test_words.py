"""Every step is a command that can be typed as it is: nothing is left out, and no name is more than a name."""

from __future__ import annotations

import re
import shlex
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laneway.plan.plan import plan
from laneway.plan.steps import Op, Step
from laneway.plan.words import command, commands, describe
from laneway.state.chains import BaseJump, ChainKey, JumpKey, XtTable
from laneway.state.host import HostState
from laneway.state.leftovers import LeftoverKey
from laneway.state.links import HALF_MADE, HOST, AddressKey, Link, LinkKey, LinkKind, Netns
from laneway.state.prefix import prefix
from laneway.state.routing import Route, RouteKey, RouteKind
from laneway.state.sets import IpSet, SetEntry, SetType

VETH = Link(LinkKind.VETH, 27767, "lwb-acme", LinkKey("acme-web", "eth0"), alias="laneway tenant=acme")
JUMP = JumpKey(4, XtTable.FILTER, "FORWARD", "LANEWAY-FORWARD")
PRIOR = "net/ipv4/ip_forward"
MANGLE = "iptables -w 5 -t mangle"
REMEMBERED = "LANEWAY-PRIOR -m comment --comment lw:prior:net/ipv4/ip_forward="


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        pytest.param(
            Step(Op.DELETE, "addresses", AddressKey("acme-web", "eth0", prefix("10.20.0.10/24"))),
            "ip netns exec acme-web sysctl -qw net/ipv4/conf/eth0/promote_secondaries=1"
            " && ip -n acme-web addr del 10.20.0.10/24 dev eth0",
            id="an address of a workload, and not the others of its subnet",
        ),
        pytest.param(
            Step(Op.DELETE, "addresses", AddressKey(HOST, "lwb-acme", prefix("10.20.0.1/24"))),
            "ip addr del 10.20.0.1/24 dev lwb-acme",
            id="an address of the host's",
        ),
        pytest.param(
            Step(Op.CREATE, "priors", PRIOR, None, "0"),
            f"{MANGLE} -N LANEWAY-PRIOR 2>/dev/null || true; {MANGLE} -A {REMEMBERED}0",
            id="remember",
        ),
        pytest.param(
            Step(Op.REPLACE, "priors", PRIOR, "0", "1"),
            f"{MANGLE} -A {REMEMBERED}1 && {MANGLE} -D {REMEMBERED}0",
            id="remember another value",
        ),
        pytest.param(
            Step(Op.DELETE, "priors", PRIOR, "0"),
            f"{MANGLE} -D {REMEMBERED}0; {MANGLE} -S LANEWAY-PRIOR | grep -q '^-A' || {MANGLE} -X LANEWAY-PRIOR",
            id="forget",
        ),
        pytest.param(
            Step(Op.REPLACE, "jumps", JUMP, BaseJump(first=False), BaseJump()),
            "{ echo '*filter'; iptables-save -t filter"
            r" | sed -n 's/^-A \(FORWARD .*-[jg] LANEWAY-FORWARD\)$/-D \1/p';"
            """ echo '-I FORWARD 1 -j LANEWAY-FORWARD'; echo COMMIT; }"""
            " | iptables-restore -w 5 --noflush",
            id="a jump to its place",
        ),
        pytest.param(
            Step(Op.DELETE, "leftovers", LeftoverKey("legacy", "chains", ChainKey(4, XtTable.NAT, "LANEWAY-X")), ()),
            "iptables-legacy -w 5 -t nat -F LANEWAY-X && iptables-legacy -w 5 -t nat -X LANEWAY-X",
            id="a leftover",
        ),
        pytest.param(
            Step(Op.DELETE, "chains", ChainKey(4, XtTable.FILTER, "LANEWAY-USER"), ()),
            "iptables -w 5 -t filter -X LANEWAY-USER",
            id="the operator's chain is not flushed",
        ),
        pytest.param(
            Step(Op.REPLACE, "netns", "acme-web", HALF_MADE, Netns("a b")),
            "{ ip netns exec acme-web true 2>/dev/null || { rm -f /run/netns/acme-web; ip netns add acme-web; }; }"
            " && ip -n acme-web link set lo group 27767 alias 'a b' && ip netns exec acme-web sysctl -eqw"
            " net/ipv4/conf/all/accept_redirects=0 net/ipv4/conf/default/accept_redirects=0"
            " net/ipv6/conf/all/accept_ra=0 net/ipv6/conf/default/accept_ra=0"
            " net/ipv6/conf/all/accept_redirects=0 net/ipv6/conf/default/accept_redirects=0"
            " net/ipv4/conf/all/arp_notify=1 net/ipv4/conf/default/arp_notify=1"
            " net/ipv6/conf/all/ndisc_notify=1 net/ipv6/conf/default/ndisc_notify=1"
            " && ip -n acme-web link set lo up",
            id="a name without a namespace",
        ),
        pytest.param(
            Step(Op.REPLACE, "links", LinkKey(HOST, "lwv1"), VETH._replace(master="", hairpin=True), VETH),
            "ip link set lwv1 master lwb-acme up && ip link set lwv1 type bridge_slave hairpin off",
            id="a port back to its bridge",
        ),
        pytest.param(
            Step(Op.REPLACE, "links", LinkKey(HOST, "lwv1"), VETH._replace(peer=None), VETH),
            "ip link del lwv1 && ip link add lwv1 group 27767 master lwb-acme type veth peer name eth0 group 27767"
            " netns acme-web && ip link set lwv1 alias 'laneway tenant=acme' up",
            id="a pair made anew",
        ),
        pytest.param(
            Step(Op.DELETE, "files", "/etc/netns/acme-web/resolv.conf", ""),
            "rm -f /etc/netns/acme-web/resolv.conf; for d in /etc/netns/acme-web /etc/netns;"
            ' do [ "$(ls -A $d)" != .laneway ] || { rm $d/.laneway && rmdir $d; }; done',
            id="a file and its directory",
        ),
        pytest.param(
            Step(Op.CREATE, "files", "/etc/x", None, "END\n"),
            "printf %s 'END\n' | install -m 644 /dev/stdin /etc/x",
            id="a file that would end itself",
        ),
        pytest.param(
            Step(Op.CREATE, "files", "/etc/iproute2/rt_tables.d/laneway.conf", None, "20017 lw.acme.north"),
            "for d in /etc/iproute2 /etc/iproute2/rt_tables.d;"
            " do [ -d $d ] || { mkdir -m 755 $d && : > $d/.laneway; }; done;"
            " printf %s '20017 lw.acme.north' | install -m 644 /dev/stdin /etc/iproute2/rt_tables.d/laneway.conf",
            id="a file in a directory that may not be there",
        ),
        pytest.param(
            Step(Op.REPLACE, "sets", "lw-a", IpSet(SetType.NET, 4, marks=True), IpSet(SetType.NET, 4, marks=False)),
            "ipset create lw-aside hash:net family inet maxelem 1048576 && ipset save lw-a"
            " | sed -n '/^add/{s/^add lw-a /add lw-aside /; s/ skbmark [^ ]*//;p}' | ipset restore"
            " && ipset swap lw-aside lw-a && ipset destroy lw-aside",
            id="another header",
        ),
    ],
)
def test_a_step_is_a_command(step: Step, expected: str) -> None:
    assert command(step) == expected


def test_a_variant_is_named_when_it_is_not_sure_to_be_what_iptables_is() -> None:
    step = Step(Op.DELETE, "jumps", JUMP, BaseJump())

    assert command(step, variant="nft").startswith("iptables-nft -w 5 -t filter -D FORWARD ")
    assert describe(step) == "iptables -t filter, jump from FORWARD to LANEWAY-FORWARD: delete"


def test_the_tables_that_laneway_makes_bear_its_sign_and_go_when_nothing_is_in_them() -> None:
    key = ChainKey(6, XtTable.NAT, "LANEWAY-X")

    made = commands(plan(HostState(chains={key: ()}), HostState()), variant="nft")
    gone = commands(plan(HostState(), HostState(chains={key: ()})), variant="nft")

    assert made[0] == (
        r"ip6tables-nft-save 2>/dev/null | grep -q '^\*nat$' || ip6tables-nft -w 5 -t nat -N LANEWAY-MADE"
    )
    assert gone[-1].endswith("; then nft delete table ip6 nat; fi")


# dev_valid_name() of the kernel refuses no more than white space, '/' and ':'; root inside a workload may rename its
# links, and whoever types what a plan prints types that name.
NAMES = st.text(alphabet=string.punctuation.replace("/", "").replace(":", "") + "ab", min_size=1, max_size=15)


@given(name=NAMES)
def test_no_name_is_more_than_a_word_to_a_shell(name: str) -> None:
    steps: list[Any] = [
        Step(Op.DELETE, "addresses", AddressKey("acme-web", name, prefix("10.20.0.10/24")), None),
        Step(
            Op.CREATE, "routes", RouteKey("acme-web", 254, prefix("0.0.0.0/0"), 0), None, Route(RouteKind.UNICAST, name)
        ),
        Step(Op.DELETE, "links", LinkKey(HOST, name), VETH),
        Step(Op.REPLACE, "links", LinkKey(HOST, "lwv1"), VETH, VETH._replace(alias=name)),
        Step(Op.CREATE, "entries", SetEntry("lw-src4", prefix("10.0.0.0/8"), iface=name), None, None),
        Step(Op.REPLACE, "sysctls", f"net/ipv4/conf/{name}/rp_filter", "0", "1"),
    ]
    for step in steps:
        words = shlex.split(command(step))
        assert any(name in word for word in words), words
        outside_quotes = re.sub(r"""'[^']*'|"'\"""", "", command(step)).replace(" && ip -n acme-web addr", "")
        assert not set(outside_quotes) & set(";|&$`()<>*?[]{}#~!\\\"'"), outside_quotes
