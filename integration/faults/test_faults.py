"""Whatever goes wrong in the middle, the host is as it was, and the operator reads which step it was and why."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import pytest

from integration.faults import sabotage, seccomp
from integration.faults.driver import Ended, Hosts, done, laneway, prepared, snapshot
from integration.faults.sabotage import netlink_refuses, script_when_begun, signals
from integration.snapshot import LINKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration.throwaway import Throwaway

VARIANTS = ["nft", "legacy"]
CHANGE = ("apply", "--prune", "/run/b.toml")
RESTORE = "iptables-{}-restore"
RESTORE_6 = "ip6tables-{}-restore"
SAVE = "iptables-{}-save"


def refused(ended: Ended, *said: str) -> None:
    """Assert that the command said that the host refused, and what, and that all is as before."""
    assert ended.code == 5, ended
    assert "Traceback" not in ended.err
    assert "has a bug" not in ended.err
    for each in said:
        assert each in ended.err, ended.err


def fails(host: Throwaway, *said: str, prepare: Callable[[], object] = lambda: None) -> None:
    """Assert that a change of a host that holds another policy is refused, and leaves it as it was."""
    before = snapshot(host)
    refused(laneway(host, *CHANGE, prepare=prepare), *said)
    assert snapshot(host) == before


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    with ExitStack() as stack:
        yield Hosts(stack)


@pytest.fixture
def applied(hosts: Hosts, variant: str) -> Throwaway:
    """A host that holds a policy."""
    return hosts.get(variant)


@pytest.fixture
def nft(hosts: Hosts) -> Throwaway:
    """The same where the variant of iptables is no matter."""
    return hosts.get("nft")


class Broken(NamedTuple):
    """A tool that does not do what it is for."""

    programs: str
    action: str
    nth: int
    said: tuple[str, ...]


READ_BACK = 3
"""The run of iptables-save that reads back: after the first look and the census of others' rules."""

TOOLS = {
    "restore fails": Broken(RESTORE, sabotage.FAIL, 0, ("iptables -t", "boom")),
    "restore fails for IPv6": Broken(RESTORE_6, sabotage.FAIL, 0, ("ip6tables -t", "boom")),
    "restore fails once": Broken(RESTORE, sabotage.FAIL, 1, ("boom",)),
    "restore fails once for IPv6": Broken(RESTORE_6, sabotage.FAIL, 1, ("boom",)),
    "restore fails though it did it": Broken(RESTORE, sabotage.FAIL_AFTER, 1, ("boom",)),
    "restore lies": Broken(RESTORE, sabotage.LIE, 0, ("differ from what was written", "iptables -t")),
    "restore lies for IPv6": Broken(RESTORE_6, sabotage.LIE, 0, ("differ from what was written", "ip6tables -t")),
    "restore lies once": Broken(RESTORE, sabotage.LIE, 1, ("differ from what was written",)),
    "restore is killed": Broken(RESTORE, sabotage.DIE, 0, ("iptables -t", "-9")),
    "restore is killed when it is done": Broken(RESTORE, sabotage.DIE_AFTER, 1, ("iptables -t", "-9")),
    "restore crashes": Broken(RESTORE, sabotage.CRASH, 0, ("iptables -t", "-11")),
    "save fails": Broken(SAVE, sabotage.FAIL, 0, ("boom",)),
    "save fails when it reads back": Broken(SAVE, sabotage.FAIL, READ_BACK, ("boom",)),
    "save is killed": Broken(SAVE, sabotage.DIE, 0, ("-9",)),
    "save prints nothing when it reads back": Broken(SAVE, "exit 0", READ_BACK, ("differ from what was written",)),
}


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_a_tool_that_fails_or_lies(applied: Throwaway, variant: str, tool: Broken) -> None:
    before = snapshot(applied)
    sabotage.replace_tools(applied, variant, tool.programs.format(variant), tool.action, nth=tool.nth)

    ended = laneway(applied, *CHANGE)

    sabotage.restore_tools(applied, variant)
    refused(ended, *tool.said)
    assert snapshot(applied) == before


