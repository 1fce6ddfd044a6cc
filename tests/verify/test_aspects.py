"""What differs is told by the test of the tenant and the side that it is about."""

from __future__ import annotations

import pytest

from laneway.explain.origin import Origins
from laneway.plan.plan import plan
from laneway.state.host import HostState
from laneway.verify.aspects import Aspect, Owners
from laneway.verify.drift import as_json, differences, text
from tests.verify.recorded import judged, seen

BRIDGE = '"ifname":"lwb-acme","flags":["BROADCAST","MULTICAST","UP","LOWER_UP"]'


def about(*damage: tuple[str, str]) -> set[tuple[str, frozenset[str]]]:
    judgement = judged(seen(*damage))
    owners = Owners(Origins(judgement.aim.policy, judgement.aim.lanes))
    return {tuple(owners.about(each)) for each in judgement.drift}  # type: ignore[misc]


ACME = frozenset({"acme"})
ALL: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(BRIDGE, BRIDGE.replace('"UP",', ""), (Aspect.NETWORK, ACME), id="bridge down"),
        pytest.param('"ifalias":"laneway tenant=acme workload=web"', '"x":1', (Aspect.NETWORK, ACME), id="in a netns"),
        pytest.param("/conf/lwb-acme/arp_ignore:1", "/conf/lwb-acme/arp_ignore:0", (Aspect.NETWORK, ACME), id="sysctl"),
        pytest.param("add lw-src4 10.20.0.0/24,lwb-acme", "add x 1", (Aspect.MARKS, ACME), id="set entry"),
        pytest.param('"fwmark":"0x110000"', '"fwmark":"0x7770000"', (Aspect.LANES, ACME), id="rule"),
        pytest.param('"fwmask":"0xe00000"', '"fwmask":"0xe00001"', (Aspect.LANES, ALL), id="a part of the ladder"),
        pytest.param(
            '"table":"20017","metric":4294967294', '"table":"20017","metric":9', (Aspect.TABLES, ACME), id="route"
        ),
        pytest.param(
            '"table":"20009","scope"', '"table":"29999","scope"', (Aspect.HOST, ALL), id="the host's own lane"
        ),
        pytest.param("add lw-pub4-north 0.0.0.0/1,tcp:8080", "add x 1", (Aspect.PUBLISHED, ACME), id="published"),
        pytest.param("add lw-pub4-_inside 10.20.0.10,tcp:80", "add x 1", (Aspect.PUBLISHED, ACME), id="where it leads"),
        pytest.param("add lw-host4 10.20.0.0/24", "add x 1", (Aspect.ISOLATION, ACME), id="host access"),
        pytest.param("-A LANEWAY-RAW", "# ", (Aspect.ISOLATION, ALL), id="anti-spoof"),
        pytest.param("-A LANEWAY-SNAT", "# ", (Aspect.NAT, ALL), id="SNAT"),
        pytest.param("-A LANEWAY-DNAT", "# ", (Aspect.PUBLISHED, ACME), id="DNAT"),
        pytest.param("-A LANEWAY-CLASS-OF.2", "# ", (Aspect.MARKS, ACME), id="a tenant's classes"),
        pytest.param("ip_forward:1", "ip_forward:0", (Aspect.HOST, ALL), id="forwarding"),
        pytest.param("20017 lw.acme.north", "20017 lw.acme.north ", (Aspect.HOST, ALL), id="names"),
    ],
)
def test_whose_it_is(old: str, new: str, expected: tuple[Aspect, frozenset[str]]) -> None:
    assert expected in about((old, new))


def test_everything_that_can_be_missing_or_too_much_has_words() -> None:
    judgement = judged(seen())
    for one, other in ((judgement.aim.desired, HostState()), (HostState(), judgement.aim.desired)):
        steps = plan(one, other)
        for each in differences(steps):
            assert each.object
            assert text(each).startswith(f"{each.state}: {each.object}")
            assert as_json(each, frozenset()).keys() == {
                "tenant",
                "op",
                "state",
                "kind",
                "object",
                "is",
                "should_be",
                "command",
            }


def test_json_of_a_difference() -> None:
    old, new = "/conf/lwb-acme/arp_ignore:1", "/conf/lwb-acme/arp_ignore:0"

    (each,) = judged(seen((old, new))).drift

    assert as_json(each, frozenset({"acme"})) == {
        "tenant": "acme",
        "op": "replace",
        "state": "different",
        "kind": "sysctls",
        "object": "sysctl net/ipv4/conf/lwb-acme/arp_ignore",
        "is": "0",
        "should_be": "1",
        "command": "sysctl -w net/ipv4/conf/lwb-acme/arp_ignore=1",
    }
