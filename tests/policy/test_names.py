"""Names laneway gives fit the kernel, and stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laneway.policy.names import (
    MAX_INTERFACE,
    MAX_NAME,
    MAX_UPLINK_NAME,
    NAME,
    bridge_name,
    netns_name,
    veth_name,
)

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?", fullmatch=True)


@pytest.mark.parametrize(
    ("tenant", "bridge"),
    [
        pytest.param("a", "lwb-a", id="short"),
        pytest.param("elevenchars", "lwb-elevenchars", id="as long as fits"),
        pytest.param("twelve-chars", "lwb-twelvgd25sk", id="longer"),
    ],
)
def test_a_bridge_has_its_tenants_name_as_far_as_it_fits(tenant: str, bridge: str) -> None:
    assert bridge_name(tenant) == bridge


def test_names_are_the_same_in_every_run() -> None:
    assert (netns_name("acme", "web"), veth_name("acme", "web")) == ("acme-web", "lwvovgsrs3g357m")


@given(NAMES, NAMES)
def test_interface_names_fit_the_kernel(tenant: str, workload: str) -> None:
    assert len(bridge_name(tenant)) <= MAX_INTERFACE
    assert len(veth_name(tenant, workload)) == MAX_INTERFACE


@given(NAMES, NAMES)
def test_long_names_that_begin_alike_have_bridges_of_their_own(one: str, other: str) -> None:
    first, second = f"customer-{one}", f"customer-{other}"

    assert (bridge_name(first) == bridge_name(second)) == (first == second)


def test_veth_names_do_not_depend_on_where_a_hyphen_stands() -> None:
    assert veth_name("a-b", "c") != veth_name("a", "b-c")


def test_the_longest_names_fit() -> None:
    assert len(f"lw-pub4-{'u' * MAX_UPLINK_NAME}") <= 31
    assert len(netns_name("t" * MAX_NAME, "w" * MAX_NAME)) <= 255


@pytest.mark.parametrize("name", ["a", "0", "a-b", "a--b", "x" * 64])
def test_names(name: str) -> None:
    assert NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "a.b", "é", "a b", "a\n", "_crossing", "\u0661"])
def test_not_names(name: str) -> None:
    assert not NAME.fullmatch(name)
