"""Numbers are for life."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laneway.errors import Conflict
from laneway.lanes.allocate import allocate, lease_file, table_names
from laneway.lanes.leases import Leases, parse
from tests.worlds import tenant, world

if TYPE_CHECKING:
    import random

NAMES = st.lists(st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True), unique=True, max_size=12)


def test_new_tenants_are_numbered_in_the_order_of_their_names() -> None:
    lanes = allocate(world(tenant("zeta", 1), tenant("acme", 2)), Leases())

    assert lanes.owners == {"acme": 2, "zeta": 3}
    assert lanes.uplinks == {"north": 1, "south": 2}


def test_a_lane_has_its_mark_and_its_table() -> None:
    lanes = allocate(world(tenant("acme", 1)), Leases())

    assert str(lanes.mark("acme", "south")) == "0x120000/0xffff0000"
    assert lanes.table(lanes.mark("acme", "south")) == 20000 + 18


@given(NAMES, NAMES, st.randoms(use_true_random=False))
def test_whoever_comes_goes_or_moves_a_tenant_keeps_its_number(
    first: list[str], second: list[str], shuffle: random.Random
) -> None:
    before = world(*(tenant(name, index) for index, name in enumerate(first)))
    lanes = allocate(before, Leases())
    leases = parse(lease_file(before, lanes))
    shuffle.shuffle(second)

    later = allocate(world(*(tenant(name, index) for index, name in enumerate(second))), leases)

    for name in set(first) & set(second):
        assert later.owners[name] == lanes.owners[name]
    newcomers = set(second) - set(first)
    assert not {later.owners[name] for name in newcomers} & set(lanes.owners.values())


def test_the_order_of_files_does_not_number() -> None:
    tenants = [tenant(name, index) for index, name in enumerate(("a", "b", "c"))]
    policy = world(*tenants)

    assert allocate(policy._replace(tenants=tuple(reversed(tenants))), Leases()) == allocate(policy, Leases())


def test_freed_numbers_come_last() -> None:
    leases = Leases({"acme": 2}, {}, next_owner=4)

    assert allocate(world(tenant("globex", 1)), leases).owners == {"globex": 4}


def test_freed_numbers_do_come() -> None:
    leases = Leases({}, {}, next_owner=8192)

    assert allocate(world(tenant("globex", 1)), leases).owners == {"globex": 2}


def test_no_table_stands_before_the_kernels_own_where_it_looks_for_them() -> None:
    policy = world(*(tenant(f"t{number}", number) for number in range(250)))
    host = policy.host._replace(max_uplinks=3)
    pinned = policy._replace(host=host, tenants=(*policy.tenants, tenant("pinned", 250)._replace(id=55)))

    slow = [name for table, name in table_names(pinned, allocate(pinned, Leases())).items() if table % 256 >= 253]

    # 20221 to 20223: whoever asks for them gets them.
    assert slow == ["lw.pinned.north", "lw.pinned.south"]


def test_numbers_that_slow_down_all_are_better_than_none() -> None:
    policy = world(*(tenant(f"t{number}", number) for number in range(30)))
    small = policy._replace(host=policy.host._replace(marks=0x3F0000, max_uplinks=3, tables=(500, 563)))

    with pytest.raises(Conflict, match="room for 14 tenants"):
        allocate(small, Leases())

    few = small._replace(tenants=small.tenants[:14])
    lanes = allocate(few, Leases())
    assert sorted(lanes.owners.values()) == list(range(2, 16))
    assert lanes.owners[max(lanes.owners)] == 2  # 509 to 511: for the last of them


def test_a_pinned_id_that_is_anothers_for_life_is_refused() -> None:
    pinned = tenant("acme", 1)._replace(id=3)
    leases = Leases({"globex": 3}, {}, next_owner=4)

    with pytest.raises(Conflict) as refusal:
        allocate(world(pinned, tenant("globex", 2)), leases)

    assert str(refusal.value) == "tenant acme: id 3 has been tenant globex's since it was applied"


def test_a_full_mark_field_is_refused() -> None:
    policy = world(tenant("a", 1), tenant("b", 2), tenant("c", 3))
    small = policy._replace(host=policy.host._replace(marks=0x1F, max_uplinks=7))

    with pytest.raises(Conflict) as refusal:
        allocate(small, Leases())

    assert str(refusal.value) == "tenant c: the mark field has room for 2 tenants, and they are all taken"


def test_table_names_are_what_ip_route_shows() -> None:
    policy = world(tenant("acme", 1))

    assert table_names(policy, allocate(policy, Leases())) == {
        20000: "lw._reverse-path",
        20008: "lw._crossing",
        20009: "lw._host.north",
        20010: "lw._host.south",
        20017: "lw.acme.north",
        20018: "lw.acme.south",
    }


def test_a_garbled_lease_file_gives_what_it_still_says() -> None:
    text = "# base 20000 uplink-bits 3 next-owner 9\n20017 lw.acme.north\nrubbish\n20026 lw.globex.south x\n"

    assert parse(text) == Leases({"acme": 2}, {"north": 1}, 9)
