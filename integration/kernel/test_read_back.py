"""A reading after a change tells what is there then, however much of it an earlier reading knew already."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from integration.kernel.samples import BRIDGE, NETNS, TABLE, creation, linux, one_of_everything
from laneway.state.host import HostState

if TYPE_CHECKING:
    from integration.throwaway import Throwaway

_OTHER_HEADER = """
ipset create lw-new hash:net {0}
ipset add lw-new 10.20.0.0/24
ipset swap lw-new lw-net4
ipset destroy lw-new
"""

CHANGES = {
    "a route's gateway": f"ip route replace 172.16.0.0/12 via 10.20.0.9 dev {BRIDGE} onlink table {TABLE} proto 147",
    "a route's type": f"ip route replace prohibit 192.168.0.0/16 table {TABLE} proto 147",
    "a route's MTU": f"ip route change 10.20.0.0/24 dev {BRIDGE} table {TABLE} proto 147 mtu 1280",
    "a route that is gone": f"ip -6 route del prohibit fd00::/16 table {TABLE} proto 147",
    "the name of a link that routes lead to": f"ip link set {BRIDGE} down && ip link set {BRIDGE} name lwb-other up",
    "a rule's table": "ip rule del pref 10100;"
    "ip rule add pref 10100 fwmark 0x110000/0xffff0000 lookup 20018 protocol 147",
    "a rule's mark": "ip rule del pref 10102; ip rule add pref 10102 fwmark 0x120000/0xffff0000 prohibit protocol 147",
    "a rule that is no longer ours": "ip rule del pref 10101; ip rule add pref 10101 unreachable",
    "an address that is no longer ours": f"ip addr del 10.20.0.1/24 dev {BRIDGE};ip addr add 10.20.0.1/24 dev {BRIDGE}",
    "an address that is gone": f"ip addr del fd20::1/64 dev {BRIDGE}",
    "an entry's mark": f"ipset -exist add lw-src4 10.20.0.0/24,{BRIDGE} skbmark 0x120000/0xffff0000",
    "an entry's flag": "ipset del lw-net4 10.20.0.0/24; ipset add lw-net4 10.20.0.0/24 nomatch",
    "an entry that is gone": "ipset del lw-net4 10.20.0.0/24",
    "a set that has marks now": _OTHER_HEADER.format("skbinfo"),
    "a set of another name": "ipset rename lw-net4 lw-net9",
    "two sets exchanged": "ipset create lw-other hash:net; ipset swap lw-net4 lw-other",
    "a link's group": "ip link set lwv-acme-web group 0",
}


def read_around(script: str) -> tuple[HostState, HostState, HostState]:
    """Return what is read before `script`, read back by the same host after it, and read by another one."""
    host = linux()
    host.run(creation(one_of_everything()))
    before = host.read()
    subprocess.run(["sh", "-ec", script], check=True)
    return before, host.read_back([NETNS], {}).state, linux().read()


@pytest.mark.parametrize("script", CHANGES.values(), ids=CHANGES)
def test_what_changed_after_the_first_reading_is_seen(throwaway: Throwaway, script: str) -> None:
    before, after, anew = throwaway.call(read_around, script)

    assert after == anew
    assert after != before


def test_what_did_not_change_is_read_back_as_it_was(throwaway: Throwaway) -> None:
    before, after, _ = throwaway.call(read_around, "true")

    assert after == before


def test_only_the_first_reading_is_kept(throwaway: Throwaway) -> None:
    def kept() -> tuple[HostState, list[int]]:
        host = linux()
        host.read()
        host.run(creation(one_of_everything()))
        state = host.read_back([NETNS], {}).state
        known = host._known
        return state, [len(known.routes._said), len(known.entries("lw-net4")._said)]

    state, sizes = throwaway.call(kept)

    assert state == one_of_everything()
    assert sizes == [0, 0]