@pytest.mark.parametrize("programs", [RESTORE, RESTORE_6, SAVE])
@pytest.mark.parametrize("action", [sabotage.HANG, sabotage.HANG_AFTER], ids=["hangs", "hangs when it is done"])
def test_a_tool_that_hangs(applied: Throwaway, variant: str, programs: str, action: str) -> None:
    before = snapshot(applied)
    nth = 1 if programs != SAVE else READ_BACK
    sabotage.replace_tools(applied, variant, programs.format(variant), action, nth=nth)

    ended = laneway(applied, *CHANGE, prepare=sabotage.impatient)

    sabotage.restore_tools(applied, variant)
    refused(ended, "did not end within 1 seconds")
    assert snapshot(applied) == before


def test_a_held_xtables_lock_is_told_within_seconds(applied: Throwaway, variant: str) -> None:
    before = snapshot(applied)
    holding = [*applied.prefix, "flock", "/run/xtables.lock", "sh", "-c", "echo held; exec sleep 60"]
    with subprocess.Popen(holding, stdout=subprocess.PIPE, text=True, start_new_session=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        began = time.monotonic()
        ended = laneway(applied, *CHANGE)
        seconds = time.monotonic() - began
        os.killpg(holder.pid, signal.SIGKILL)

    if variant == "nft":  # whose changes are transactions of the kernel's: it takes no lock
        assert ended.code == 0
    else:
        refused(ended, "the xtables lock is held by")
        assert snapshot(applied) == before
    assert seconds < 30


def _hidden(host: Throwaway, arrange: str, mend: str, *said: str) -> None:
    """Assert that a change fails while something on the host is covered by something else."""
    before = snapshot(host)
    host.sh(arrange)

    ended = laneway(host, *CHANGE)

    host.sh(mend)
    refused(ended, *said)
    assert snapshot(host) == before


FILL = "cat /dev/zero > {0}/fill 2>/dev/null || true"


@pytest.mark.parametrize(
    ("arrange", "mend", "said"),
    [
        pytest.param(
            "mount --bind /etc/iproute2 /etc/iproute2; mount -o remount,bind,ro /etc/iproute2",
            "umount /etc/iproute2",
            ("rt_tables.d/laneway.conf", "it is read-only"),
            id="read-only /etc/iproute2",
        ),
        pytest.param(
            "cp -r /etc/iproute2 /run/copy; mount -t tmpfs -o size=64k tmpfs /etc/iproute2;"
            f"cp -r /run/copy/. /etc/iproute2; {FILL.format('/etc/iproute2')}",
            "umount /etc/iproute2",
            ("rt_tables.d/laneway.conf", "there is no room left"),
            id="full /etc/iproute2",
        ),
        pytest.param(
            "mount --bind /var/lib/laneway /var/lib/laneway; mount -o remount,bind,ro /var/lib/laneway",
            "umount /var/lib/laneway",
            ("/var/lib/laneway", "it is read-only", "nothing on the host was touched"),
            id="read-only state directory",
        ),
        pytest.param(
            f"mount -t tmpfs -o size=4k tmpfs /var/lib/laneway; {FILL.format('/var/lib/laneway')}",
            "umount /var/lib/laneway",
            ("/var/lib/laneway", "there is no room left", "nothing on the host was touched"),
            id="full state directory",
        ),
        pytest.param(
            "mv /var/lib/laneway /var/lib/kept; touch /var/lib/laneway",
            "rm /var/lib/laneway; mv /var/lib/kept /var/lib/laneway",
            ("/var/lib/laneway", "nothing on the host was touched"),
            id="no state directory",
        ),
        pytest.param(
            "ip link set eth0 alias x; echo 0 > /proc/sys/net/ipv6/conf/all/forwarding;"
            "f=/proc/sys/net/ipv6/conf/all/forwarding; mount --bind $f $f; mount -o remount,bind,ro $f",
            "umount /proc/sys/net/ipv6/conf/all/forwarding; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding;"
            "ip link set eth0 alias ''",
            ("sysctl -w net/ipv6/conf/all/forwarding=1", "read-only"),
            id="read-only sysctl",
        ),
        pytest.param(
            "echo 0 > /proc/sys/net/ipv4/ip_forward; mount --bind /dev/null /proc/sys/net/ipv4/ip_forward",
            "umount /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv4/ip_forward",
            ("net/ipv4/ip_forward",),
            id="a sysctl that forgets",
        ),
    ],
)
def test_files_that_cannot_be_written(nft: Throwaway, arrange: str, mend: str, said: tuple[str, ...]) -> None:
    _hidden(nft, arrange, mend, *said)


@pytest.mark.parametrize("size", range(4, 44, 4))
def test_a_small_disk_takes_all_or_nothing(nft: Throwaway, size: int) -> None:
    nft.sh(f"mount -t tmpfs -o size={size}k tmpfs /var/lib/laneway")
    before = snapshot(nft)

    ended = laneway(nft, *CHANGE)

    left = nft.sh("ls -A /var/lib/laneway/generations 2>/dev/null || true")
    nft.sh("umount /var/lib/laneway")
    if ended.code:
        refused(ended, "there is no room left; nothing on the host was touched")
        assert snapshot(nft) == before
        assert left == ""
    else:
        assert laneway(nft, "plan", "--prune", "/run/b.toml").code == 0
        assert left == "1\n"


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        pytest.param(sabotage.few_files, (), id="few open files"),
        pytest.param(sabotage.small_files, ("nothing on the host was touched",), id="no large files"),
        pytest.param(netlink_refuses(errno.ENOBUFS, nth=2), ("out of buffers",), id="ENOBUFS"),
        pytest.param(netlink_refuses(errno.ENOMEM, nth=3), ("out of memory",), id="ENOMEM"),
        pytest.param(netlink_refuses(errno.EPERM, nth=4), ("does not permit",), id="EPERM"),
        pytest.param(netlink_refuses(errno.EBUSY, nth=5), ("in use",), id="EBUSY"),
        pytest.param(netlink_refuses(errno.EOPNOTSUPP, nth=6), ("not support",), id="EOPNOTSUPP"),
        pytest.param(netlink_refuses(errno.EINVAL, nth=8), ("invalid",), id="EINVAL"),
    ],
)
def test_a_kernel_that_refuses(nft: Throwaway, prepare: Callable[[], None], said: tuple[str, ...]) -> None:
    fails(nft, *said, prepare=prepare)


