"""A small policy and its packets, followed without a host."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from laneway.explain.assume import assumed_host
from laneway.explain.explanation import explain
from laneway.explain.hop import InChain
from laneway.explain.packet import ICMP, FromHost, FromOutside, FromWorkload, Packet
from laneway.policy.load import load_text
from laneway.state.chains import ChainRule
from laneway.state.routing import FibRule

if TYPE_CHECKING:
    from laneway.explain.explanation import Explanation, Ground
    from laneway.explain.hop import Hop, Leg
    from laneway.explain.packet import Sender

POLICY = """\
[uplinks.north]
interface = "eth0"
gateways = ["192.0.2.1", "2001:db8:a::1"]

[uplinks.south]
interface = "eth1"
gateways = ["198.51.100.1"]

[tenants.acme]
subnets = ["10.20.0.0/24", "fd20::/64"]
uplinks = ["north", "south"]
host_access = ["icmp", "53/udp"]

[tenants.acme.workloads.web]
addresses = ["10.20.0.10", "fd20::10"]
publish = ["8080:80/tcp"]

[tenants.acme.workloads.db]
addresses = ["10.20.0.11"]

[[tenants.acme.classes]]
name = "bulk"
match = { protocol = "tcp", ports = [443] }
uplink = "south"

[[tenants.acme.classes]]
name = "no-mail"
match = { protocol = "tcp", ports = [25] }
action = "reject"

[[tenants.acme.classes]]
name = "no-smb"
match = { protocol = "tcp", ports = [445] }
action = "drop"

[[tenants.acme.routes]]
to = "172.16.0.0/12"
type = "prohibit"

[[tenants.acme.allow]]
to = "globex/app"
ports = ["5432/tcp"]

[tenants.globex]
subnets = ["10.30.0.0/24", "fd30::/64"]
uplinks = ["south"]

[tenants.globex.workloads.app]
addresses = ["10.30.0.10", "fd30::10"]
"""

WEB = FromWorkload("acme-web")
DB = FromWorkload("acme-db")
APP = FromWorkload("globex-app")
NORTH = FromOutside("eth0")
SOUTH = FromOutside("eth1")
HOST = FromHost()


def ground(text: str = POLICY, file: str = "acme.toml") -> Ground:
    """Return the ground of a policy."""
    return assumed_host(load_text(text, file))


def packet(sender: Sender, to: str, what: str, *, source: str = "", dscp: int = 0) -> Packet:
    """Return a packet; `what` is "tcp/443", "udp/53" or "icmp"."""
    protocol, _, port = what.partition("/")
    address = ip_address(to)
    number = ICMP[address.version] if protocol == "icmp" else {"tcp": 6, "udp": 17}[protocol]
    return Packet(sender, address.packed, number, int(port or 0), ip_address(source).packed if source else None, dscp)


def told(sender: Sender, to: str, what: str, *, source: str = "", dscp: int = 0) -> Explanation:
    """Return what becomes of a packet."""
    return explain(ground(), packet(sender, to, what, source=source, dscp=dscp))


def steps(leg: Leg) -> list[str]:
    """Return the steps that matter, each in a line: stage, effect, what the rule is for."""
    return [f"{hop.stage}: {hop.effect}{_what(hop)}" for hop in leg.hops if not hop.minor]


def every_step(leg: Leg) -> list[str]:
    """Return all steps."""
    return [f"{hop.stage}: {hop.effect}{_what(hop)}" for hop in leg.hops]


def _what(hop: Hop) -> str:
    match hop.thing:
        case InChain(rule=ChainRule() as rule):
            return f" [{rule.comment}]"
        case FibRule():
            return f" [{hop.thing.priority}]"
        case _:
            return ""
