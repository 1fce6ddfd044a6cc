"""The policy format as JSON Schema (2020-12), for editors.

The schema says what a single value may be. What the parts of a policy must be to each other (a workload's address in
its tenant's subnets, say) only loading it tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from laneway.policy import classes, expects, host, routes, services
from laneway.policy.examples import EXAMPLES
from laneway.policy.names import MAX_INTERFACE, MAX_NAME, MAX_UPLINK_NAME, NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

Schema = dict[str, Any]

IPV4_PATTERN = r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}"
IPV6_PATTERN = r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*"
PORTS_PATTERN = r"[0-9]{1,5}(?:-[0-9]{1,5})?"
RANGE_PATTERN = r"^[0-9]{1,10}\s*-\s*[0-9]{1,10}$"


def schema() -> Schema:
    """Return the JSON Schema of a policy file."""
    found = _schema()
    for path, value in keys(found):
        value["examples"] = [EXAMPLES[path]] if path in EXAMPLES else []
    return found


def keys(table: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Yield the path and the schema of each key that holds a value, no table, of a table and of those in it."""
    for key, value in table["properties"].items():
        here = f"{path}.{key}".lstrip(".")
        named, items = value.get("additionalProperties"), value.get("items", {})
        if "properties" in value:
            yield from keys(value, here)
        elif isinstance(named, dict) and "properties" in named:
            yield from keys(named, f"{here}.NAME")
        elif "properties" in items:
            yield from keys(items, here)
        else:
            yield here, value


def _schema() -> Schema:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:laneway:policy:1",
        "title": "laneway policy",
        "description": "Tenants of a Linux host, and the uplinks that each of them uses.",
        **_table(
            {
                "host": _host(),
                "uplinks": _named("Uplinks, by name.", _uplink(), longest=MAX_UPLINK_NAME),
                "tenants": _named("Owners of subnets, workloads and policy, by name.", _tenant()),
                "expect": _array("Tests of the policy itself.", _expect()),
            }
        ),
        "$defs": {
            "address": _pattern("An IPv4 or IPv6 address.", f"^(?:{IPV4_PATTERN}|{IPV6_PATTERN})$"),
            "prefix": _pattern("An IPv4 or IPv6 prefix.", f"^(?:{IPV4_PATTERN}|{IPV6_PATTERN})(?:/[0-9]{{1,3}})?$"),
            "name": _name("A name.", MAX_NAME),
            "uplink": _name("The name of an uplink.", MAX_UPLINK_NAME),
            "service": _pattern(
                'A service: "53/udp", "8000-8010/tcp" or "icmp".', f"^(?:icmp|{PORTS_PATTERN}/(?:tcp|udp))$"
            ),
            "ports": {
                "description": 'A port, or a range of ports as in "8000-8080".',
                "anyOf": [
                    {"type": "integer", "minimum": 1, "maximum": services.MAX_PORT},
                    {"type": "string", "pattern": f"^{PORTS_PATTERN}$"},
                ],
            },
        },
    }


def _host() -> Schema:
    table = _table(
        {
            "marks": {
                "description": "The packet-mark bits laneway may use: one contiguous field.",
                "anyOf": [
                    {"type": "string", "pattern": "^0[xX][0-9a-fA-F]{1,16}$"},
                    {"type": "integer", "minimum": 1, "maximum": (1 << host.MARK_BITS) - 1},
                ],
                "default": "0xffff0000",
            },
            "max_uplinks": {
                "description": "How many uplinks the marks leave room for; the other bits number the tenants.",
                "type": "integer",
                "minimum": 1,
                "maximum": host.MOST_UPLINKS,
                "default": 7,
            },
            "tables": _pattern("Ids of the routing tables.", RANGE_PATTERN, default="20000-85535"),
            "priorities": _pattern("Priorities of the ip rules.", RANGE_PATTERN, default="10000-19999"),
            "iptables": {
                "description": "Which of the two kinds of iptables the host uses; auto: what iptables -V says.",
                "enum": list(host.VARIANTS),
                "default": "auto",
            },
        }
    )
    return {"description": "What laneway may use on this host.", **table}


