"""While others come, change, fail and go, an unaffected tenant loses no packet, and none takes a wrong uplink."""

from __future__ import annotations

import itertools
import time
from functools import partial
from typing import TYPE_CHECKING, Literal

import pytest

from integration.hitless.early import Tap, send_from_the_first_moment
from integration.hitless.flood import Flood, arrived, count
from laneway.apply.transaction import transact
from laneway.cli.wire import carry_out, look_at
from laneway.errors import HostRefused, StepFailed
from laneway.lab.run import Lab
from laneway.policy.load import load_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from laneway.plan.steps import Step
    from laneway.policy.model import PolicySet

Variant = Literal["nft", "legacy"]

BASE = """
[uplinks.north]
interface = "eth0"
gateways = ["192.0.2.1", "2001:db8:a::1"]

[uplinks.south]
interface = "eth1"
gateways = ["198.51.100.1", "2001:db8:b::1"]

[tenants.steady]
subnets = ["10.20.0.0/24", "fd20::/64"]
uplinks = ["north", "south"]
[tenants.steady.workloads.web]
addresses = ["10.20.0.10", "fd20::10"]
publish = ["8080:80/tcp"]
"""

OTHER = """
[tenants.moving]
subnets = ["10.30.0.0/24", "fd30::/64"]
uplinks = ["{uplink}"]
[tenants.moving.workloads.app]
addresses = ["10.30.0.10", "fd30::10"]
publish = ["{port}:80/tcp"]
"""

CLASSES = """
[[tenants.moving.classes]]
name = "quiet"
match = { protocol = "tcp", ports = [25] }
action = "reject"
"""

GUEST = """
[tenants.guest]
subnets = ["10.40.0.0/24", "fd40::/64"]
uplinks = ["south", "north"]
snat = { north = ["192.0.2.30"] }
[tenants.guest.workloads.app]
addresses = ["10.40.0.10", "fd40::10"]
"""

ROUND = (
    BASE,
    BASE + OTHER.format(uplink="south", port=9000),
    BASE + OTHER.format(uplink="north", port=9000),
    BASE + OTHER.format(uplink="north", port=9001) + CLASSES + GUEST,
    BASE + OTHER.format(uplink="south", port=9001) + GUEST,
)
ROUNDS = 10
STEADY, MOVING, BULK = 9999, 9998, 9997


def policy(text: str, variant: Variant) -> PolicySet:
    """Return the policy for a host of this variant."""
    loaded = load_text(text)
    return loaded._replace(host=loaded.host._replace(iptables=variant))


def change_again_and_again(variant: Variant) -> int:
    """Apply the policies in turn; return how many times anything changed."""
    changed = 0
    for _ in range(ROUNDS):
        for text in ROUND:
            changed += carry_out(look_at(policy(text, variant), prune=True)).changed
    return changed


def fail_again_and_again(variant: Variant) -> int:
    """Fail in the middle of changes, at one step after another, and go back; return how many times."""
    failures = 0
    for number in range(6):
        scene = look_at(policy(ROUND[3], variant), prune=True)
        scene.kernel.run = _failing(scene.kernel.run, number + 2)  # type: ignore[method-assign, assignment]
        try:
            transact(scene.kernel, desired=scene.aim.desired, observed=scene.observed, field=scene.aim.lanes.field)
        except HostRefused:
            failures += 1
    return failures


