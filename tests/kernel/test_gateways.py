"""Which gateway a host's own routing has for a link."""

from __future__ import annotations

import pytest

from laneway.state.gateways import DefaultRoute, LookUp, gateways, refused_gateway
from laneway.state.prefix import prefix

ADDRESSES = (("eth1", prefix("198.51.100.2/24")), ("eth1", prefix("2001:db8:b::2/64")))
FIRST, SECOND, OTHER = bytes([198, 51, 100, 1]), bytes([198, 51, 100, 9]), bytes([198, 51, 100, 7])
MAIN = (DefaultRoute(254, 4, "eth1", 100, FIRST), DefaultRoute(254, 4, "eth1", 50, SECOND))
APART = DefaultRoute(101, 4, "eth1", 0, OTHER)


def test_main_comes_before_other_tables_and_the_lowest_metric_before_others() -> None:
    look_up = LookUp(4, 100, 101, "from 198.51.100.2/32")

    assert gateways((*MAIN, APART), [look_up], ADDRESSES) == {("eth1", 4): SECOND}


@pytest.mark.parametrize(
    ("asks", "found"),
    [
        ("from 198.51.100.2/32", True),
        ("from 198.51.100.0/24", True),
        ("from 198.51.100.0/24 iif lo", True),
        ("oif eth1", True),
        ("", True),
        ("from 192.0.2.2/32", False),
        ("from 198.51.100.3/32", False),
        ("oif eth0", False),
        ("from 198.51.100.2/32 ipproto 6", False),
        ("to 198.51.100.0/24", False),
    ],
)
def test_where_main_has_none_rules_for_what_is_from_the_link_s_address_lead_to_it(asks: str, found: bool) -> None:  # noqa: FBT001
    told = gateways([APART], [LookUp(4, 100, 101, asks), LookUp(6, 90, 101, "")], ADDRESSES)

    assert told == ({("eth1", 4): OTHER} if found else {})


def test_of_several_tables_the_one_that_is_asked_first_counts() -> None:
    later = DefaultRoute(102, 4, "eth1", 0, SECOND)

    assert gateways([later, APART], [LookUp(4, 9, 102, ""), LookUp(4, 5, 101, "")], ADDRESSES) == {("eth1", 4): OTHER}


@pytest.mark.parametrize(
    ("gateway", "routes", "refused"),
    [
        ("2001:db8:b::1", [], ""),
        ("2001:db8:b::2", [], "eth1"),  # the host's own
        ("198.51.100.2", [], "eth1"),
        ("2001:db8:a::1", [("eth0", "2001:db8:a::/64")], "eth0"),
        ("2001:db8:a::1", [("eth0", "2001:db8:a::/64"), ("eth1", "2001:db8:a::1/128")], ""),
        ("2001:db8:a::1", [("eth0", "::/0")], ""),
        ("192.0.2.1", [("eth0", "192.0.2.0/24")], ""),  # in IPv4 the kernel asks on the link
        ("fe80::1", [("eth0", "fe80::/64")], ""),
    ],
)
def test_a_gateway_that_main_reaches_by_another_link_is_refused(
    gateway: str, routes: list[tuple[str, str]], refused: str
) -> None:
    known = [(link, prefix(to)) for link, to in routes]

    assert refused_gateway("eth1", prefix(gateway).address, ADDRESSES, known) == refused