def _uplink() -> Schema:
    gateway = {"anyOf": [{"$ref": "#/$defs/address"}, {"const": "auto"}]}
    table = _table(
        {
            "interface": _pattern("The interface that leads out.", rf"^[A-Za-z0-9_.-]{{1,{MAX_INTERFACE}}}$"),
            "gateways": {
                "description": 'One a family; "auto": what DHCP or router advertisements say; none: point-to-point.',
                "anyOf": [{"const": "auto"}, {"type": "array", "items": gateway, "maxItems": 3}],
            },
            "masquerade": {
                "description": "Whether packets leave with the interface's own address.",
                "type": "boolean",
                "default": True,
            },
            "snat": _array(
                "Addresses that packets leave with instead, one a family.", {"$ref": "#/$defs/address"}, most=2
            ),
        },
        required=["interface"],
    )
    return {
        "description": "An uplink: an interface that leads out of the host, and a gateway for each family.",
        **table,
    }


def _tenant() -> Schema:
    addresses = {"type": "array", "items": {"$ref": "#/$defs/address"}, "maxItems": 2}
    table = _table(
        {
            "id": {
                "description": "Pins the tenant's number, and with it its marks and tables.",
                "type": "integer",
                "minimum": 2,
            },
            "subnets": _array(
                "The prefixes on the tenant's bridge; the first address of each is the gateway.",
                {"$ref": "#/$defs/prefix"},
                least=1,
            ),
            "uplinks": _array("The uplinks it may use, in order of preference.", {"$ref": "#/$defs/uplink"}, least=1),
            "snat": {
                "description": "The tenant's own public addresses, on all of its uplinks or by uplink.",
                "anyOf": [addresses, {"type": "object", "additionalProperties": addresses}],
            },
            "host_access": _array(
                "What its workloads may reach on the host itself.", {"$ref": "#/$defs/service"}, default=["icmp"]
            ),
            "dns": _array("Name servers of its workloads.", {"$ref": "#/$defs/address"}),
            "isolate": {
                "description": "Whether its workloads are kept from each other, at the tenant's published ports too.",
                "type": "boolean",
                "default": False,
            },
            "workloads": _named("Network namespaces, by name.", _workload()),
            "routes": _array("Extra routes in all of the tenant's tables.", _route()),
            "classes": _array("Traffic that takes another lane; the first match wins.", _class()),
            "allow": _array("What it may reach of other tenants.", _allow()),
        },
        required=["subnets", "uplinks"],
    )
    return {"description": "An owner of subnets, workloads and policy.", **table}


def _workload() -> Schema:
    publish = rf"^(?:(?:\[{IPV6_PATTERN}\]|{IPV4_PATTERN}):)?{PORTS_PATTERN}:{PORTS_PATTERN}(?:/(?:tcp|udp))?$"
    table = _table(
        {
            "addresses": _array("Addresses in the tenant's subnets.", {"$ref": "#/$defs/address"}, least=1),
            "publish": _array(
                "Ports of the host that reach the workload: [ADDRESS:]PORTS:PORTS[/PROTOCOL].",
                {"type": "string", "pattern": publish},
            ),
        },
        required=["addresses"],
    )
    return {"description": "A network namespace on the tenant's bridge.", **table}


def _route() -> Schema:
    table = _table(
        {
            "to": {"description": "The destination.", "$ref": "#/$defs/prefix"},
            "via": {"description": "A router on the tenant's bridge.", "$ref": "#/$defs/address"},
            "type": {"description": "How the destination is refused, in place of `via`.", "enum": list(routes.KINDS)},
        },
        required=["to"],
    )
    return {**table, "oneOf": [{"required": ["via"]}, {"required": ["type"]}]}


def _class() -> Schema:
    table = _table(
        {
            "name": {"description": "What messages and maps call the class.", "$ref": "#/$defs/name"},
            "match": _packets(),
            "uplink": {"description": "The uplink these packets leave by.", "$ref": "#/$defs/uplink"},
            "action": {
                "description": "What happens to them instead, in place of `uplink`.",
                "enum": list(classes.ACTIONS),
            },
        },
        required=["name", "match"],
    )
    return {**table, "oneOf": [{"required": ["uplink"]}, {"required": ["action"]}]}