@pytest.mark.parametrize(
    ("script", "mend", "said"),
    [
        pytest.param(
            "ip link add lwb-globex type bridge", "ip link del lwb-globex", ("lwb-globex", "already"), id="bridge"
        ),
        pytest.param("ip netns add globex-app", "ip netns del globex-app", ("globex-app", "not laneway's"), id="netns"),
        pytest.param("touch /run/netns/globex-app", "rm /run/netns/globex-app", ("globex-app", "already"), id="file"),
        pytest.param(
            "ip route add unreachable default table 20025 metric 4294967294",
            "ip route flush table 20025",
            ("table 20025", "not laneway's"),
            id="route",
        ),
        pytest.param(
            "ip -6 route add default dev eth0 table 20025", "ip -6 route flush table 20025", (), id="route of IPv6"
        ),
        pytest.param(
            "mkdir /etc/iproute2/rt_tables.d/.laneway.conf.laneway",
            "rmdir /etc/iproute2/rt_tables.d/.laneway.conf.laneway",
            ("rt_tables.d/laneway.conf",),
            id="directory in the way",
        ),
    ],
)
def test_a_stranger_who_comes_in_between(nft: Throwaway, script: str, mend: str, said: tuple[str, ...]) -> None:
    before = snapshot(nft)

    ended = laneway(nft, *CHANGE, prepare=script_when_begun(script))

    with_theirs = snapshot(nft)
    nft.sh(mend)
    refused(ended, *said)
    # What is in a lane's own table is laneway's to take away.
    assert (with_theirs == before) == ("table 20025" in script)
    assert snapshot(nft) == before


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("for n in 10000 10001 10001 10001; do ip rule del pref $n; done", id="rules"),
        pytest.param("ipset flush lw-net4", id="set"),
        pytest.param("ip link set lwb-acme down", id="link down"),
        pytest.param("ip addr flush dev lwb-acme", id="addresses"),
    ],
)
def test_damage_done_meanwhile_is_mended_on_the_way_back(nft: Throwaway, script: str) -> None:
    # Not the whole of it: what the kernel adds to a link that goes up, its link-local address, is made anew.
    look = f"ipset save | sort; {LINKS}; ip -o addr show dev lwb-acme | grep -v fe80; ip rule"
    before = nft.sh(look)

    refused(laneway(nft, *CHANGE, prepare=script_when_begun(f"{script} || true")), "differ from what was written")

    assert laneway(nft, "plan", "--prune", "/run/a.toml").code == 0
    assert nft.sh(look) == before


