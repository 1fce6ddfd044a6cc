"""`HostState` as plans use it."""

from __future__ import annotations

import pytest

from laneway.state.host import HostState


def test_each_state_begins_with_mappings_of_its_own() -> None:
    one, other = HostState(), HostState()

    one.files["/etc/a"] = "a"

    assert (other.files, one == other) == ({}, False)


def test_states_are_equal_by_what_they_hold() -> None:
    assert HostState(files={"/etc/a": "a"}) == HostState(files={"/etc/a": "a"})


def test_replacing_some_kinds_keeps_the_others() -> None:
    state = HostState(files={"/etc/a": "a"}, sysctls={"net/ipv4/ip_forward": "0"})

    assert state.replaced(files={}) == HostState(sysctls={"net/ipv4/ip_forward": "0"})
    assert state.files == {"/etc/a": "a"}


def test_a_kind_that_there_is_not_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^no kind of kernel object: file$"):
        HostState(file={})
