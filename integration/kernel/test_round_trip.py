"""What is created is read back the same, is seen by other tools, and can be deleted without a trace."""

from __future__ import annotations

import errno
import sys

from integration.kernel.samples import BRIDGE, NETNS, TABLE, VETH, creation, deletion, linux, one_of_everything
from integration.throwaway import Throwaway
from laneway.plan.steps import Op, Step
from laneway.state.host import HostState

_EVERYTHING = """
for ns in '' $(ls /run/netns 2>/dev/null); do
    on="ip ${ns:+-n $ns}"
    echo "netns $ns"
    $on -o link | cut -d' ' -f2-; $on -o addr | sed 's/ *valid_lft.*//' | cut -d' ' -f2-
    $on rule; $on -6 rule; $on route show table all; $on -6 route show table all
done
ipset save
find /etc/iproute2 /etc/netns \\( -type d -printf '%p %m\\n' -o -printf '%p %y %m %s\\n' \\) 2>/dev/null | sort
find /proc/sys/net/ipv4 /proc/sys/net/ipv6 -name ip_forward -o -name forwarding -o -name rp_filter | xargs grep .
"""


def create() -> HostState:
    host = linux()
    host.run(creation(one_of_everything()))
    return host.read()


def destroy() -> HostState:
    host = linux()
    host.run(deletion(host.read()))
    return host.read()


def test_one_of_everything_is_read_back_as_it_was_wished(throwaway: Throwaway) -> None:
    assert throwaway.call(create) == one_of_everything()


def test_deleting_everything_leaves_the_host_as_it_was(throwaway: Throwaway) -> None:
    before = throwaway.sh(_EVERYTHING)
    throwaway.call(create)

    assert throwaway.call(destroy) == HostState()

    assert throwaway.sh(_EVERYTHING) == before


def test_a_fresh_host_holds_nothing_of_ours(throwaway: Throwaway) -> None:
    assert throwaway.call(lambda: linux().read()) == HostState()


def test_ip_sees_the_links(throwaway: Throwaway) -> None:
    throwaway.call(create)

    bridge, veth = filter(None, throwaway.json("ip -j -d link show group 27767"))
    (peer,) = throwaway.json(f"ip -n {NETNS} -j -d link show eth0")
    (loopback,) = throwaway.json(f"ip -n {NETNS} -j -d link show lo")

    assert (bridge["ifname"], bridge["linkinfo"]["info_kind"]) == (BRIDGE, "bridge")
    assert (bridge["address"], bridge["ifalias"]) == ("02:01:02:03:04:05", "laneway tenant=acme")
    assert "UP" in bridge["flags"]
    assert (veth["ifname"], veth["linkinfo"]["info_kind"], veth["master"]) == (VETH, "veth", BRIDGE)
    assert veth["linkinfo"]["info_slave_data"]["hairpin"] is True
    assert (veth["ifalias"], veth["operstate"]) == ("laneway tenant=acme workload=web", "UP")
    assert (peer["group"], peer["operstate"], peer["link_index"]) == ("27767", "UP", veth["ifindex"])
    assert (loopback["group"], loopback["ifalias"]) == ("27767", "laneway tenant=acme workload=web")


def test_ip_sees_the_addresses_usable_at_once(throwaway: Throwaway) -> None:
    throwaway.call(create)

    for command in (f"ip -j addr show {BRIDGE}", f"ip -n {NETNS} -j addr show eth0"):
        (link,) = throwaway.json(command)
        held = {each["local"]: each for each in link["addr_info"] if each["scope"] == "global"}
        assert len(held) == 2
        assert not any(each.get("tentative") for each in held.values())

    for address in ("10.20.0.1", "fd20::1"):  # nothing listens there: a refused connection is an answer
        script = (
            f"import socket; print(socket.socket(socket.AF_INET{'6' * (':' in address)}).connect_ex(('{address}', 9)))"
        )
        assert (
            throwaway.run(["ip", "netns", "exec", NETNS, sys.executable, "-c", script]).stdout
            == f"{errno.ECONNREFUSED}\n"
        )