@pytest.mark.parametrize("script", ["ip link del eth1", "ip link set eth1 down"], ids=["deleted", "down"])
@pytest.mark.parametrize("event", [1, 30, 60])
def test_an_uplink_that_goes_in_the_middle(nft: Throwaway, script: str, event: int) -> None:
    before = snapshot(nft)

    ended = laneway(nft, *CHANGE, prepare=lambda: sabotage.at_event(event, lambda: sabotage.shell(script)))

    refused(ended)
    assert _without_south(snapshot(nft)) == _without_south(before)
    # What is left of it is what a new apply makes of a host without that uplink.
    done(nft, "apply", "--prune", "/run/a.toml")
    assert laneway(nft, "plan", "--prune", "/run/a.toml").code == 0


def _without_south(text: str) -> list[str]:
    theirs = ("eth1", "isp1", "198.51.100.", "2001:db8:b:")
    return [line for line in text.splitlines() if not any(each in line for each in theirs)]


@pytest.mark.parametrize("event", [1, 5, 12, 25, 40, 60, 80])
@pytest.mark.parametrize(
    "numbers",
    [(signal.SIGTERM,), (signal.SIGINT,), (signal.SIGHUP,), (signal.SIGINT, signal.SIGINT)],
    ids=["SIGTERM", "SIGINT", "SIGHUP", "Ctrl-C twice"],
)
def test_a_signal_in_the_middle_plans_back(nft: Throwaway, numbers: tuple[int, ...], event: int) -> None:
    fails(
        nft,
        "interrupted by SIG",
        "step",
        "Rolled back: the previous state is restored.",
        prepare=signals(*numbers, events=event),
    )


def test_a_second_signal_does_not_stop_the_way_back(nft: Throwaway) -> None:
    def prepare() -> None:
        for event in range(20, 400, 10):
            sabotage.at_event(event, lambda: os.killpg(0, signal.SIGINT))

    fails(nft, "interrupted by SIGINT", prepare=prepare)


def test_an_ignored_signal_is_ignored(nft: Throwaway) -> None:
    def prepare() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup(1) does
        signals(signal.SIGHUP, events=10)()

    assert laneway(nft, *CHANGE, prepare=prepare).code == 0


def test_flows_that_cannot_be_moved_leave_them_where_they_were(nft: Throwaway) -> None:
    def prepare() -> None:
        from laneway.errors import HostRefused
        from laneway.kernel import conntrack

        def refuse(_: object) -> None:
            raise HostRefused("cannot forget flows")

        conntrack.forget = refuse  # type: ignore[assignment]

    fails(nft, "cannot forget flows", prepare=prepare)


