"""Root inside workloads does its worst, all at once: the host is changed, and changed back, all the same."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from integration.faults.attacks import HOSTILE, advertise, ended, turn_hostile
from integration.faults.driver import GLOBEX, POLICY, Ended, laneway, prepared, write
from integration.throwaway import Throwaway

if TYPE_CHECKING:
    from collections.abc import Iterator

SOON = 2  # seconds until what nobody confirms is taken back


class Timed(NamedTuple):
    """A command, what it came to, and how long it took."""

    ended: Ended
    seconds: float

    @property
    def said(self) -> dict[str, Any]:
        """What it answered as JSON."""
        answer: dict[str, Any] = json.loads(self.ended.out)
        return answer


def timed(host: Throwaway, *arguments: str) -> Timed:
    begun = time.monotonic()
    return Timed(laneway(host, *arguments), time.monotonic() - begun)


def acme(*, uplinks: str, port: int) -> str:
    """Return the policy of a tenant with a workload for each kind of hostility."""
    text = f'[tenants.acme]\nsubnets = ["10.20.0.0/24", "fd20::/64"]\nuplinks = [{uplinks}]\n'
    for number, name in enumerate(HOSTILE, 10):
        addresses = f'["10.20.0.{number}", "fd20::{number}"]'
        published = f'["{port + number}:80/tcp"]'
        text += f"[tenants.acme.workloads.{name}]\naddresses = {addresses}\npublish = {published}\n"
    return text


class Story(NamedTuple):
    """What was done on a host with hostile workloads, in order."""

    calm: Timed  # a change before
    verify: Timed
    plan: Timed
    other: Timed  # another tenant is changed
    own: Timed
    status: Timed
    rollback: Timed
    unconfirmed: Timed
    taken_back: float  # seconds after the time to confirm it was over
    marks: list[str]  # how many ports of acme's other policy are published, after each of the changes
    reach: dict[str, bool]
    again: Timed
    destroy: Timed
    left: str


@pytest.fixture(scope="module", params=["nft", "legacy"])
def story(request: pytest.FixtureRequest) -> Iterator[Story]:
    with Throwaway() as host:
        prepared(host, request.param)
        head = POLICY.format(variant=request.param)
        write(host, "globex.toml", head + GLOBEX)
        write(host, "globex2.toml", head + GLOBEX.replace('"south", "north"', '"north", "south"'))
        write(host, "acme.toml", head + acme(uplinks='"north", "south"', port=8000))
        write(host, "acme2.toml", head + acme(uplinks='"south", "north"', port=9000))
        assert laneway(host, "apply", "/run/acme.toml").code == 0
        calm = timed(host, "apply", "/run/globex.toml")
        loops = turn_hostile(host)
        try:
            yield told(host, calm)
        finally:
            ended(loops)
            host.sh("for pid in $(ip netns pids acme-ok); do kill -9 $pid; done 2>/dev/null || :")


def told(host: Throwaway, calm: Timed) -> Story:
    verify = timed(host, "verify", "--json", "/run/acme.toml")
    plan = timed(host, "plan", "--json", "/run/globex.toml")
    other = timed(host, "apply", "--json", "/run/globex2.toml")
    own = timed(host, "apply", "--json", "/run/acme2.toml")
    marks = [host.sh("ipset save | grep -c 'tcp:90' || :").strip()]
    status = timed(host, "status", "--json")
    rollback = timed(host, "rollback", "--json")
    marks.append(host.sh("ipset save | grep -c 'tcp:90' || :").strip())
    unconfirmed = timed(host, "apply", "--confirm-within", f"{SOON}s", "/run/acme2.toml")
    marks.append(host.sh("ipset save | grep -c 'tcp:90' || :").strip())
    begun = time.monotonic()
    while host.sh("ls -A /var/lib/laneway/pending 2>/dev/null || :") and time.monotonic() < begun + 60:
        time.sleep(0.2)
    taken_back = time.monotonic() - begun - SOON
    marks.append(host.sh("ipset save | grep -c 'tcp:90' || :").strip())
    pings = {
        f"{name} {to}": host.run(["ip", "netns", "exec", name, "ping", "-c1", "-W5", to], check=False).returncode == 0
        for name, to in (
            ("globex-app", "10.30.0.1"),
            ("globex-app", "fd30::1"),
            ("acme-ok", "10.20.0.1"),
            ("acme-ok", "fd20::1"),
        )
    }
    again = timed(host, "apply", "/run/acme2.toml")
    destroy = timed(host, "destroy", "--json")
    left = host.sh(
        "ip -o link | grep -E 'lw[bv]' || :; ip rule | grep 147 || :; ipset list -n | grep ^lw- || :; ls /run/netns"
    )
    changes = (other, own, status, rollback, unconfirmed)
    return Story(calm, verify, plan, *changes, taken_back, marks, pings, again, destroy, left)


def test_every_change_of_the_host_is_made(story: Story) -> None:
    for each in (story.other, story.own, story.again, story.rollback, story.unconfirmed, story.destroy):
        assert each.ended.code == 0, each
    assert [each != "0" for each in story.marks] == [True, False, True, False]


def test_a_change_that_nobody_confirms_is_taken_back_in_time(story: Story) -> None:
    # It has to be begun, to wait for the lock, and to look at everything twice.
    assert story.taken_back < 15 + 10 * story.calm.seconds


def test_honest_workloads_are_reached(story: Story) -> None:
    assert story.reach == dict.fromkeys(story.reach, True)


def test_what_is_not_as_the_policy_says_is_named_for_its_workload(story: Story) -> None:
    assert (story.verify.ended.code, story.status.ended.code) == (4, 4)
    told = story.verify.said["workloads"]
    for name, attack in HOSTILE.items():
        said = told.get(f"acme/{name}", "")
        assert attack.loop or (attack.seen in said and bool(attack.seen) == bool(said)), (name, said)
    assert not [each for each in told if not each.startswith("acme/")]


def test_a_change_says_which_workloads_it_could_not_mend(story: Story) -> None:
    told = story.other.said["workloads"]
    calm = {name: attack for name, attack in HOSTILE.items() if not attack.loop}
    assert {name for name in calm if f"acme/{name}" in told} == {name for name, each in calm.items() if each.stays}
    assert "workload acme/noipv6all is not as the policy says: " in story.again.ended.err
    assert story.plan.said["workloads"].keys() >= {f"acme/{name}" for name, each in calm.items() if each.stays}
    assert story.status.said["workloads"].keys() >= {f"acme/{name}" for name, each in calm.items() if each.stays}


def test_nothing_waits_long(story: Story) -> None:
    # All of them are looked into and mended; loops without end share the processors.
    assert max(story.other.seconds, story.own.seconds, story.destroy.seconds) < 10 + 5 * story.calm.seconds


def test_destroy_leaves_nothing(story: Story) -> None:
    assert story.left.split() == ["acme-fifo", "acme-others", "acme-plainfile", "acme-symlink", "theirs"]


def test_a_sibling_s_router_advertisement_is_taken_by_nobody(throwaway: Throwaway) -> None:
    prepared(throwaway, "nft")
    head = POLICY.format(variant="nft")
    names = ("web", "db")
    text = '[tenants.acme]\nsubnets = ["10.20.0.0/24", "fd20::/64"]\nuplinks = ["north"]\n'
    for number, name in enumerate(names, 10):
        text += f'[tenants.acme.workloads.{name}]\naddresses = ["10.20.0.{number}", "fd20::{number}"]\n'
    write(throwaway, "acme.toml", head + text)
    assert laneway(throwaway, "apply", "/run/acme.toml").code == 0
    defaults = throwaway.sh("ip -n acme-web -6 route show default")
    throwaway.sh("while ip -n acme-db -6 addr | grep -q tentative; do sleep 0.1; done")

    throwaway.call(inside, "acme-db")

    time.sleep(1)
    assert throwaway.sh("ip -n acme-web -6 route show default") == defaults
    assert (
        throwaway.sh("ip netns exec acme-web cat /proc/net/snmp6 | grep Icmp6InRouterAdvertisements").split()[1] == "1"
    )
    for family, name in (("ipv6", "accept_ra"), ("ipv6", "accept_redirects"), ("ipv4", "accept_redirects")):
        for conf in ("all", "default", "eth0"):
            key = f"/proc/sys/net/{family}/conf/{conf}/{name}"
            assert throwaway.sh(f"ip netns exec acme-web cat {key}") == "0\n", key

    # So it does come to that in a workload whose root listens, and then is told of it.
    throwaway.sh("echo 1 | ip netns exec acme-web tee /proc/sys/net/ipv6/conf/eth0/accept_ra")
    throwaway.call(inside, "acme-db")
    time.sleep(1)
    assert "proto ra" in throwaway.sh("ip -n acme-web -6 route show default")
    verify = timed(throwaway, "verify", "--json", "/run/acme.toml")
    assert (verify.ended.code, list(verify.said["workloads"])) == (4, ["acme/web"])
    assert laneway(throwaway, "apply", "/run/acme.toml").code == 0
    assert throwaway.sh("ip netns exec acme-web cat /proc/sys/net/ipv6/conf/eth0/accept_ra") == "0\n"


def inside(name: str) -> None:
    """Advertise from inside a workload."""
    from laneway.kernel.syscalls import enter_netns

    enter_netns(f"/run/netns/{name}")
    advertise()
