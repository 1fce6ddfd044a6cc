"""laneway broken on purpose is caught by what its promises are tested with: kills, others' rules, and drift."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from integration.faults.driver import done, laneway, prepared, snapshot
from laneway.cli.wire import linux_host
from laneway.kernel import links, netns, restore_input, routes, syscalls
from laneway.kernel.host import LinuxHost
from laneway.kernel.link_messages import new_bridge, new_veth
from laneway.kernel.restore_input import Line
from laneway.kernel.route_messages import rule_request
from laneway.state.host import KINDS, HostState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from integration.throwaway import Throwaway
    from laneway.plan.steps import Step

    Mutate = Callable[[pytest.MonkeyPatch], object]


def nothing(_: pytest.MonkeyPatch) -> None:
    """Leave laneway as it is."""


def broken(*mutations: Mutate) -> Callable[[], None]:
    """Return what breaks laneway in the process that it is called in, for good."""

    def prepare() -> None:
        for mutate in mutations:
            mutate(pytest.MonkeyPatch())

    return prepare


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_before(kind: str, patch: pytest.MonkeyPatch) -> None:
    """Have the process killed when it comes to the steps of that kind."""
    honest = LinuxHost.run

    def run(self: LinuxHost, steps: Sequence[Step]) -> None:
        if steps[0].kind == kind:
            _die()
        honest(self, steps)

    patch.setattr(LinuxHost, "run", run)


def killed_before_the_mount(patch: pytest.MonkeyPatch) -> None:
    """Have the process killed when a namespace has a name, and is not yet mounted on it."""
    patch.setattr(syscalls, "pin_netns", _die)


def _without_group(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments, **options: function(*arguments, **{**options, "group": 0})


def _foreign_claim(step: Step) -> None:
    (netns.RUN / step.key).touch()


def _unmarked_namespaces(p: pytest.MonkeyPatch) -> None:
    """Leave out both that tell one of ours: the group of its `lo`, and the mark of the file that it is mounted on."""
    p.setattr(netns, "_configure", lambda *_: None)
    p.setattr(netns, "_claim", _foreign_claim)


def _by_another(request: Callable[..., Any]) -> Callable[..., Any]:
    """Return what encodes steps as `request` does, under the protocol number of the administrator's own (static)."""

    def encode(*arguments: Any, **options: Any) -> Any:
        made = request(*arguments, **options)
        return made._replace(body=made.body.replace(bytes([147]), bytes([4])))

    return encode


LATE = partial(killed_before, "files")
KILLED: dict[str, tuple[Mutate, Mutate]] = {
    "bridges that nothing marks": (LATE, lambda p: p.setattr(links, "new_bridge", _without_group(new_bridge))),
    "pairs that nothing marks": (LATE, lambda p: p.setattr(links, "new_veth", _without_group(new_veth))),
    "namespaces that nothing marks": (LATE, _unmarked_namespaces),
    "names that nothing claims": (killed_before_the_mount, lambda p: p.setattr(netns, "_claim", _foreign_claim)),
    "rules by another's number": (LATE, lambda p: p.setattr(routes, "rule_request", _by_another(rule_request))),
}


@pytest.mark.parametrize("name", KILLED)
def test_after_a_kill_destroy_leaves_what_was_not_marked_and_nothing_else(throwaway: Throwaway, name: str) -> None:
    kill, mutate = KILLED[name]
    prepared(throwaway, "nft")
    before = snapshot(throwaway)
    for mutation, as_before in ((nothing, True), (mutate, False)):
        assert laneway(throwaway, "apply", "/run/a.toml", prepare=broken(kill, mutation)).code == -signal.SIGKILL
        throwaway.sh("rm -rf /var/lib/laneway")
        with _somebody_inside(throwaway):
            laneway(throwaway, "destroy")
            assert (snapshot(throwaway) == before) is as_before


@contextmanager
def _somebody_inside(host: Throwaway) -> Iterator[None]:
    """Keep the workload's namespace alive, which would take its links along; before it is one there is nobody."""
    command = [*host.prefix, "ip", "netns", "exec", "acme-web", "sh", "-c", "echo inside; exec sleep 600"]
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, stdin=null, stdout=pipe, stderr=null, start_new_session=True) as inside:
        assert inside.stdout is not None
        inside.stdout.readline()
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                os.killpg(inside.pid, signal.SIGKILL)


def no_journal(patch: pytest.MonkeyPatch) -> None:
    """Have nothing written down before the first step."""
    from laneway.apply.journal import Journal

    patch.setattr(Journal, "begin", lambda *_: None)
    patch.setattr(Journal, "reached", lambda *_: None)