def _failing(honest: Callable[[Sequence[Step]], None], at: int) -> Callable[[Sequence[Step]], None]:
    """Return a `run` that fails, once, at its call number `at`."""
    calls = itertools.count(1)

    def run(steps: Sequence[Step]) -> None:
        if next(calls) == at:
            raise StepFailed(steps[0], "broken on purpose")
        honest(steps)

    return run


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_fifty_changes_of_others_cost_nobody_a_packet(variant: Variant) -> None:
    with Lab(policy(ROUND[-1], variant)) as lab:
        lab.call(lambda: carry_out(look_at(policy(BASE, variant))).changed)
        count(lab, STEADY)
        flood = Flood(lab, "steady-web", STEADY)
        time.sleep(0.5)

        changed = lab.call(lambda: change_again_and_again(variant))
        failures = lab.call(lambda: fail_again_and_again(variant))
        sent = flood.stop()

        seen = arrived(lab)
    assert changed >= 49
    assert failures == 6
    assert sent > 1000
    assert seen == {
        ("north", STEADY, 4): sent,
        ("north", STEADY, 6): sent,
        ("south", STEADY, 4): 0,
        ("south", STEADY, 6): 0,
    }


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_a_tenant_that_moves_leaves_by_its_uplinks_and_no_other(variant: Variant) -> None:
    both = ROUND[1:3]  # one tenant by south alone, then by north alone
    with Lab(policy(both[0], variant)) as lab:
        lab.call(lambda: carry_out(look_at(policy(both[0], variant))).changed)
        count(lab, STEADY, MOVING)
        flood = Flood(lab, "moving-app", MOVING)
        time.sleep(0.5)
        before = arrived(lab)

        lab.call(lambda: carry_out(look_at(policy(both[1], variant))).changed)
        between = arrived(lab)
        time.sleep(0.5)
        after = arrived(lab)
        flood.stop()

    for family in (4, 6):
        assert before["north", MOVING, family] == 0
        assert before["south", MOVING, family] > 0
        assert after["south", MOVING, family] == between["south", MOVING, family]
        assert after["north", MOVING, family] > between["north", MOVING, family]


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_destroying_the_others_costs_nobody_a_packet(variant: Variant) -> None:
    with Lab(policy(ROUND[-1], variant)) as lab:
        lab.call(lambda: carry_out(look_at(policy(ROUND[-1], variant))).changed)
        count(lab, STEADY)
        flood = Flood(lab, "steady-web", STEADY)
        time.sleep(0.5)

        lab.call(lambda: carry_out(look_at(policy(BASE, variant), prune=True)).changed)
        sent = flood.stop()

        seen = arrived(lab)
    assert seen["north", STEADY, 4] == seen["north", STEADY, 6] == sent
    assert seen["south", STEADY, 4] == seen["south", STEADY, 6] == 0


def apply_slowly(variant: Variant) -> dict[str, set[str]]:
    """Apply for the first time with a pause after every lot; return who sent meanwhile, and after, by what."""
    taps = {interface: Tap(interface) for interface in ("eth0", "eth1")}
    scene = look_at(policy(ROUND[1], variant))
    scene.kernel.run = _followed_by_a_pause(scene.kernel.run)  # type: ignore[method-assign, assignment]
    transact(scene.kernel, desired=scene.aim.desired, observed=scene.observed, field=scene.aim.lanes.field)
    time.sleep(2.5)  # who asked for the gateway's link address before the host let it in asks again after a second
    return {interface: tap.sources(MOVING) for interface, tap in taps.items()}


def _followed_by_a_pause(honest: Callable[[Sequence[Step]], None]) -> Callable[[Sequence[Step]], None]:
    def run(steps: Sequence[Step]) -> None:
        honest(steps)
        time.sleep(0.05)

    return run


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_a_workload_that_sends_from_its_first_moment_leaves_by_its_lane_and_no_other_way(variant: Variant) -> None:
    forwards = {"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1"}  # as Docker's host does
    with Lab(policy(ROUND[1], variant), sysctls=forwards) as lab:
        send_from_the_first_moment(lab, "moving-app", MOVING)

        sources = lab.call(lambda: apply_slowly(variant))

    assert sources == {"eth0": set(), "eth1": {"198.51.100.2", "2001:db8:b::2"}}


