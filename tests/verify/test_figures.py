"""Counters, rates and what the walls have refused."""

from __future__ import annotations

from laneway.kernel.flows import Flow
from laneway.kernel.link_counters import LinkCounters
from laneway.lanes.field import MarkField
from laneway.state.chains import ChainKey, ChainRule, Reject, Verdict, XtTable
from laneway.verify.figures import Figures, LaneFigures, Traffic, by_lane, lane_rates, marked, refused

FIELD = MarkField(0xFFFF0000, 3)


def flow(number: int, mark: int, packets: int) -> Flow:
    return Flow(number, b"", b"", 6, 1, 2, mark, answered=True, packets=packets, bytes=packets * 100)


def look(moment: float, *flows: Flow) -> Figures:
    links = {"eth0": LinkCounters(up=True, carrier=True, received=(10, 1000), sent=(20, 2000))}
    return Figures(moment, links, marked(flows, FIELD), accounting=True)


def test_flows_of_others_are_in_no_lane_and_their_mark_bits_do_not_count() -> None:
    figures = look(0, flow(1, 0x110001, 5), flow(2, 0x110000, 1), flow(3, 0x7, 99))

    assert by_lane(figures) == {0x110000: LaneFigures(2, Traffic(6, 600))}


def test_a_rate_is_of_flows_that_were_there_and_of_new_ones() -> None:
    before = look(10, flow(1, 0x110000, 100), flow(2, 0x120000, 50))
    now = look(12, flow(1, 0x110000, 300), flow(3, 0x110000, 20))

    assert lane_rates(before, now) == {0x110000: Traffic(110, 11000)}


def test_a_counter_that_began_anew_counts_from_nothing() -> None:
    assert Traffic(30, 300).since(Traffic(1000, 9000), 10) == Traffic(3, 30)


def test_a_link_that_is_gone_has_counted_nothing() -> None:
    figures = look(0)

    assert figures.received("eth0") == Traffic(10, 1000)
    assert figures.sent("eth9") == Traffic(0, 0)


def test_walls_are_summed_by_their_names() -> None:
    chains = {
        ChainKey(family, XtTable.FILTER, "LANEWAY-FORWARD"): (
            ChainRule((), Verdict.ACCEPT, "lw:-:known-flow"),
            ChainRule((), Verdict.DROP, "lw:-:unmarked"),
            ChainRule((), Reject("icmp-admin-prohibited"), "lw:north:pin"),
        )
        for family in (4, 6)
    }
    counters = dict.fromkeys(chains, ((1000, 1), (2, 1), (3, 1)))

    assert refused(chains, counters) == {"north: pin": 6, "unmarked": 4}
