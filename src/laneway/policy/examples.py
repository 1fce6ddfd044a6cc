"""An example of each key's value, for the schema, laneway.toml(5) and `laneway help policy`."""

from __future__ import annotations

from typing import Any, Final

EXAMPLES: Final[dict[str, Any]] = {
    "host.marks": "0x00ff0000",
    "host.max_uplinks": 3,
    "host.tables": "30000-39999",
    "host.priorities": "5000-5999",
    "host.iptables": "nft",
    "uplinks.NAME.interface": "eth0",
    "uplinks.NAME.gateways": ["192.0.2.1", "2001:db8:a::1"],
    "uplinks.NAME.masquerade": False,
    "uplinks.NAME.snat": ["192.0.2.7"],
    "tenants.NAME.id": 7,
    "tenants.NAME.subnets": ["10.20.0.0/24", "fd20::/64"],
    "tenants.NAME.uplinks": ["north", "south"],
    "tenants.NAME.snat": {"north": ["192.0.2.20"]},
    "tenants.NAME.host_access": ["icmp", "53/udp"],
    "tenants.NAME.dns": ["9.9.9.9"],
    "tenants.NAME.isolate": True,
    "tenants.NAME.workloads.NAME.addresses": ["10.20.0.10", "fd20::10"],
    "tenants.NAME.workloads.NAME.publish": ["8080:80/tcp", "192.0.2.2:5353:53/udp"],
    "tenants.NAME.routes.to": "172.16.0.0/12",
    "tenants.NAME.routes.via": "10.20.0.254",
    "tenants.NAME.routes.type": "blackhole",
    "tenants.NAME.classes.name": "bulk",
    "tenants.NAME.classes.match.protocol": "tcp",
    "tenants.NAME.classes.match.ports": [443, "8000-8080"],
    "tenants.NAME.classes.match.to": ["203.0.113.0/24"],
    "tenants.NAME.classes.match.from": ["10.20.0.10"],
    "tenants.NAME.classes.match.dscp": "af11",
    "tenants.NAME.classes.uplink": "south",
    "tenants.NAME.classes.action": "reject",
    "tenants.NAME.allow.to": "globex/db",
    "tenants.NAME.allow.ports": ["5432/tcp"],
    "expect.from": "acme/web",
    "expect.to": "198.51.100.9",
    "expect.protocol": "udp",
    "expect.port": 443,
    "expect.arrives": "north",
    "expect.uplink": "south",
    "expect.result": "refused",
}
"""By the path of the key: NAME stands for what the policy calls it, an array of tables for one of them."""