def test_ip_sees_the_routes(throwaway: Throwaway) -> None:
    throwaway.call(create)

    assert throwaway.sh(f"ip route show table {TABLE}; ip -6 route show table {TABLE}").splitlines() == [
        "unreachable default proto laneway metric 4294967294 ",
        f"10.20.0.0/24 dev {BRIDGE} proto laneway scope link ",
        f"172.16.0.0/12 via 10.20.0.254 dev {BRIDGE} proto laneway onlink ",
        "blackhole 192.168.0.0/16 proto laneway ",
        "prohibit fd00::/16 dev lo proto laneway metric 1024 pref medium",
        f"fd20::/64 dev {BRIDGE} proto laneway metric 1024 pref medium",
        "unreachable default dev lo proto laneway metric 4294967294 pref medium",
    ]
    assert throwaway.sh(f"ip -n {NETNS} route show default; ip -n {NETNS} -6 route show default").splitlines() == [
        "default via 10.20.0.1 dev eth0 proto laneway onlink ",
        "default via fd20::1 dev eth0 proto laneway metric 1024 onlink pref medium",
    ]


def test_ip_sees_the_rules(throwaway: Throwaway) -> None:
    throwaway.call(create)

    for family in ("", "-6"):
        assert throwaway.sh(f"ip {family} rule").splitlines()[1:6] == [
            "10000:\tfrom all fwmark 0/0xffff0000 goto 19999 proto laneway",
            "10100:\tfrom all fwmark 0x110000/0xffff0000 lookup lw.acme.north proto laneway",
            "10101:\tfrom all unreachable proto laneway",
            "10102:\tfrom all fwmark 0x130000/0xffff0000 prohibit proto laneway",
            "19999:\tfrom all nop proto laneway",
        ]


def test_ipset_sees_the_sets_and_their_entries(throwaway: Throwaway) -> None:
    throwaway.call(create)

    saved = throwaway.sh("ipset -sorted save").splitlines()

    assert [" ".join(line.split()[1:5]) for line in saved if line.startswith("create")] == [
        "lw-allow4 hash:ip,port,net family inet",
        "lw-allow6 hash:ip,port,net family inet6",
        "lw-host6 hash:net,port family inet6",
        "lw-net4 hash:net family inet",
        "lw-pub4-north hash:net,port family inet",
        "lw-src4 hash:net,iface family inet",
        "lw-src6 hash:net,iface family inet6",
    ]
    assert all("maxelem 1048576" in line for line in saved if line.startswith("create"))
    assert [line for line in saved if line.startswith("add")] == [
        "add lw-allow4 10.20.0.10,tcp:5432,10.30.0.0/24 skbmark 0x110000/0xffff0000",
        "add lw-allow6 fd20::10,tcp:5432,fd30::/64 skbmark 0x110000/0xffff0000",
        "add lw-host6 fd20::/64,ipv6-icmp:echo-request",
        "add lw-net4 10.20.0.0/24",
        "add lw-pub4-north 0.0.0.0/1,tcp:8080 skbmark 0x110000/0xffff0000",
        "add lw-pub4-north 128.0.0.0/1,udp:5300 skbmark 0x120000/0xffff0000",
        f"add lw-src4 10.20.0.0/24,{BRIDGE} skbmark 0x110000/0xffff0000",
        f"add lw-src6 fd20::/64,{BRIDGE} skbmark 0x110000/0xffff0000",
    ]


def test_files_are_whole_readable_and_named_by_ip(throwaway: Throwaway) -> None:
    throwaway.call(create)

    file = throwaway.host.file("/etc/iproute2/rt_tables.d/laneway.conf")
    assert (file.mode, file.content_string) == (0o644, f"{TABLE}\tlw.acme.north\n")
    assert "lookup lw.acme.north proto laneway" in throwaway.sh("ip rule")
    assert throwaway.sh(f"ip netns exec {NETNS} cat /etc/resolv.conf").startswith("# laneway tenant=acme\n")
    assert throwaway.sh("find /etc -name '.*laneway*' ! -name .laneway") == ""


def test_deleting_what_is_gone_already_changes_nothing(throwaway: Throwaway) -> None:
    throwaway.call(create)
    steps = deletion(one_of_everything())

    throwaway.call(destroy)
    before = throwaway.sh(_EVERYTHING)

    throwaway.call(lambda: linux().run(steps))

    assert throwaway.sh(_EVERYTHING) == before


def test_routes_that_went_with_their_link_are_seen_to_be_gone(throwaway: Throwaway) -> None:
    throwaway.call(create)

    throwaway.sh(f"ip link set {BRIDGE} down")

    observed = throwaway.call(lambda: linux().read())
    assert {key.to for key in observed.routes if key.netns == "" and observed.routes[key].dev} == set()
    lost = [key for key in one_of_everything().routes if key not in observed.routes]
    steps = [Step(Op.DELETE, "routes", key, old=one_of_everything().routes[key]) for key in lost]
    throwaway.call(lambda: linux().run(steps))
