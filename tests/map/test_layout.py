from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laneway.map.details import details
from laneway.map.geometry import Box, Label, fit, text_width, wire
from laneway.map.html import html
from laneway.map.layout import layout, wants_dense
from laneway.map.subject import Subject
from laneway.map.svg import svg
from tests.map.drawings import drawn, example
from tests.strategies import policies
from tests.worlds import crowd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laneway.map.parts import Layout
    from laneway.policy.model import PolicySet


def in_each_others_way(placed: Layout) -> Iterator[tuple[str, str]]:
    """Yield parts that overlap; a workload lies inside its tenant."""
    boxed = sorted(((each.box, each) for each in placed.parts if each.box), key=lambda each: each[0])
    for at, (box, part) in enumerate(boxed):
        for other_box, other in boxed[at + 1 :]:
            if other_box.x >= box.right:
                break
            inside = {part.kind, other.kind} == {"tenant", "workload"} and box.holds(other_box)
            if box.overlaps(other_box) and not inside:
                yield part.id, other.id


@settings(max_examples=40)
@given(policy=policies(), dense=st.booleans())
def test_nothing_overlaps_and_nothing_is_missing(policy: PolicySet, *, dense: bool) -> None:
    subject = drawn(policy)

    placed = layout(subject, is_dense=dense)

    assert list(in_each_others_way(placed)) == []
    ids = [each.id for each in placed.parts]
    assert len(ids) == len(set(ids))
    wanted = {each.id for each in subject.tenants} | {each.id for each in subject.uplinks}
    wanted |= {each.id for each in subject.crossings} | {lane.id for each in subject.tenants for lane in each.lanes}
    assert wanted <= set(ids)
    paper = Box(0, 0, placed.width, placed.height)
    assert [part.id for part in placed.parts if part.box and not paper.holds(part.box)] == []
    assert details(subject, placed).keys() == set(ids)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("count", [1, 3, 24, 300])
def test_nothing_overlaps_in_a_crowd(count: int, *, dense: bool) -> None:
    placed = layout(drawn(crowd(count)), is_dense=dense)

    assert list(in_each_others_way(placed)) == []


@pytest.mark.parametrize("dense", [False, True])
def test_a_host_of_nobody_is_drawn(*, dense: bool) -> None:
    placed = layout(Subject("empty", (), (), ()), is_dense=dense)

    assert placed.parts == ()


def test_many_tenants_are_drawn_dense() -> None:
    assert [wants_dense(drawn(crowd(count))) for count in (3, 24, 25, 300)] == [False, False, True, True]


def test_300_tenants_take_less_than_a_second() -> None:
    subject = drawn(crowd(300))

    begin = time.process_time()
    placed = layout(subject)
    svg(subject, placed)
    html(subject, placed, "many")

    assert time.process_time() - begin < 1


def test_arrows_of_crossings_are_apart() -> None:
    placed = layout(example("hosting"))

    figures = [figure for part in placed.parts if part.kind == "crossing" for figure in part.figures]
    heights = sorted(each.y for each in figures if isinstance(each, Label))
    assert len(heights) == 4
    assert all(below - above >= 14 for above, below in pairwise(heights))


@given(st.text(max_size=60), st.integers(20, 300))
def test_text_is_cut_to_what_fits(text: str, width: int) -> None:
    assert text_width(fit(text, width, "small"), "small") <= width


def test_boxes_that_touch_do_not_overlap() -> None:
    box = Box(0, 0, 10, 10)

    assert not box.overlaps(Box(10, 0, 5, 5))
    assert box.overlaps(Box(9, 9, 5, 5))


def test_wire_has_rounded_corners() -> None:
    assert wire([(0, 0), (0, 0), (20, 0), (20, 30)]) == "M0 0L12 0Q20 0 20 8L20 30"
