"""A host written down is planned against elsewhere as if it were there, and a file that is no host is refused."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laneway.apply.saved import SavedHost, save, saved_host
from laneway.apply.target import target
from laneway.cli.steps_json import steps_json, tenants_by
from laneway.cli.wire import look_back
from laneway.errors import LanewayError, UsageError
from laneway.lanes.leases import PATH
from laneway.plan.conflicts.collision import refuse
from laneway.plan.conflicts.foreign import collisions
from laneway.plan.plan import plan
from laneway.policy.model import HostSettings
from laneway.policy.write import to_toml
from laneway.state.chains import ChainKey, ChainRule, ForeignRule, Verdict, XtTable
from laneway.state.facts import (
    Foreign,
    ForeignFibRule,
    ForeignRoute,
    ForeignWay,
    HostFacts,
    Listener,
    MarkUse,
    TableName,
    UplinkRoute,
)
from laneway.state.host import HostState
from laneway.state.leftovers import LeftoverKey
from laneway.state.links import LinkKey
from laneway.state.marks import FwMark
from laneway.state.portable import noun, plain
from laneway.state.prefix import prefix
from tests.fakes.kernel import FakeKernel
from tests.worlds import crowd

if TYPE_CHECKING:
    from pathlib import Path

    from laneway.policy.model import PolicySet

FACTS = HostFacts(
    "nft",
    frozenset({"eth0", "eth1"}),
    {("eth0", 4): bytes([192, 0, 2, 1])},
    (UplinkRoute("eth0", prefix("192.0.2.0/24"), b""),),
    (("eth0", prefix("192.0.2.0/24")),),
    {"net/ipv4/ip_forward": "0"},
    frozenset({Listener("tcp", 22, bytes(4)), Listener("udp", 53, bytes([127, 0, 0, 1]))}),
    frozenset({"eth0", "mgmt"}),
)
OTHERS = Foreign(
    links=frozenset({LinkKey("", "eth0"), LinkKey("", "eth1")}),
    netns=frozenset({"theirs"}),
    addresses=frozenset({("eth0", prefix("192.0.2.2/24"))}),
    fib_rules=(ForeignFibRule(4, 500, "500: from all fwmark 0x1 lookup main"),),
    routes=(ForeignRoute(500, "default via 192.0.2.9 table 500"),),
    marks=(MarkUse(FwMark(1, 0xFF), "ip rule 500"),),
    table_names=(TableName(500, "theirs", "/etc/iproute2/rt_tables"),),
    ways=(ForeignWay("eth0", prefix("198.51.100.0/24"), "198.51.100.0/24 via 192.0.2.9 dev eth0"),),
)


def host(policy: PolicySet) -> FakeKernel:
    """Return a host that holds a policy, and has something of every kind besides."""
    kernel = FakeKernel()
    kernel.foreign_objects = OTHERS
    kernel.state = target(policy, HostState(), FACTS).desired
    key = ChainKey(4, XtTable.FILTER, "LANEWAY-X")
    kernel.state.leftovers = {
        LeftoverKey("legacy", "chains", key): (ForeignRule("-j ACCEPT"), ChainRule((), Verdict.DROP, "lw:-:x")),
        LeftoverKey("legacy", "priors", "net/ipv4/ip_forward"): "0",
    }
    return kernel


SAVED = save(host(crowd(2)), HostSettings(), crowd(2))


def test_a_saved_host_is_the_host() -> None:
    kernel = host(crowd(2))

    back = saved_host(SAVED, "FILE")

    assert back.read() == kernel.read()
    assert back.foreign((0, 0), (0, 0)) == OTHERS
    assert back.facts([]) == kernel.facts(["eth0", "eth1"])
    assert back.policy is not None
    assert to_toml(back.policy) == to_toml(crowd(2))


def test_facts_come_back_as_they_were() -> None:
    assert noun(HostFacts, json.loads(json.dumps(plain(FACTS)))) == FACTS


def test_a_plan_against_it_is_the_plan_there(tmp_path: Path) -> None:
    kernel = host(crowd(2))
    saved, policy = tmp_path / "host.json", tmp_path / "policy.toml"
    saved.write_text(SAVED, encoding="utf-8")
    policy.write_text(to_toml(crowd(3)), encoding="utf-8")

    scene = look_back(str(saved), [policy])

    there = target(crowd(3), kernel.read(), kernel.facts(["eth0", "eth1"]))
    assert plan(scene.aim.desired, scene.observed) == plan(there.desired, kernel.read())


def test_tenants_that_the_files_do_not_name_are_kept(tmp_path: Path) -> None:
    saved, policy = tmp_path / "host.json", tmp_path / "policy.toml"
    saved.write_text(SAVED, encoding="utf-8")
    policy.write_text("", encoding="utf-8")

    assert len(look_back(str(saved), [policy]).kept) == 2
    assert not look_back(str(saved), [policy], prune=True).kept


def test_a_saved_state_is_not_changed() -> None:
    with pytest.raises(UsageError, match="a saved state cannot be changed"):
        saved_host(SAVED, "FILE").run([])


def test_the_same_host_is_the_same_text() -> None:
    assert save(host(crowd(2)), HostSettings(), crowd(2)) == SAVED


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "FILE: no saved state: Expecting value: line 1 column 1 (char 0)", id="empty"),
        pytest.param("[]", "FILE: no saved state of this laneway, whose format is 2", id="a list"),
        pytest.param('{"laneway": 2}', "FILE: no saved state of this laneway, whose format is 2", id="another answer"),
        pytest.param(
            SAVED.replace('"laneway": 2', '"laneway": 1'), "FILE: no saved state of this", id="another format"
        ),
        pytest.param(SAVED[:-100], "FILE: no saved state: ", id="cut off"),
        pytest.param("[" * 100_000, "FILE: no saved state: ", id="deep"),
        pytest.param("9" * 5_000, "FILE: no saved state: ", id="a long number"),
        pytest.param(SAVED.replace('"veth"', '"vxlan"', 1), "kind: bridge or veth or peer is expected", id="a word"),
        pytest.param(SAVED.replace('"group": 27767', '"group": "x"', 1), "group: a number is expected", id="a type"),
        pytest.param(SAVED.replace('"kind": "chains"', '"kind": []', 1), "something of the other variant", id="a list"),
        pytest.param(SAVED.replace('"more": ""', '"more": "mtu"'), "a RouteKey that can be is expected", id="a pair"),
        pytest.param(
            re.sub(r'("inverted": \w+,\s+"mark": [^}]+},\s+"more": ")"', r'\1x"', SAVED),
            "a FibRule that can be is expected",
            id="a rule's pair",
        ),
        pytest.param(SAVED.replace('"length": 24', '"length": 99'), "a Prefix that can be is expected", id="a prefix"),
        pytest.param(SAVED.replace('"policy": "', '"policy": "x', 1), "FILE: policy: <the saved state>:1", id="policy"),
    ],
)
def test_what_is_no_saved_state_is_refused(text: str, said: str) -> None:
    assert text != SAVED
    with pytest.raises(UsageError) as refusal:
        saved_host(text, "FILE")

    assert said in str(refusal.value)
    assert refusal.value.hint == "write it anew on the host: laneway status --dump > FILE"


def _places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value inside one, and to the whole of each list and object."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [above, *(place for key, each in inner for place in _places(each, (*above, key)))]


def _changed(value: Any, place: tuple[Any, ...], odd: Any) -> Any:
    """Return the value with something else in one place; what lies beside the way there is shared, not copied."""
    if not place:
        return odd
    changed = value.copy()
    changed[place[0]] = _changed(value[place[0]], place[1:], odd)
    return changed


TREE = json.loads(SAVED)
PLACES = [place for place in _places(TREE) if place]
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 0, 1, 2**32 - 1, 2**64, 1.5, "", "x", "00", "0" * 32, "\x1b[0m", "net/ipv4/conf/x", [], [[]], {}]
)


@settings(max_examples=300)
@given(place=st.sampled_from(PLACES), odd=ODD | st.text(max_size=5) | st.integers())
def test_a_changed_value_is_refused_or_planned_against(place: tuple[Any, ...], odd: Any) -> None:
    text = json.dumps(_changed(TREE, place, odd))
    try:
        back: SavedHost = saved_host(text, "FILE")
        aim = target(crowd(3), back.read(), back.facts([]))
        seen = back.read()
        steps_json(plan(aim.desired, seen), tenants_by(aim.lanes, seen.files.get(PATH, ""), [aim.policy]))
        settings_ = aim.policy.host
        refuse(list(collisions(aim.desired, back.foreign((0, 0), (0, 0)), settings_, aim.lanes.field)))
    except LanewayError as error:
        assert str(error)  # noqa: PT017  one of many outcomes
