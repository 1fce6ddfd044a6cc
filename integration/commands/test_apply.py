"""apply, plan, status and destroy, and what they leave alone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from integration.bench.crowd import crowd
from integration.snapshot import snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from integration.commands.conftest import Laneway
    from integration.throwaway import Throwaway

STRANGERS = """
ip rule add pref 500 fwmark 0x1/0xff lookup 500; ip -6 rule add pref 500 fwmark 0x1/0xff lookup 500
ip route add 203.0.113.0/24 via 192.0.2.9 table 500; ip -6 route add 2001:db8:99::/48 via 2001:db8:a::9 table 500
ip link add docker0 group 7 type bridge; ip link set docker0 up; ip addr add 172.17.0.1/16 dev docker0
ipset create blocklist hash:net; ipset add blocklist 203.0.113.66
ip netns add stranger
for tool in iptables ip6tables; do
    $tool -t mangle -A PREROUTING -i docker0 -j MARK --set-xmark 0x1/0xff
    $tool -N DOCKER; $tool -A FORWARD -o docker0 -j DOCKER; $tool -A DOCKER -p tcp --dport 80 -j ACCEPT
    $tool -t nat -A POSTROUTING -o docker0 -j MASQUERADE
    $tool -P FORWARD DROP
done
"""


def test_destroy_leaves_the_host_as_it_was(router: Throwaway, laneway: Laneway, hosting: Path) -> None:
    before = snapshot(router)

    laneway("apply", hosting)
    laneway("destroy")

    assert snapshot(router) == before


def test_every_bridge_carries_packets_when_apply_is_done(router: Throwaway, laneway: Laneway, tmp_path: Path) -> None:
    many = tmp_path / "many.toml"
    many.write_text(crowd(100, variant="auto", busy=False))

    laneway("apply", many)

    links = [link for link in router.json("ip -j link show group 27767") if link]  # ip(8) has {} for the others
    assert len(links) == 200
    assert {link["operstate"] for link in links} == {"UP"}
    assert router.sh("ip -6 -o addr show tentative | grep lwb- || true") == ""


def link_local(router: Throwaway, link: str) -> list[dict[str, Any]]:
    """Return what ip(8) tells of the IPv6 link-local addresses of a link."""
    told = router.json(f"ip -6 -j addr show dev {link} scope link")
    return [address for link in told for address in link.get("addr_info", ()) if address]


def test_a_bridge_has_one_link_local_address_made_of_its_own_at_once(
    router: Throwaway, laneway: Laneway, quickstart: Path
) -> None:
    laneway("apply", quickstart)

    router.sh("ip link add like type bridge; ip link set like address $(cat /sys/class/net/lwb-acme/address)")
    router.sh("ip link add name port type veth peer name trop; ip link set port master like up; ip link set trop up")
    router.sh("ip link set like up; until ip -6 -o addr show dev like scope link | grep -q fe80; do sleep 0.1; done")
    (kernels,) = link_local(router, "like")
    (ours,) = link_local(router, "lwb-acme")
    assert ours["local"] == kernels["local"]
    assert "tentative" not in ours
    assert router.sh("cat /proc/sys/net/ipv6/conf/lwb-acme/addr_gen_mode") == "1\n"


def test_a_workload_cannot_take_the_link_local_address_of_its_bridge(
    router: Throwaway, laneway: Laneway, quickstart: Path
) -> None:
    laneway("apply", quickstart)
    (own,) = link_local(router, "lwb-acme")

    router.sh(f"ip -n acme-web addr add {own['local']}/64 dev eth0")
    router.sh("until ip -n acme-web -6 addr show dev eth0 dadfailed | grep -q fe80; do sleep 0.1; done")
    router.sh("ip -6 neigh flush dev lwb-acme")

    assert link_local(router, "lwb-acme") == [own]
    assert "1 received" in router.sh("ping -6 -c 1 -W 5 fd20::10")


def test_what_others_own_is_as_it_was(router: Throwaway, laneway: Laneway, quickstart: Path) -> None:
    router.sh(STRANGERS)
    before = snapshot(router)

    laneway("apply", quickstart)
    during = snapshot(router)
    laneway("destroy")

    assert snapshot(router) == before
    for rule in ("fwmark 0x1/0xff lookup 500", "172.17.0.1/16", "blocklist", "stranger"):
        assert any(rule in part for part in during.values())


def test_a_second_apply_changes_nothing_at_all(router: Throwaway, laneway: Laneway, quickstart: Path) -> None:
    laneway("apply", quickstart)
    _settled(router)
    before = snapshot(router)
    router.sh("(ip monitor all > /run/seen 2>&1 & echo $! > /run/monitor); sleep 0.3")

    answer = laneway.json("apply", quickstart)

    router.sh("sleep 0.3; kill $(cat /run/monitor)")
    changes = [line for line in router.sh("cat /run/seen").splitlines() if "[NEIGH]" not in line]
    router.sh("rm /run/seen /run/monitor")
    assert answer == {
        "laneway": 1,
        "ok": True,
        "changed": False,
        "generation": 1,
        "pending": None,
        "steps": [],
        "workloads": {},
        "notes": [],
    }
    assert changes == []
    assert snapshot(router) == before


def _settled(router: Throwaway) -> None:
    """Wait until the kernel does no more by itself: a port that begins to learn, an address that it tries."""
    for _ in range(20):
        seen = router.sh("timeout 1 ip monitor all || true").splitlines()
        if all("[NEIGH]" in line for line in seen):
            return


def test_a_second_apply_says_so(laneway: Laneway, quickstart: Path) -> None:
    laneway("apply", quickstart)

    assert laneway("apply", quickstart).stdout == "nothing to do: the host holds the policy (generation 1)\n"


def test_an_invalid_policy_is_answered_and_changes_nothing(router: Throwaway, laneway: Laneway) -> None:
    router.run(["tee", "/run/wrong.toml"], input='[uplinks.north]\ninterfce = "eth0"\n')
    before = snapshot(router)

    answer = laneway.json("apply", "/run/wrong.toml", code=3)

    assert (answer["valid"], answer["problems"][0]["line"], answer["warnings"]) == (False, 2, [])
    assert answer == laneway.json("check", "/run/wrong.toml", code=3)
    assert snapshot(router) == before


def test_plan_shows_commands_and_changes_nothing(router: Throwaway, laneway: Laneway, quickstart: Path) -> None:
    before = snapshot(router)

    text = laneway("plan", "--commands", quickstart, code=4).stdout

    assert "ip netns add acme-web && ip -n acme-web link set lo group 27767 " in text
    assert "ip -6 route add unreachable default metric 4294967294 table 20017 proto 147\n" in text
    assert snapshot(router) == before


def test_a_host_written_down_is_planned_against_by_anybody(
    router: Throwaway, laneway: Laneway, quickstart: Path
) -> None:
    laneway("apply", quickstart)
    router.sh("ip rule del pref 10000; ip link set lwb-acme down")
    router.run(["tee", "/run/host.json"], input=laneway("status", "--dump").stdout)
    router.sh(f"sed '/tenants.globex/,$d' {quickstart} > /run/acme.toml")
    for options in ("", "--prune"):
        here = laneway("plan", "/run/acme.toml", "--json", *options.split(), code=4).stdout

        powerless = "env LANEWAY_STATE_DIR=/none unshare --net setpriv --bounding-set=-all --inh-caps=-all"
        command = f"{sys.executable} -m laneway plan --json {options} --against - /run/acme.toml"
        there = router.run(["sh", "-c", f"{powerless} {command} < /run/host.json"], check=False)

        assert (there.returncode, there.stderr) == (4, "")
        assert there.stdout == here


def test_after_apply_a_plan_has_nothing_to_do(laneway: Laneway, hosting: Path) -> None:
    laneway("apply", hosting)

    assert laneway.json("plan", hosting)["steps"] == []


def test_tables_have_names(router: Throwaway, laneway: Laneway, quickstart: Path) -> None:
    laneway("apply", quickstart)

    assert "default via 192.0.2.1 dev eth0" in router.sh("ip route show table lw.acme.north")
    assert "default via 2001:db8:b::1 dev eth1" in router.sh("ip -6 route show table lw.acme.south")


def test_lost_leases_are_read_back_from_the_kernel(router: Throwaway, laneway: Laneway, hosting: Path) -> None:
    router.sh("ip addr add 192.0.2.20/32 dev eth0; ip addr add 198.51.100.7/32 dev eth1")  # the policy's snat
    laneway("apply", hosting)
    lanes = laneway.json("status")["lanes"]
    router.sh("rm /etc/iproute2/rt_tables.d/laneway.conf")

    laneway("apply", hosting)

    assert laneway.json("status")["lanes"] == lanes


def test_one_tenants_file_leaves_the_others_running(router: Throwaway, laneway: Laneway, hosting: Path) -> None:
    laneway("apply", hosting)
    before = snapshot(router)
    one = next(path for path in sorted(hosting.glob("*.toml")) if "[tenants" in path.read_text())

    done = laneway("apply", one)

    assert "nothing to do" in done.stdout
    assert "left as they are, since the policy does not name them" in done.stderr
    assert snapshot(router) == before


def test_prune_removes_what_the_policy_does_not_name(router: Throwaway, laneway: Laneway, quickstart: Path) -> None:
    laneway("apply", quickstart)
    router.sh(f"sed '/tenants.globex/,$d' {quickstart} > /run/acme.toml")

    laneway("apply", "/run/acme.toml", "--prune")

    assert {lane["tenant"] for lane in laneway.json("status")["lanes"]} == {"acme"}
    assert "lwb-globex" not in router.sh("ip link")


def test_destroy_of_one_tenant_leaves_the_other(router: Throwaway, laneway: Laneway, quickstart: Path) -> None:
    laneway("apply", quickstart)

    laneway("destroy", "globex")

    assert "globex" not in router.sh("ip link; ip netns; cat /etc/iproute2/rt_tables.d/laneway.conf")
    assert laneway.json("status")["in_sync"]


def test_an_uplink_that_is_not_there_yet_is_closed(router: Throwaway, laneway: Laneway, quickstart: Path) -> None:
    router.sh("ip link del eth1")

    done = laneway("apply", quickstart)

    assert "uplink south: interface eth1 is not up; its lanes are closed until the next apply" in done.stderr
    left = router.sh("ip route show table lw.globex.south")
    assert "unreachable default" in left
    assert "default via" not in left


def test_what_of_others_is_in_the_way_is_named(router: Throwaway, laneway: Laneway, quickstart: Path) -> None:
    router.sh("ip link add lwb-acme type bridge; ip rule add pref 12345 lookup 7; ip netns add globex-app")
    before = snapshot(router)

    done = laneway("apply", quickstart, code=7)

    assert "link lwb-acme exists and is not laneway's" in done.stderr
    assert "ip rule priorities 10000-19999 (host.priorities) are in use" in done.stderr
    assert "network namespace globex-app exists" in done.stderr
    assert snapshot(router) == before


_TC = """#!/bin/sh
case "$*" in
"qdisc show") echo "qdisc htb 1: dev eth1 root refcnt 2 r2q 10 default 0" ;;
"filter show dev eth1 parent 1:") echo "filter protocol ip pref 1 fw chain 0 handle 0x20000/0xff0000 classid 1:1" ;;
*) exit 1 ;;
esac
"""


def test_a_filter_of_traffic_control_in_our_marks_is_named(
    router: Throwaway, laneway: Laneway, quickstart: Path
) -> None:
    # Stood in for: not every kernel that the tests run on has classifiers.
    router.run(["tee", "/run/tc"], input=_TC)
    router.sh("chmod 755 /run/tc; mount --bind /run/tc /usr/sbin/tc")
    before = snapshot(router)

    done = laneway("apply", quickstart, code=7)

    assert "mark 0x20000/0xff0000 in `tc filter show dev eth1 parent 1:`" in done.stderr
    assert snapshot(router) == before


def test_the_operators_chain_is_never_flushed(router: Throwaway, laneway: Laneway, quickstart: Path) -> None:
    laneway("apply", quickstart)
    router.sh("iptables -A LANEWAY-USER -s 203.0.113.66 -j DROP")

    laneway("apply", quickstart)
    laneway("destroy")

    assert "-A LANEWAY-USER -s 203.0.113.66/32 -j DROP" in router.sh("iptables -S LANEWAY-USER")


def test_exec_runs_inside(laneway: Laneway, hosting: Path, quickstart: Path) -> None:
    laneway("apply", quickstart)

    assert "10.20.0.10/24" in laneway("exec", "acme/web", "--", "ip", "-o", "addr", "show", "eth0").stdout


def test_without_rights_nothing_is_tried(router: Throwaway, quickstart: Path) -> None:
    script = f"setpriv --bounding-set=-net_admin --inh-caps=-net_admin {sys.executable} -m laneway apply {quickstart}"

    done = router.run(["sh", "-c", script], check=False)

    assert done.returncode == 10
    assert "this needs the right to change the network (CAP_NET_ADMIN)" in done.stderr
