"""What a policy changes in another is said in the policy's terms."""

from __future__ import annotations

import pytest

from laneway.policy.changes import changes
from laneway.policy.load import load_text
from laneway.policy.model import PolicySet

BASE = """
[uplinks.north]
interface = "eth0"
gateways = ["192.0.2.1", "2001:db8:a::1"]
[uplinks.south]
interface = "ppp0"
[tenants.shop]
subnets = ["10.20.0.0/24", "fd20::/64"]
uplinks = ["north", "south"]
[tenants.shop.workloads.web]
addresses = ["10.20.0.10"]
publish = ["8080:80/tcp", "192.0.2.2:443:443/tcp"]
[[tenants.shop.classes]]
name = "bulk"
match = { protocol = "tcp", ports = [443] }
uplink = "south"
[[tenants.shop.classes]]
name = "mail"
match = { protocol = "tcp", ports = [25] }
action = "reject"
[tenants.old]
subnets = ["10.30.0.0/24"]
uplinks = ["south"]
"""


def policy(*edits: tuple[str, str]) -> PolicySet:
    text = BASE
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return load_text(text, "policy.toml")


def shown(before: PolicySet, after: PolicySet, **known: list[str]) -> list[str]:
    return [f"{'  ' * each.depth}{each.sign} {each.text}" for each in changes(before, after, **known)]


def test_what_was_not_there_is_summed_up() -> None:
    assert shown(PolicySet(), policy()) == [
        "+ uplink north: eth0 via 192.0.2.1, 2001:db8:a::1",
        "+ uplink south: ppp0, point-to-point",
        "+ tenant old: 0 workloads, 1 lane by south",
        "+ tenant shop: 1 workload, 2 lanes by north, south, 2 classes, publishes 8080/tcp, 192.0.2.2:443/tcp",
    ]


def test_what_goes_is_summed_up_alike() -> None:
    whole = shown(PolicySet(), policy())

    assert shown(policy(), PolicySet()) == [each.replace("+", "-", 1) for each in whole]


def test_a_policy_changes_nothing_in_itself() -> None:
    assert shown(policy(), policy()) == []


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        pytest.param(
            ('uplinks = ["north", "south"]', 'uplinks = ["south", "north"]'),
            ["~ tenant shop", "  ~ uplinks: north, south → south, north"],
            id="order of uplinks",
        ),
        pytest.param(
            ('subnets = ["10.20.0.0/24", "fd20::/64"]', 'id = 7\nsubnets = ["10.20.0.0/24"]'),
            ["~ tenant shop", "  ~ subnets: 10.20.0.0/24, fd20::/64 → 10.20.0.0/24", "  + id: 7"],
            id="a key comes, another changes",
        ),
        pytest.param(
            ('"8080:80/tcp", ', '"192.0.2.9:53:53/udp", '),
            ["~ tenant shop", "  ~ workload web", "    - publish 8080:80/tcp", "    + publish 192.0.2.9:53:53/udp"],
            id="published ports",
        ),
        pytest.param(
            (
                '[[tenants.shop.classes]]\nname = "bulk"',
                '[tenants.shop.workloads.db]\naddresses = ["10.20.0.11"]\n[[tenants.shop.classes]]\nname = "bulk"',
            ),
            ["~ tenant shop", "  + workload db: 10.20.0.11"],
            id="a workload",
        ),
        pytest.param(
            ("ports = [443] }\nuplink", "ports = [443, 8443] }\nuplink"),
            [
                "~ tenant shop",
                "  ~ class bulk: protocol tcp; ports 443: uplink south → protocol tcp; ports 443, 8443: uplink south",
            ],
            id="a class",
        ),
        pytest.param(
            ('name = "mail"', 'name = "post"'),
            [
                "~ tenant shop",
                "  - class mail: protocol tcp; ports 25: reject",
                "  + class post: protocol tcp; ports 25: reject",
            ],
            id="a class of another name",
        ),
        pytest.param(
            ('interface = "eth0"', 'interface = "eth2"'),
            ["~ uplink north", "  ~ interface: eth0 → eth2"],
            id="an uplink",
        ),
        pytest.param(
            ("[uplinks.north]", "[host]\nmax_uplinks = 3\n[uplinks.north]"),
            ["~ host", "  ~ max_uplinks: 7 → 3"],
            id="the host",
        ),
    ],
)
def test_what_changes_is_told_by_key(edit: tuple[str, str], expected: list[str]) -> None:
    assert shown(policy(), policy(edit)) == expected


def test_another_order_of_classes_is_a_change() -> None:
    before = policy()
    shop = before.tenants[1]
    after = before._replace(tenants=(before.tenants[0], shop._replace(classes=shop.classes[::-1])))

    assert shown(before, after) == ["~ tenant shop", "  ~ order: class bulk, mail → mail, bulk"]


def test_tenants_of_a_policy_that_is_lost_are_not_taken_for_new() -> None:
    found = shown(PolicySet(), policy(), unknown=["gone", "shop"])

    assert "~ tenant shop: on the host by a policy that is not known" in found
    assert "- tenant gone" in found
    assert [each for each in found if each.startswith("+ tenant")] == ["+ tenant old: 0 workloads, 1 lane by south"]
