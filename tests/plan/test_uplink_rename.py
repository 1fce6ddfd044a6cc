"""An uplink becomes another interface in one apply, and a tenant changes what goes by it in another."""

from __future__ import annotations

import pytest

from laneway.apply.target import target
from laneway.plan.conflicts.uplink_rename import uplink_renames
from laneway.policy.model import PolicySet, Tenant, Uplink
from laneway.state.host import HostState
from tests.worlds import FACTS, NORTH, SOUTH, tenant, with_uplinks, world

EAST = NORTH._replace(name="east", interface="eth2")
ACME = tenant("acme", 1)._replace(snat=())
FACTS = FACTS._replace(interfaces=frozenset({"eth0", "eth1", "eth2"}))


def at(uplink: Uplink, interface: str) -> Uplink:
    return uplink._replace(interface=interface)


def by(*uplinks: str, to: str = "south") -> Tenant:
    """Return acme by some uplinks, its class by another."""
    return ACME._replace(uplinks=uplinks, classes=tuple(each._replace(uplink=to) for each in ACME.classes))


def renames(before: PolicySet, policy: PolicySet, **lost: object) -> list[str]:
    """Return what is said of one policy after another, on a host that has lost something."""
    observed = target(before, HostState(), FACTS).desired.replaced(**lost)  # type: ignore[arg-type]
    aim = target(policy, observed, FACTS)
    assert aim.desired.links
    return [each.what for each in uplink_renames(observed, aim.desired, aim.lanes)]


BEFORE = world(by("north", "south"))
EXCHANGED = with_uplinks(BEFORE, at(NORTH, "eth1"), at(SOUTH, "eth0"))


@pytest.mark.parametrize("lost", [{}, {"chains": {}}], ids=["", "walls flushed"])
@pytest.mark.parametrize(
    "policy",
    [
        pytest.param(with_uplinks(world(by("south", "north", to="north")), *EXCHANGED.uplinks), id="names exchanged"),
        pytest.param(with_uplinks(world(by("south", "north")), at(NORTH, "eth2"), SOUTH), id="another first lane"),
        pytest.param(
            with_uplinks(world(by("east", "north", "south")), at(NORTH, "eth2"), at(EAST, "eth0"), SOUTH),
            id="an uplink before it, by the interface it had",
        ),
    ],
)
def test_a_tenant_and_its_uplink_do_not_move_at_once(policy: PolicySet, lost: dict[str, object]) -> None:
    assert any(
        each.startswith("uplink north is eth0 on this host, and would be eth")
        for each in renames(BEFORE, policy, **lost)
    )


def test_nor_do_its_classes() -> None:
    policy = with_uplinks(world(by("north", "south", to="north")), NORTH, at(SOUTH, "eth2"))

    (only,) = renames(BEFORE, policy)

    assert only.startswith("uplink south is eth1 on this host, and would be eth2, while tenant acme")


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param(EXCHANGED, id="uplinks exchange their interfaces, and nothing else"),
        pytest.param(world(by("south", "north", to="north")), id="a tenant turns round"),
        pytest.param(with_uplinks(world(by("south")), at(NORTH, "eth2"), SOUTH), id="a lane that is no more"),
        pytest.param(
            with_uplinks(world(by("north", "south"), tenant("globex", 2)), at(NORTH, "eth2"), SOUTH),
            id="a tenant comes",
        ),
        pytest.param(with_uplinks(world(by("east", "south")), SOUTH, at(EAST, "eth0")), id="another name"),
    ],
)
def test_one_after_the_other_they_may(policy: PolicySet) -> None:
    assert not renames(BEFORE, policy)
