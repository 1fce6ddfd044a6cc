"""Policies at random, all of them valid: as the tables of a TOML document, and loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from laneway.policy.load import load_text
from laneway.policy.services import DSCP, PROTOCOLS, WITH_PORTS
from laneway.policy.write import document_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from laneway.policy.model import PolicySet

Document = dict[str, Any]
Draw = Any  # what hypothesis hands to a composite strategy

PLAIN_NAMES = st.from_regex(r"[a-z0-9]{1,16}", fullmatch=True)
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
PORTS = st.integers(1, 65535)


def policies() -> st.SearchStrategy[PolicySet]:
    """Return small valid policies."""
    return documents().map(lambda document: load_text(document_text(document)))


@st.composite
def documents(draw: Draw) -> Document:
    """Return the TOML tables of a small valid policy."""
    uplinks = dict(
        zip(
            draw(st.lists(NAMES, unique=True, min_size=1, max_size=3)),
            (draw(_uplinks(number)) for number in range(3)),
            strict=False,
        )
    )
    # Without a hyphen in a tenant's name no two workloads can have one network namespace.
    names = draw(st.lists(PLAIN_NAMES, unique=True, max_size=3))
    host_ports = _free_ports()
    tenants = {name: draw(_tenants(number, list(uplinks), host_ports)) for number, name in enumerate(names)}
    _pin_ids(draw, tenants)
    for name, tenant in tenants.items():
        _add_snat(draw, tenant, uplinks)
        _add_allows(draw, name, tenants)
    document: Document = {"uplinks": uplinks, "tenants": tenants}
    if draw(st.booleans()):
        document["host"] = draw(_hosts())
    expects = draw(st.lists(_expects(list(uplinks), tenants), max_size=3))
    return {**document, "expect": expects} if expects else document


def _hosts() -> st.SearchStrategy[Document]:
    return st.fixed_dictionaries(
        {},
        optional={
            "marks": st.sampled_from(["0xffff0000", "0x0000fff0", 0xFF000000, "0x7fff"]),
            "max_uplinks": st.integers(3, 15),
            "tables": st.sampled_from(["20000-85535", "100000-200000"]),
            "priorities": st.sampled_from(["10000-19999", "1-32765"]),
            "iptables": st.sampled_from(["auto", "legacy", "nft"]),
        },
    )


@st.composite
def _uplinks(draw: Draw, number: int) -> Document:
    ipv4, ipv6 = f"192.0.2.{number * 16 + 1}", f"2001:db8:{number}::1"
    gateways = draw(st.sampled_from([None, [], "auto", [ipv4], [ipv6], [ipv6, ipv4], ["auto", ipv4], ["auto"]]))
    uplink: Document = {"interface": f"eth{number}"}
    if gateways is not None:
        uplink["gateways"] = gateways
    nat = draw(st.sampled_from(["default", "masquerade", "none", "snat", "snat-alone"]))
    if nat == "masquerade":
        uplink["masquerade"] = True
    if nat in {"none", "snat-alone"}:
        uplink["masquerade"] = False
    if nat.startswith("snat"):
        own = {4: f"192.0.2.{number * 16 + 7}", 6: f"2001:db8:{number}::7"}
        uplink["snat"] = [own[family] for family in _carried(uplink)]
    return uplink


def _carried(uplink: Document) -> list[int]:
    """Return the families an uplink carries."""
    gateways = uplink.get("gateways")
    if not gateways or gateways == "auto" or "auto" in gateways:
        return [4, 6]
    return sorted(6 if ":" in each else 4 for each in gateways)


def _free_ports() -> Callable[[int], int]:
    """Return what gives ranges of ports that nobody has yet: their first, for their length."""
    position = 1000

    def take(length: int) -> int:
        nonlocal position
        position += length
        return position - length

    return take


@st.composite
def _tenants(draw: Draw, number: int, uplinks: list[str], host_ports: Callable[[int], int]) -> Document:
    families = draw(st.sampled_from([(4,), (6,), (4, 6)]))
    subnets = {4: f"10.{number}.0.0/{draw(st.integers(16, 24))}", 6: f"fd00:0:{number}::/{draw(st.integers(48, 64))}"}
    free = {family: iter(_addresses(number, family)) for family in families}
    names = draw(st.lists(NAMES, unique=True, max_size=3))
    tenant: Document = {
        "subnets": [subnets[family] for family in families],
        "uplinks": draw(st.lists(st.sampled_from(uplinks), unique=True, min_size=1)),
        "workloads": {name: draw(_workloads(free, host_ports)) for name in names},
        "routes": [draw(_routes(number, index, families, free)) for index in range(draw(st.integers(0, 2)))],
    }
    classes = draw(st.lists(NAMES, unique=True, max_size=3))
    tenant["classes"] = [draw(_classes(name, tenant["uplinks"], families)) for name in classes]
    if draw(st.booleans()):
        tenant["host_access"] = draw(st.lists(_services(), max_size=3))
    if draw(st.booleans()):
        tenant["dns"] = ["9.9.9.9", "2620:fe::fe"]
    if draw(st.booleans()):
        tenant["isolate"] = draw(st.booleans())
    return {key: value for key, value in tenant.items() if value or key == "host_access"}


def _addresses(number: int, family: int) -> Iterator[str]:
    for last in range(2, 250):
        yield f"10.{number}.0.{last}" if family == 4 else f"fd00:0:{number}::{last:x}"


@st.composite
def _workloads(draw: Draw, free: dict[int, Iterator[str]], host_ports: Callable[[int], int]) -> Document:
    families = draw(st.lists(st.sampled_from(sorted(free)), unique=True, min_size=1))
    workload: Document = {"addresses": [next(free[family]) for family in families]}
    for _ in range(draw(st.integers(0, 2))):
        length, inside = draw(st.integers(1, 4)), draw(st.integers(1, 60000))
        hosts = {4: "192.0.2.2:", 6: "[2001:db8::2]:"}
        host = draw(st.sampled_from(["", *(hosts[family] for family in families)]))
        text = f"{host}{_span(host_ports(length), length)}:{_span(inside, length)}"
        workload.setdefault("publish", []).append(text + draw(st.sampled_from(["", "/tcp", "/udp"])))
    return workload


def _span(first: int, length: int) -> str:
    return str(first) if length == 1 else f"{first}-{first + length - 1}"


@st.composite
def _routes(draw: Draw, number: int, index: int, families: tuple[int, ...], free: dict[int, Iterator[str]]) -> Document:
    family = draw(st.sampled_from(families))
    to = f"172.{16 + number}.{index}.0/24" if family == 4 else f"fd80:0:{number}:{index}::/64"
    if draw(st.booleans()):
        return {"to": to, "via": next(free[family])}
    return {"to": to, "type": draw(st.sampled_from(["blackhole", "unreachable", "prohibit"]))}


@st.composite
def _classes(draw: Draw, name: str, uplinks: list[str], families: tuple[int, ...]) -> Document:
    match: Document = {}
    if draw(st.booleans()):
        match["protocol"] = draw(st.sampled_from(["icmp", *sorted(PROTOCOLS), 89, "103"]))
        if match["protocol"] in WITH_PORTS and draw(st.booleans()):
            match["ports"] = draw(
                st.lists(st.one_of(PORTS, PORTS.map(str), st.just("8000-8080")), min_size=1, max_size=3)
            )
    family = draw(st.sampled_from(families))
    outside = ["203.0.113.0/24", "198.18.0.1", "0.0.0.0/0"] if family == 4 else ["2001:db8:ffff::/48", "::/0"]
    if draw(st.booleans()):
        match["to"] = draw(st.lists(st.sampled_from(outside), unique=True, min_size=1))
    if draw(st.booleans()):
        match["from"] = ["10.0.0.0/8"] if family == 4 else ["fd00::/16"]
    if draw(st.booleans()):
        match["dscp"] = draw(st.one_of(st.integers(0, 63), st.sampled_from(sorted(DSCP))))
    outcome = {"uplink": draw(st.sampled_from(uplinks))}
    if draw(st.booleans()):
        outcome = {"action": draw(st.sampled_from(["reject", "drop"]))}
    return {"name": name, "match": match, **outcome}


@st.composite
def _services(draw: Draw) -> str:
    first, length = draw(st.integers(1, 60000)), draw(st.integers(1, 10))
    protocol = draw(st.sampled_from(["tcp", "udp", "icmp"]))
    return "icmp" if protocol == "icmp" else f"{_span(first, length)}/{protocol}"


def _pin_ids(draw: Draw, tenants: Document) -> None:
    for number, tenant in enumerate(tenants.values()):
        if draw(st.booleans()):
            tenant["id"] = 2 + number


def _add_snat(draw: Draw, tenant: Document, uplinks: Document) -> None:
    own = {4: "192.0.2.200", 6: "2001:db8::200"}
    by_uplink = {name: [own[family] for family in _carried(uplinks[name])] for name in tenant["uplinks"]}
    everywhere = sorted({address for addresses in by_uplink.values() for address in addresses})
    if (snat := draw(st.sampled_from([None, by_uplink, everywhere]))) is not None:
        tenant["snat"] = snat


def _add_allows(draw: Draw, name: str, tenants: Document) -> None:
    others = [f"{other}/{workload}" for other in tenants for workload in tenants[other].get("workloads", ())]
    reachable = [each for each in [*tenants, *others] if each.partition("/")[0] != name]
    if reachable and draw(st.booleans()):
        ports = draw(st.lists(_services(), min_size=1, max_size=3))
        tenants[name]["allow"] = [{"to": draw(st.sampled_from(reachable)), "ports": ports}]


@st.composite
def _expects(draw: Draw, uplinks: list[str], tenants: Document) -> Document:
    senders = [(name, each) for name, tenant in tenants.items() for each in tenant.get("workloads", ())]
    protocol = draw(st.sampled_from(["tcp", "udp", "icmp"]))
    packet: Document = {"protocol": protocol} if protocol == "icmp" else {"protocol": protocol, "port": draw(PORTS)}
    result = {"result": draw(st.sampled_from(["refused", "delivered"]))}
    if not senders or draw(st.booleans()):
        arrival = {"from": "203.0.113.5", "arrives": draw(st.sampled_from(uplinks)), "to": "192.0.2.2"}
        return {**arrival, **packet, **result}
    name, workload = draw(st.sampled_from(senders))
    address = tenants[name]["workloads"][workload]["addresses"][0]
    to = "2001:db8:ffff::1" if ":" in address else "203.0.113.9"
    if draw(st.booleans()):
        result = {"uplink": draw(st.sampled_from(tenants[name]["uplinks"]))}
    return {"from": f"{name}/{workload}", "to": to, **packet, **result}