def no_note(patch: pytest.MonkeyPatch) -> None:
    """Have the note of a change that waits not written down."""
    from laneway.apply import pending

    patch.setattr(pending, "begin", lambda *_, **__: None)


@pytest.mark.parametrize(
    ("mutate", "said"),
    [
        pytest.param(no_journal, "was interrupted after step", id="no journal"),
        pytest.param(no_note, "waits for a confirmation until", id="no note"),
    ],
)
def test_what_was_not_written_down_before_a_kill_is_missed(throwaway: Throwaway, mutate: Mutate, said: str) -> None:
    asked = ("--confirm-within", "5m") if mutate is no_note else ()
    prepared(throwaway, "nft")
    for mutation, told in ((nothing, True), (mutate, False)):
        command = ("apply", *asked, "/run/a.toml")
        ended = laneway(throwaway, *command, prepare=broken(LATE, _untimed, mutation))
        assert ended.code == -signal.SIGKILL
        assert (said in laneway(throwaway, "apply", "/run/a.toml").err) is told
        throwaway.sh("rm -rf /var/lib/laneway")
        done(throwaway, "destroy")


def _untimed(patch: pytest.MonkeyPatch) -> None:
    from laneway.kernel import detached

    patch.setattr(detached, "run_laneway_later", lambda *_, **__: None)


def _by_position(patch: pytest.MonkeyPatch) -> None:
    honest = restore_input._jump_lines

    def lines(step: Step, present: Any) -> Iterator[Line]:
        for line in honest(step, present):
            yield Line(f"-D {step.key.base} 1", step) if line.text.startswith("-D ") else line

    patch.setattr(restore_input, "_jump_lines", lines)


OTHERS = "-A FORWARD -s 203.0.113.7/32 -j ACCEPT"


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_a_rule_of_others_is_missed_when_ours_is_deleted_by_its_position(throwaway: Throwaway, variant: str) -> None:
    prepared(throwaway, variant)
    done(throwaway, "apply", "/run/a.toml")
    for mutation, kept in ((nothing, True), (_by_position, False)):
        throwaway.sh(f"iptables-{variant} -D {OTHERS[3:]} 2>/dev/null || true")
        throwaway.sh(f"iptables-{variant} -I {OTHERS[3:]}")
        laneway(throwaway, "apply", "/run/a.toml", prepare=broken(mutation))
        assert (OTHERS in throwaway.sh(f"iptables-{variant}-save")) is kept


DRIFT = {
    "netns": "ip -n acme-web link set lo alias other",
    "links": "ip link set lwb-acme alias other",
    "addresses": "ip -n acme-web addr del 10.20.0.10/24 dev eth0",
    "priors": "iptables-nft -t mangle -D LANEWAY-PRIOR 1",
    "sysctls": "echo 0 > /proc/sys/net/ipv4/ip_forward",
    "routes": "ip route del unreachable default metric 4294967294 table 20017",
    "files": "rm /etc/iproute2/rt_protos.d/laneway.conf",
    "sets": "ipset create lw-other hash:net",
    "entries": "ipset del lw-net4 10.20.0.0/24",
    "fib_rules": "ip rule del pref 10000",
    "chains": "iptables-nft -F LANEWAY-FORWARD",
    "jumps": "iptables-nft -I FORWARD 1 -j ACCEPT",
    "leftovers": "iptables-legacy -N LANEWAY-X",
    "nft_tables": "nft insert rule inet laneway leaving accept",
    "nft_elements": "nft 'delete element inet laneway gateways4 { 10.20.0.1 }'",
}


def _blind(kind: str, before: HostState, patch: pytest.MonkeyPatch) -> None:
    """Have laneway see of one kind what there was before."""
    honest = LinuxHost.read

    def read(self: LinuxHost) -> HostState:
        return honest(self).replaced(**{kind: getattr(before, kind)})

    patch.setattr(LinuxHost, "read", read)


def _kinds(host: Throwaway, mutate: Mutate) -> set[str]:
    """Return the kinds of objects that a plan would mend."""
    ended = laneway(host, "plan", "--json", "/run/a.toml", prepare=broken(mutate))
    return {step["kind"] for step in json.loads(ended.out)["steps"]}


def test_drift_of_every_kind_is_missed_by_who_does_not_look_at_it(throwaway: Throwaway) -> None:
    prepared(throwaway, "nft")
    done(throwaway, "apply", "/run/a.toml")
    before = throwaway.call(lambda: linux_host("nft").read())
    for script in DRIFT.values():
        throwaway.sh(script)

    assert _kinds(throwaway, nothing) == set(KINDS) == DRIFT.keys()

    for kind in DRIFT:
        assert _kinds(throwaway, partial(_blind, kind, before)) == DRIFT.keys() - {kind}