def _packets() -> Schema:
    numbers = sorted(services.PROTOCOLS[name] for name in services.WITH_PORTS)
    with_ports = [*sorted(services.WITH_PORTS), *numbers, *map(str, numbers)]
    ports = {"required": ["protocol"], "properties": {"protocol": {"enum": with_ports}}}
    description = "Which packets; what is left out matches all."
    return {"description": description, **_table(_match()), "dependentSchemas": {"ports": ports}}


def _match() -> dict[str, Schema]:
    number = {"type": "string", "pattern": "^[0-9]{1,3}$"}
    return {
        "protocol": {
            "description": "A protocol by name or number; icmp means ICMPv6 in IPv6.",
            "anyOf": [
                {"enum": sorted({"icmp", *services.PROTOCOLS})},
                {"type": "integer", "minimum": 1, "maximum": services.MAX_PROTOCOL},
                number,
            ],
        },
        "ports": _array("Destination ports.", {"$ref": "#/$defs/ports"}, least=1),
        "to": _array("Destinations.", {"$ref": "#/$defs/prefix"}, least=1),
        "from": _array("Sources.", {"$ref": "#/$defs/prefix"}, least=1),
        "dscp": {
            "description": "A differentiated services code point by name or number.",
            "anyOf": [
                {"type": "string", "pattern": f"^(?:{'|'.join(map(_any_case, sorted(services.DSCP)))})$"},
                {"type": "integer", "minimum": 0, "maximum": services.MAX_DSCP},
                {"type": "string", "pattern": "^[0-9]{1,2}$"},
            ],
        },
    }


def _any_case(word: str) -> str:
    return "".join(f"[{each}{each.upper()}]" if each.isalpha() else each for each in word)


def _allow() -> Schema:
    name = NAME.pattern
    return _table(
        {
            "to": _pattern("A tenant, or a workload as TENANT/WORKLOAD.", f"^{name}(?:/{name})?$"),
            "ports": _array("Services.", {"$ref": "#/$defs/service"}, least=1),
        },
        required=["to", "ports"],
    )


def _expect() -> Schema:
    name = NAME.pattern
    table = _table(
        {
            "from": _pattern(
                "A workload as TENANT/WORKLOAD, or an address outside.",
                f"^(?:{name}/{name}|{IPV4_PATTERN}|{IPV6_PATTERN})$",
            ),
            "to": {"description": "The destination.", "$ref": "#/$defs/address"},
            "protocol": {
                "description": "The protocol of the packet.",
                "enum": list(expects.PROTOCOLS),
                "default": "tcp",
            },
            "port": {
                "description": "The destination port, of tcp and udp.",
                "type": "integer",
                "minimum": 1,
                "maximum": services.MAX_PORT,
            },
            "arrives": {"description": "The uplink that a packet from outside comes in by.", "$ref": "#/$defs/uplink"},
            "uplink": {"description": "The uplink by which it is delivered.", "$ref": "#/$defs/uplink"},
            "result": {"description": "What happens to it, in place of `uplink`.", "enum": list(expects.RESULTS)},
        },
        required=["from", "to"],
    )
    return {**table, "anyOf": [{"required": ["uplink"]}, {"required": ["result"]}]}


def _table(properties: dict[str, Schema], *, required: list[str] | None = None) -> Schema:
    table: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**table, "required": required} if required else table


def _named(description: str, value: Schema, *, longest: int = MAX_NAME) -> Schema:
    names = {"pattern": f"^{NAME.pattern}$", "maxLength": longest}
    return {"description": description, "type": "object", "propertyNames": names, "additionalProperties": value}


def _array(
    description: str, items: Schema, *, least: int = 0, most: int | None = None, default: list[str] | None = None
) -> Schema:
    array: Schema = {"description": description, "type": "array", "items": items}
    limits = {"minItems": least or None, "maxItems": most, "default": default}
    return {**array, **{key: value for key, value in limits.items() if value is not None}}


def _pattern(description: str, pattern: str, *, default: str | None = None) -> Schema:
    found: Schema = {"description": description, "type": "string", "pattern": pattern}
    return found if default is None else {**found, "default": default}


def _name(description: str, longest: int) -> Schema:
    return _pattern(description, f"^{NAME.pattern}$") | {"maxLength": longest}
