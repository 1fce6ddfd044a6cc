"""Policies of many tenants, as files an operator would write."""

from __future__ import annotations

from typing import NamedTuple

FIRST_PORT = 10000
"""The published port of tenant 0; a tenant has two, in a row."""

NORTH = ("192.0.2.1", "2001:db8:a::1")
SOUTH = ("198.51.100.1", "2001:db8:b::1")

_HEAD = f"""
[host]
max_uplinks = 3  # so that the marks have room for 16 000 tenants
iptables = "{{variant}}"

[uplinks.north]
interface = "eth0"
gateways = ["{NORTH[0]}", "{NORTH[1]}"]

[uplinks.south]
interface = "eth1"
gateways = ["{SOUTH[0]}", "{SOUTH[1]}"]
"""

_TENANT = """
[tenants.{name}]
subnets = ["{net4}.0/24", "{net6}::/64"]
uplinks = ["north", "south"]
{snat}
[tenants.{name}.workloads.web]
addresses = ["{net4}.10", "{net6}::10"]
publish = [{ports}]
{classes}"""

_CLASS = """
[[tenants.{name}.classes]]
name = "bulk"
match = {{ protocol = "udp", ports = [4433] }}
uplink = "south"
"""


class Member(NamedTuple):
    """One tenant of a crowd."""

    number: int

    @property
    def name(self) -> str:
        return f"t{self.number:05d}"

    @property
    def netns(self) -> str:
        return f"{self.name}-web"

    @property
    def bridge(self) -> str:
        return f"lwb-{self.name}"

    @property
    def net4(self) -> str:
        return f"10.{self.number >> 8}.{self.number & 255}"

    @property
    def net6(self) -> str:
        return f"fd00:0:0:{self.number:x}"

    @property
    def addresses(self) -> tuple[str, str]:
        """The workload's addresses."""
        return f"{self.net4}.10", f"{self.net6}::10"

    @property
    def port(self) -> int:
        """The first of its published UDP ports."""
        return FIRST_PORT + 2 * self.number


def crowd(count: int, *, variant: str = "auto", busy: bool) -> str:
    """Return a policy of `count` tenants with a workload each: with one published port, or `busy`.

    A busy tenant has two published ports, a class and a source address of its own.
    """
    return _HEAD.format(variant=variant) + "".join(_tenant(Member(number), busy=busy) for number in range(count))


def _tenant(member: Member, *, busy: bool) -> str:
    kind = "udp" if busy else "tcp"
    ports = [f'"{member.port + each}:{80 + each}/{kind}"' for each in range(2 if busy else 1)]
    return _TENANT.format(
        name=member.name,
        net4=member.net4,
        net6=member.net6,
        snat=f'snat = ["198.19.{member.number >> 8}.{member.number & 255}"]' if busy else "",
        ports=", ".join(ports),
        classes=_CLASS.format(name=member.name) if busy else "",
    )