def test_a_bug_in_the_middle_leaves_nothing_half_done(nft: Throwaway) -> None:
    def prepare() -> None:
        from laneway.kernel import routes

        def broken(*_: object) -> None:
            raise ZeroDivisionError

        routes.run_rules = broken  # type: ignore[assignment]

    before = snapshot(nft)

    assert laneway(nft, *CHANGE, prepare=prepare).code == 1

    assert snapshot(nft) == before


WANTS = {
    "no process": (seccomp.PROCESSES, ("Resource temporarily unavailable",)),
    "no thread": (seccomp.THREADS, ("gives this process no further thread",)),
    "no ipset": (seccomp.NETFILTER, ("this kernel does not have that subsystem",)),
    "no netlink socket": (seccomp.ROUTING, ("the kernel is out of buffers",)),
    "no way into network namespaces": (seccomp.NETNS, ("cannot look into network namespace", "out of memory")),
}


@pytest.mark.parametrize(("calls", "said"), WANTS.values(), ids=WANTS)
def test_what_the_kernel_wants_from_the_start_changes_nothing(
    nft: Throwaway, calls: tuple[seccomp.Refused, ...], said: tuple[str, ...]
) -> None:
    fails(nft, *said, prepare=partial(seccomp.forbid, calls))


@pytest.mark.parametrize("calls", [calls for calls, _ in WANTS.values()], ids=WANTS)
@pytest.mark.parametrize("event", [1, 30])
def test_what_the_kernel_wants_from_the_middle_on_is_told_in_commands(
    nft: Throwaway, calls: tuple[seccomp.Refused, ...], event: int
) -> None:
    before = sorted(snapshot(nft).splitlines())

    ended = laneway(nft, *CHANGE, prepare=partial(sabotage.at_event, event, partial(seccomp.forbid, calls)))

    assert ended.code in (5, 6), ended  # of one that was met before anything was done, nothing is left
    assert "Traceback" not in ended.err
    assert ("Rollback failed" in ended.err) == (ended.code == 6)
    _, _, commands = ended.err.partition("apply again\n")
    nft.run(["sh"], input=commands, check=False)
    assert sorted(snapshot(nft).splitlines()) == before


BUSY = """
for n in $(seq 50); do echo "link add busy$n type veth peer name ysub$n"; done | ip -batch -
ip link add n0 type veth peer name n9
while :; do ip link set n0 name n1; ip link set n1 name n0; done
"""


def test_links_that_change_while_they_are_read_hide_none_of_ours(throwaway: Throwaway) -> None:
    prepared(throwaway, "nft")
    done(throwaway, "apply", "/run/a.toml")
    command = [*throwaway.prefix, "sh", "-c", BUSY]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL) as writer:
        try:
            ended = laneway(throwaway, *CHANGE)
        finally:
            os.killpg(writer.pid, signal.SIGKILL)

    if ended.code == 5:  # they changed too fast to be read at all
        refused(ended, "change faster than they can be read")
    policy = "/run/b.toml" if ended.code == 0 else "/run/a.toml"
    assert laneway(throwaway, "plan", "--prune", policy).code == 0


def test_when_going_back_fails_too_the_commands_that_remain_are_told(applied: Throwaway, variant: str) -> None:
    before = snapshot(applied)
    # IPv4 is written once; from then on nothing is, and so neither IPv6 nor the way back.
    lives_once = f'[ "$name" = {RESTORE.format(variant)} ] && [ $count = 1 ] && {{ real "$@"; exit; }}; {sabotage.FAIL}'
    sabotage.replace_tools(applied, variant, f"{RESTORE}|{RESTORE_6}".replace("{}", variant), lives_once)

    ended = laneway(applied, *CHANGE)

    sabotage.restore_tools(applied, variant)
    assert (ended.code, "Rollback failed" in ended.err) == (6, True), ended
    assert "hint: type the commands below" in ended.err
    assert f"iptables-{variant}-restore -w 5 --noflush <<'END'\n*nat\n" in ended.err
    done(applied, "apply", "--prune", "/run/a.toml")
    assert snapshot(applied) == before
