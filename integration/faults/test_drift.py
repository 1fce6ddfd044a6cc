"""Every way to damage what laneway made is seen, named, and mended by apply, which does that and no more."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

import pytest

from integration.faults.driver import Hosts, done, laneway, snapshot
from laneway.cli.wire import linux_host, look
from laneway.plan.plan import plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration.throwaway import Throwaway


class Damage(NamedTuple):
    """A way to damage, as a shell script, and the steps that mend it."""

    script: str
    mended: tuple[tuple[str, str], ...]  # kind, and what its summary has


MARK = "LANEWAY-MARK"
DAMAGE = {
    "a flushed chain": Damage("iptables-{v} -t mangle -F LANEWAY-MARK", (("chains", MARK),)),
    "a flushed chain of IPv6": Damage("ip6tables-{v} -F LANEWAY-FORWARD", (("chains", "ip6tables -t filter, chain"),)),
    "a rule taken out": Damage("iptables-{v} -D LANEWAY-FORWARD 2", (("chains", "LANEWAY-FORWARD"),)),
    "an edited rule": Damage(
        "iptables-{v} -R LANEWAY-FORWARD 3 -m comment --comment lw:-:other -j ACCEPT", (("chains", "LANEWAY-FORWARD"),)
    ),
    "a pin that looks at where packets came from": Damage(
        "rule=$(iptables-{v} -S LANEWAY-FORWARD | grep -n north:pin); eval iptables-{v} -R LANEWAY-FORWARD"
        " $((${rule%%:*} - 1)) $(echo $rule | cut -d' ' -f3- | sed 's/-o eth0/-i eth0/')",
        (("chains", "LANEWAY-FORWARD"),),
    ),
    "marks saved where they were restored": Damage(
        "iptables-{v} -t mangle -R LANEWAY-MARK 1 -j CONNMARK --save-mark --nfmask 0xffff0000 --ctmask 0xffff0000",
        (("chains", MARK),),
    ),
    "rules in another order": Damage(
        "iptables-{v} -t mangle -I LANEWAY-MARK 1 $(iptables-{v} -t mangle -S LANEWAY-MARK | tail -1 | cut -d' ' -f3-)"
        " && iptables-{v} -t mangle -D LANEWAY-MARK $(($(iptables-{v} -t mangle -S LANEWAY-MARK | wc -l) - 1))",
        (("chains", MARK),),
    ),
    "a foreign rule in our chain": Damage(
        "iptables-{v} -I LANEWAY-FORWARD 1 -s 203.0.113.7 -j ACCEPT", (("chains", "LANEWAY-FORWARD"),)
    ),
    "a foreign rule at its end": Damage(
        "ip6tables-{v} -t nat -A LANEWAY-SNAT -j ACCEPT", (("chains", "ip6tables -t nat, chain LANEWAY-SNAT"),)
    ),
    "our jump below a foreign ACCEPT": Damage("iptables-{v} -I FORWARD 1 -j ACCEPT", (("jumps", "FORWARD"),)),
    "our jump deleted": Damage(
        "eval iptables-{v} -D FORWARD $(iptables-{v} -S FORWARD | grep LANEWAY | cut -d' ' -f3-)",
        (("jumps", "FORWARD"),),
    ),
    "a deleted ip rule": Damage("ip rule del pref 10000", (("fib_rules", "pref 10000"),)),
    "a deleted ip rule of IPv6": Damage("ip -6 rule del pref 19999", (("fib_rules", "pref 19999"),)),
    "a rule of ours that we did not write": Damage(
        "ip rule add pref 10900 fwmark 0x110000/0xffff0000 lookup main protocol 147", (("fib_rules", "pref 10900"),)
    ),
    "a rule of our protocol without a mark": Damage(
        "ip rule add pref 10900 lookup 1234 protocol 147; ip rule add pref 10900 fwmark 1/1 lookup 1234 protocol 147",
        (("fib_rules", "pref 10900 fwmark 0x1/0x1"), ("fib_rules", "pref 10900 lookup 1234")),
    ),
    "a deleted default": Damage(
        "ip route del default via 192.0.2.1 table 20017 proto 147", (("routes", "default via 192.0.2.1"),)
    ),
    "a deleted last route": Damage(
        "ip -6 route del unreachable default metric 4294967294 table 20017", (("routes", "unreachable default"),)
    ),
    "a route led elsewhere": Damage(
        "ip route replace default via 198.51.100.1 dev eth1 onlink table 20017 proto 147", (("routes", "192.0.2.1"),)
    ),
    "a route of ours that we did not write": Damage(
        "ip route add 10.99.0.0/24 dev eth1 table 20017 proto 147", (("routes", "10.99.0.0/24"),)
    ),
    "a workload's way out led elsewhere by somebody there": Damage(
        "ip -n acme-web route replace default via 10.20.0.99 dev eth0;"
        "ip -n acme-web -6 route del default; ip -n acme-web -6 route add default via fd20::99 dev eth0",
        (("routes", "default via 10.20.0.1"), ("routes", "default via fd20::1")),
    ),
    "a deleted set entry": Damage("ipset del lw-net4 10.20.0.0/24", (("entries", "lw-net4 10.20.0.0/24"),)),
    "a set entry with another mark": Damage(
        "ipset -exist add lw-src4 10.20.0.0/24,lwb-acme skbmark 0x120000/0xffff0000", (("entries", "lw-src4"),)
    ),
    "a foreign set entry": Damage("ipset add lw-net6 2001:db8:99::/64", (("entries", "2001:db8:99::/64"),)),
    "a rule that asks where packets come in": Damage(
        "ip rule del pref 10000; ip rule add pref 10000 iif lo fwmark 0/0xffff0000 goto 19999 protocol 147",
        (("fib_rules", "rule del pref 10000 iif lo"), ("fib_rules", "rule add pref 10000 fwmark")),
    ),
    "a rule that asks where packets go": Damage(
        "ip -6 rule del pref 10000;"
        "ip -6 rule add pref 10000 to 2001:db8::/32 fwmark 0/0xffff0000 goto 19999 protocol 147",
        (("fib_rules", "rule del pref 10000 to 2001:db8::/32"), ("fib_rules", "rule add pref 10000 fwmark")),
    ),
    "a rule beside ours that asks for more": Damage(
        "ip rule add pref 10000 from 203.0.113.0/24 fwmark 0/0xffff0000 goto 19999 protocol 147",
        (("fib_rules", "rule del pref 10000 from 203.0.113.0/24"),),
    ),
    "a rule that passes over the default": Damage(
        "rule=$(ip -N rule | grep -m1 'lookup 20017'); set -- $(echo $rule | tr -d :);"
        "ip rule del pref $1; ip rule add pref $1 $4 $5 lookup 20017 suppress_prefixlength 0 protocol 147",
        (("fib_rules", "suppress_prefixlength 0"), ("fib_rules", "lookup 20017")),
    ),
    "a route with an MTU": Damage(
        "ip route change default via 192.0.2.1 dev eth0 onlink table 20017 proto 147 mtu 1280",
        (("routes", "mtu 1280"), ("routes", "default via 192.0.2.1")),
    ),
    "a route with a source address": Damage(
        "ip route change default via 192.0.2.1 dev eth0 onlink table 20017 proto 147 src 198.51.100.2",
        (("routes", "src 198.51.100.2"), ("routes", "default via 192.0.2.1")),
    ),
    "a route for a type of service": Damage(
        "ip route add default via 198.51.100.1 dev eth1 onlink tos 0x10 table 20017 proto 147",
        (("routes", "tos 0x10"),),
    ),
    "a route for a source": Damage(
        "ip -6 route add default from fd20::/64 via 2001:db8:b::1 dev eth1 onlink table 20017 proto 147",
        (("routes", "from fd20::/64"),),
    ),
    "a route before ours": Damage(
        "ip route prepend default via 198.51.100.1 dev eth1 onlink table 20017 proto 147",
        (("routes", "del default via 192.0.2.1"), ("routes", "del default via 198.51.100.1"), ("routes", "add")),
    ),
    "a route after ours": Damage(
        "ip route append default via 198.51.100.1 dev eth1 onlink table 20017 proto 147",
        (("routes", "del default via 198.51.100.1"), ("routes", "del default via 192.0.2.1"), ("routes", "add")),
    ),
    "a route to the host itself": Damage(
        "ip route replace local 10.20.0.0/24 dev lwb-acme table 20017 proto 147", (("routes", "10.20.0.0/24"),)
    ),
    "a set entry that excepts": Damage(
        "ipset -exist add lw-net4 10.20.0.0/24 nomatch",
        (("entries", "ipset del lw-net4 10.20.0.0/24"), ("entries", "ipset add lw-net4 10.20.0.0/24")),
    ),
    "a set entry of a port of a bridge": Damage(
        "ipset add lw-src4 10.20.0.0/24,physdev:lwb-acme skbmark 0x120000/0xffff0000",
        (("entries", "ipset del lw-src4 10.20.0.0/24,physdev:lwb-acme"),),
    ),
    "a changed sysctl": Damage("echo 0 > /proc/sys/net/ipv4/ip_forward", (("sysctls", "net/ipv4/ip_forward=1"),)),
    "a changed sysctl of a bridge": Damage(
        "echo 0 > /proc/sys/net/ipv4/conf/lwb-acme/arp_ignore", (("sysctls", "lwb-acme/arp_ignore=1"),)
    ),
    "IPv6 on a port": Damage(
        "echo 0 > /proc/sys/net/ipv6/conf/$(ls /sys/class/net | grep ^lwv)/disable_ipv6",
        (("sysctls", "disable_ipv6=1"),),
    ),
    "a bridge out of our group": Damage("ip link set lwb-acme alias other", (("links", "lwb-acme"),)),
    "a veth off its bridge": Damage("ip link set $(ls /sys/class/net | grep ^lwv) nomaster", (("links", "master"),)),
    "table names edited": Damage(
        "echo '20017 other' >> /etc/iproute2/rt_tables.d/laneway.conf", (("files", "rt_tables.d/laneway.conf"),)
    ),
    "table names deleted": Damage(
        "rm /etc/iproute2/rt_protos.d/laneway.conf", (("files", "rt_protos.d/laneway.conf"),)
    ),
    "leftovers in the other variant": Damage(
        "iptables-{o} -N LANEWAY-FORWARD; iptables-{o} -A LANEWAY-FORWARD -m comment --comment lw:-:unmarked -j DROP;"
        "iptables-{o} -I FORWARD -j LANEWAY-FORWARD",
        (("leftovers", "FORWARD"), ("leftovers", "LANEWAY-FORWARD")),
    ),
}

# Their mending takes along what stands on them.
WIDER = {
    "a deleted address": ("ip addr del 10.20.0.1/24 dev lwb-acme", "10.20.0.1/24"),
    "IPv6 off on a bridge": ("echo 1 > /proc/sys/net/ipv6/conf/lwb-acme/disable_ipv6", "fd20::1/64"),
    "rules that are there again": (
        "ip -6 rule save | ip -6 rule restore; ip -6 rule del pref 0; ip -6 rule del pref 32766",
        "ip -6 rule del pref 10000 fwmark 0x0/0xffff0000 goto 19999",
    ),
    "a link down": ("ip link set lwb-acme down", "lwb-acme"),
    "a deleted bridge": ("ip link del lwb-acme", "lwb-acme"),
    "a deleted netns": ("ip netns del acme-web", "acme-web"),
    "a workload's link down": ("ip -n acme-web link set eth0 down", "eth0"),
    "a workload's link renamed": (
        "ip -n acme-web link set eth0 down; ip -n acme-web link set eth0 name away; ip -n acme-web link set away up",
        "eth0",
    ),
    "a workload's link taken elsewhere": ("ip -n acme-web link set eth0 netns theirs", "eth0"),
    "a set whose entries pass away": (
        "ipset create x hash:net timeout 300; ipset add x 10.20.0.0/24; ipset swap x lw-net4; ipset destroy x",
        "ipset swap lw-aside lw-net4",
    ),
    "addresses flushed": ("ip addr flush dev lwb-acme", "10.20.0.1/24"),
    "a lane's table flushed": ("ip route flush table 20017; ip -6 route flush table 20017", "table 20017"),
    "all ip rules flushed": ("for n in $(ip rule | grep -o '^1[0-9]*'); do ip rule del pref $n; done", "pref 10000"),
    "mangle flushed": ("iptables-{v} -t mangle -F; ip6tables-{v} -t mangle -F", "LANEWAY-MARK"),
    "all chains of a table gone": ("iptables-{v} -t nat -F; iptables-{v} -t nat -X", "LANEWAY-SNAT"),
}


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    with ExitStack() as stack:
        yield Hosts(stack)


@pytest.fixture(params=["nft", "legacy"])
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def damage(host: Throwaway, variant: str, script: str) -> None:
    other = {"nft": "legacy", "legacy": "nft"}[variant]
    host.sh(script.replace("{v}", variant).replace("{o}", other))


def seen(host: Throwaway) -> list[tuple[str, str]]:
    """Return the steps that `status` and `plan` name alike."""
    status = laneway(host, "status", "--json")
    planned = laneway(host, "plan", "--json", "/run/a.toml")
    assert (status.code, planned.code) == (4, 4), (status, planned)
    assert json.loads(status.out)["in_sync"] is False
    steps = json.loads(planned.out)["steps"]
    assert json.loads(status.out)["drift"] == steps
    return [(step["kind"], step["summary"]) for step in steps]


def mended(host: Throwaway, steps: list[tuple[str, str]]) -> None:
    """Apply, and assert that it did these steps."""
    answer = json.loads(done(host, "apply", "--json", "/run/a.toml"))
    assert [(step["kind"], step["summary"]) for step in answer["steps"]] == steps
    assert laneway(host, "status").code == 0


@pytest.mark.parametrize("case", DAMAGE.values(), ids=DAMAGE)
def test_damage_is_named_and_only_that_is_mended(hosts: Hosts, variant: str, case: Damage) -> None:
    host = hosts.get(variant)
    before = snapshot(host)
    damage(host, variant, case.script)

    steps = seen(host)

    assert len(steps) == len(case.mended), steps
    for (kind, summary), (wanted, part) in zip(steps, case.mended, strict=True):
        assert kind == wanted
        assert part in summary
    mended(host, steps)
    _take_foreign_rules_away(host, variant)
    assert sorted(snapshot(host).splitlines()) == sorted(before.splitlines())


TWINS = [name for name, case in DAMAGE.items() if case.mended[0][1].startswith(("rule del", "del default"))]
TWINS += ["a route with an MTU", "a route to the host itself", "a set entry that excepts"]


def _there_and_back() -> None:
    kernel = linux_host("nft")
    damaged = kernel.read()
    kernel.run(plan(look(["/run/a.toml"]).aim.desired, damaged))
    kernel.run(plan(damaged, kernel.read()))


@pytest.mark.parametrize("name", TWINS)
def test_a_mending_that_is_planned_back_leaves_the_damage(hosts: Hosts, name: str) -> None:
    host = hosts.get("nft")
    damage(host, "nft", DAMAGE[name].script)
    before = snapshot(host)

    host.call(_there_and_back)

    assert sorted(snapshot(host).splitlines()) == sorted(before.splitlines())


def _take_foreign_rules_away(host: Throwaway, variant: str) -> None:
    """Take away what the damage left of others', which apply must not."""
    host.run([f"iptables-{variant}", "-D", "FORWARD", "-j", "ACCEPT"], check=False)


@pytest.mark.parametrize("case", WIDER.values(), ids=WIDER)
def test_damage_that_took_more_along_is_named_and_mended(hosts: Hosts, variant: str, case: tuple[str, str]) -> None:
    script, part = case
    host = hosts.get(variant)
    damage(host, variant, script)

    steps = seen(host)

    assert any(part in summary for _, summary in steps), steps
    mended(host, steps)


def test_the_policy_moves_to_the_other_variant_with_all_it_remembers(hosts: Hosts, variant: str) -> None:
    host = hosts.get(variant)
    other = {"nft": "legacy", "legacy": "nft"}[variant]
    host.sh(f"sed 's/iptables = .*/iptables = \"{other}\"/' /run/a.toml > /run/moved.toml")

    done(host, "apply", "/run/moved.toml")

    assert "LANEWAY" not in host.sh(f"iptables-{variant}-save; ip6tables-{variant}-save")
    assert laneway(host, "plan", "/run/moved.toml").code == 0
    done(host, "destroy")
    assert "LANEWAY" not in host.sh(f"iptables-{other}-save; ip6tables-{other}-save")
    assert host.sh("cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding") == "0\n0\n"
