"""A policy key reaches everything that has to know it: what forgets one is found by watching what is read.

A new key goes into EVERY_KEY; what need not know it says why, in UNREAD (CONTRIBUTING.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from laneway.compile.assume import assumed_facts
from laneway.compile.host import compile_host
from laneway.lab.judge import World, judge
from laneway.lab.probes import plan_probes
from laneway.lab.topology import plan_world
from laneway.lanes.allocate import allocate
from laneway.lanes.leases import Leases
from laneway.map.html import html
from laneway.map.layout import layout
from laneway.policy import model
from laneway.policy.load import load_text
from laneway.policy.write import to_toml
from tests.map.drawings import drawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from laneway.policy.model import PolicySet

EVERY_KEY = """
[host]
marks = "0xfff00000"
max_uplinks = 3
tables = "30000-39999"
priorities = "11000-15999"
iptables = "nft"

[uplinks.north]
interface = "eth0"
gateways = ["192.0.2.1", "2001:db8:a::1"]

[uplinks.south]
interface = "eth1"
gateways = ["198.51.100.1", "2001:db8:b::1"]
snat = ["198.51.100.9"]

[tenants.acme]
id = 3
subnets = ["10.20.0.0/24", "fd20::/64"]
uplinks = ["north", "south"]
isolate = true
snat = { north = ["192.0.2.77"] }
host_access = ["icmp", "53/udp"]
dns = ["9.9.9.9"]
routes = [{ to = "10.77.0.0/16", via = "10.20.0.10" }, { to = "10.78.0.0/16", type = "prohibit" }]

[tenants.acme.workloads.web]
addresses = ["10.20.0.10", "fd20::10"]
publish = ["192.0.2.2:8080:80/tcp", "9000-9003:9000-9003/udp"]

[[tenants.acme.classes]]
name = "voice"
match = { protocol = "udp", ports = ["5060"], to = ["203.0.113.0/24"], from = ["10.20.0.0/25"], dscp = 46 }
uplink = "south"

[[tenants.acme.classes]]
name = "mail"
match = { protocol = "tcp", ports = ["25"] }
action = "reject"

[tenants.globex]
subnets = ["10.30.0.0/24"]
uplinks = ["south"]

[[tenants.globex.allow]]
to = "acme/web"
ports = ["80/tcp"]

[tenants.globex.workloads.app]
addresses = ["10.30.0.10"]

[[expect]]
from = "acme/web"
to = "203.0.113.9"
protocol = "udp"
port = 5060
uplink = "south"

[[expect]]
from = "203.0.113.9"
arrives = "north"
to = "192.0.2.2"
protocol = "tcp"
port = 8080
result = "delivered"
"""

SHAPING = (
    *(model.Uplink, model.Publish, model.Workload, model.TenantRoute, model.ClassMatch, model.TrafficClass),
    *(model.Allow, model.Service, model.Tenant),
)
"""Of what shapes packets."""

UNREAD = {
    "lab": {
        "Tenant.dns": "a workload's own resolver asks there: no packet of laneway's does",
        "Tenant.id": "a number says nothing of where a packet goes",
        "TenantRoute.via": "a lab has no router behind a workload: what is sent there reaches the workload itself",
        "TrafficClass.action": "a class without an uplink is refused, with a word or without",
    },
}
"""What a reader need not know, and why."""


def _lab(policy: PolicySet) -> None:
    world = World(policy, plan_world(policy))
    for each in plan_probes(world):
        judge(world, each)


def _map(policy: PolicySet) -> None:
    subject = drawn(policy)
    html(subject, layout(subject), "test")


READERS: dict[str, Callable[[PolicySet], object]] = {
    "compile": lambda policy: compile_host(policy, allocate(policy, Leases()), assumed_facts(policy)),
    "lab": _lab,
    "map": _map,
    "write": to_toml,
}


def keys() -> set[str]:
    """Return every key that shapes packets."""
    return {f"{kind.__name__}.{field}" for kind in SHAPING for field in kind._fields if field not in _OF_NONE}


_OF_NONE = ("source", "name")


class Watch:
    """Sees which keys are read."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        """Watch the classes of the model."""
        self.read: set[str] = set()
        for kind in SHAPING:
            for place, field in enumerate(kind._fields):
                if field not in _OF_NONE:
                    patch.setattr(kind, field, self._watched(f"{kind.__name__}.{field}", place))

    def _watched(self, key: str, place: int) -> property:
        def get(item: Any) -> Any:
            self.read.add(key)
            return tuple.__getitem__(item, place)

        return property(get)


@pytest.mark.parametrize("name", READERS)
def test_what_has_to_know_a_key_reads_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = load_text(EVERY_KEY)
    watch = Watch(monkeypatch)

    READERS[name](policy)

    assert keys() - watch.read == UNREAD.get(name, {}).keys()


def test_the_policy_above_has_every_key() -> None:
    policy = load_text(EVERY_KEY)
    had: set[str] = set()
    waiting: list[Any] = [policy]
    while waiting:
        item = waiting.pop()
        if isinstance(item, SHAPING):
            usual = type(item)._field_defaults
            had |= {
                f"{type(item).__name__}.{field}"
                for field, value in zip(item._fields, item, strict=True)
                if field not in _OF_NONE and value not in (None, (), usual.get(field, ...))
            }
        waiting += item if isinstance(item, tuple) else ()

    assert had == keys()
