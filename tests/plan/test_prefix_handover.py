"""A prefix is taken away in one apply and given to another tenant in the next."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from laneway.apply.target import target
from laneway.plan.conflicts.prefix_handover import prefix_handovers
from laneway.policy.model import PolicySet, Tenant, TenantRoute
from laneway.state.host import HostState
from tests.worlds import FACTS, NOWHERE, tenant, world

ACME, GLOBEX = tenant("acme", 1), tenant("globex", 2)


def holding(who: Tenant, *subnets: str) -> Tenant:
    return who._replace(subnets=tuple(ip_network(each) for each in subnets), workloads=(), allow=())


def planned(before: PolicySet, policy: PolicySet, **lost: object) -> tuple[HostState, HostState]:
    """Plan one policy after another, on a host that has lost something."""
    observed = target(before, HostState(), FACTS).desired.replaced(**lost)  # type: ignore[arg-type]
    return observed, target(policy, observed, FACTS).desired


def refusal(before: PolicySet, policy: PolicySet, **lost: object) -> str:
    (found,) = prefix_handovers(*planned(before, policy, **lost))
    assert found.remedy == (
        "take it away in one apply, and give it to the other in the next; a tenant that is renamed is another"
    )
    return found.what


BOTH = world(holding(ACME, "10.0.1.0/24", "fd01::/64", "10.0.3.0/24"), holding(GLOBEX, "10.0.2.0/24"))


@pytest.mark.parametrize("moved", ["10.0.1.0/24", "fd01::/64"])
def test_a_prefix_passes_to_nobody_while_it_is_somebodys(moved: str) -> None:
    policy = world(holding(ACME, "10.0.3.0/24"), holding(GLOBEX, "10.0.2.0/24", moved))

    assert refusal(BOTH, policy) == f"{moved} is tenant acme's on this host, and would be tenant globex's"


def test_nor_when_its_tenant_is_removed_or_has_another_name() -> None:
    policy = world(holding(tenant("initech", 1), "10.0.1.0/24"), holding(GLOBEX, "10.0.2.0/24"))

    assert refusal(BOTH, policy) == "10.0.1.0/24 is tenant acme's on this host, and would be tenant initech's"


@pytest.mark.parametrize("part", ["10.0.0.0/22", "10.0.1.128/25", "10.0.1.0/25", "10.0.0.0/23"])
def test_nor_a_part_of_it_or_more(part: str) -> None:
    policy = world(holding(GLOBEX, part))
    before = world(holding(ACME, "10.0.1.0/24"), holding(GLOBEX, "10.9.2.0/24"))

    assert refusal(before, policy) == (
        f"10.0.1.0/24 is tenant acme's on this host, and {part}, which overlaps it, would be tenant globex's"
    )


def test_nor_a_prefix_behind_a_router_of_the_tenants() -> None:
    route = TenantRoute(ip_network("10.7.0.0/16"), ip_address("10.0.1.9"), "unicast", NOWHERE)
    before = world(holding(ACME, "10.0.1.0/24")._replace(routes=(route,)), holding(GLOBEX, "10.0.2.0/24"))

    assert "10.7.0.0/16 is tenant acme's" in refusal(
        before, world(holding(ACME, "10.0.1.0/24"), holding(GLOBEX, "10.0.2.0/24", "10.7.0.0/16"))
    )


def test_nor_when_somebody_flushed_the_sets() -> None:
    policy = world(holding(GLOBEX, "10.0.2.0/24", "10.0.1.0/24"))

    assert refusal(BOTH, policy, entries={}).startswith("10.0.1.0/24 is tenant acme's on this host")


def test_the_bridge_is_named_where_it_is_gone() -> None:
    policy = world(holding(GLOBEX, "10.0.2.0/24", "10.0.1.0/24"))

    assert refusal(BOTH, policy, links={}, routes={}).startswith("10.0.1.0/24 is bridge lwb-acme")


@pytest.mark.parametrize(
    ("before", "policy"),
    [
        pytest.param(BOTH, BOTH, id="nothing"),
        pytest.param(BOTH, world(holding(ACME, "10.0.0.0/23")), id="one's own grows, another goes"),
        pytest.param(BOTH, world(holding(ACME, "10.0.3.0/24"), holding(GLOBEX, "10.0.2.0/24")), id="it goes"),
        pytest.param(world(holding(ACME, "10.0.3.0/24")), BOTH, id="it comes"),
    ],
)
def test_what_nobody_else_had_is_given(before: PolicySet, policy: PolicySet) -> None:
    observed, desired = planned(before, policy)

    assert not list(prefix_handovers(observed, desired))
    homes = {str(entry.net) for entry in desired.entries if entry.set in {"lw-src4", "lw-src6"}}
    assert homes == {str(each) for tenant in policy.tenants for each in tenant.subnets}


def test_what_a_change_of_an_earlier_version_left_half_passed_on_is_given() -> None:
    desired = target(BOTH, HostState(), FACTS).desired
    stale = {entry._replace(iface="lwb-globex"): mark for entry, mark in desired.entries.items() if entry.iface}

    assert len(stale) == len(BOTH.tenants[0].subnets) + len(BOTH.tenants[1].subnets)
    assert not list(prefix_handovers(desired.replaced(entries={**desired.entries, **stale}), desired))