HERE, THERE = (
    """
[uplinks.north]
interface = "{}"
gateways = ["{}", "{}"]
""".format(*each)
    + OTHER.format(uplink="north", port=9000)
    for each in (("eth0", "192.0.2.1", "2001:db8:a::1"), ("eth1", "198.51.100.1", "2001:db8:b::1"))
)


def move_and_fail(variant: Variant) -> dict[str, set[str]]:
    """Move an uplink to another interface, slowly, fail at the end and go back; return who sent by what meanwhile."""
    taps = {interface: Tap(interface) for interface in ("eth0", "eth1")}
    scene = look_at(policy(THERE, variant))
    scene.kernel.run = _followed_by_a_pause(scene.kernel.run)  # type: ignore[method-assign, assignment]
    scene.kernel.forget = _refuse  # type: ignore[method-assign, assignment]
    with pytest.raises(HostRefused, match="broken on purpose"):
        transact(scene.kernel, desired=scene.aim.desired, observed=scene.observed, field=scene.aim.lanes.field)
    time.sleep(0.5)
    return {interface: tap.sources(MOVING) for interface, tap in taps.items()}


def _refuse(*_: object) -> None:
    raise HostRefused("broken on purpose", "mend it")


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_an_uplink_that_moves_translates_all_that_leaves_by_it_there_and_back(variant: Variant) -> None:
    with Lab(policy(ROUND[1], variant)) as lab:
        lab.call(lambda: carry_out(look_at(policy(HERE, variant))).changed)
        send_from_the_first_moment(lab, "moving-app", MOVING)
        time.sleep(2.5)

        sources = lab.call(lambda: move_and_fail(variant))

    assert sources == {"eth0": {"192.0.2.2", "2001:db8:a::2"}, "eth1": {"198.51.100.2", "2001:db8:b::2"}}


TURNS = [
    OTHER.format(uplink='", "'.join(order), port=9000)
    + """
[[tenants.moving.classes]]
name = "bulk"
match = { protocol = "udp", ports = [9997] }
uplink = "south"
[[tenants.moving.classes]]
name = "other"
match = { protocol = "udp", ports = [9998] }
uplink = "north"
"""
    for order in (("north", "south"), ("south", "north"))
]


def apply_with_pauses(text: str, variant: Variant) -> int:
    """Apply with a pause after every lot, and without the tenants that it does not name; return whether it changed."""
    scene = look_at(policy(text, variant), prune=True)
    scene.kernel.run = _followed_by_a_pause(scene.kernel.run)  # type: ignore[method-assign, assignment]
    return carry_out(scene).changed


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_a_class_stays_by_its_uplink_while_the_tenants_uplinks_change_places(variant: Variant) -> None:
    one, other = (BASE + each for each in TURNS)
    with Lab(policy(one, variant)) as lab:
        lab.call(lambda: carry_out(look_at(policy(one, variant))).changed)
        count(lab, MOVING)
        flood = Flood(lab, "moving-app", MOVING, anew=True)
        time.sleep(0.3)

        changed = [lab.call(partial(apply_with_pauses, each, variant)) for each in (other, one)]
        sent = flood.stop()

        seen = arrived(lab)
    assert all(changed)
    assert sent > 100
    assert seen["south", MOVING, 4] == seen["south", MOVING, 6] == 0
    assert seen["north", MOVING, 4] == seen["north", MOVING, 6] == sent


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_a_class_keeps_its_uplink_until_its_tenant_is_gone(variant: Variant) -> None:
    with Lab(policy(BASE + TURNS[0], variant)) as lab:
        lab.call(lambda: carry_out(look_at(policy(BASE + TURNS[0], variant))).changed)
        count(lab, BULK)
        Flood(lab, "moving-app", BULK, anew=True)
        time.sleep(0.3)
        before = arrived(lab)

        assert lab.call(partial(apply_with_pauses, BASE, variant))

        seen = arrived(lab)
    for family in (4, 6):
        assert before["south", BULK, family] > 0
        assert seen["north", BULK, family] == 0
