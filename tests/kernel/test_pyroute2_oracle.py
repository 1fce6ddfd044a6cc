"""Every message that laneway encodes by itself is read by pyroute2, which had no part in that, as what was meant."""

from __future__ import annotations

import inspect
import struct
from typing import TYPE_CHECKING, Any

import pytest
from pyroute2.netlink.nfnetlink.ipset import ipset_msg
from pyroute2.netlink.nfnetlink.nfctsocket import nfct_msg
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from laneway.kernel import conntrack, link_messages, route_messages, set_messages
from laneway.plan.steps import Op
from laneway.state.links import GROUP, HOST
from laneway.state.marks import FwMark
from laneway.state.prefix import prefix
from laneway.state.routing import PROTOCOL, FibRule, Route, RouteKey, RouteKind, RuleAction
from laneway.state.sets import SetEntry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyroute2.netlink import nlmsg

    from laneway.kernel.netlink import Request

MODULES = (conntrack, link_messages, route_messages, set_messages)


def read(message: type[nlmsg], request: Request) -> dict[str, Any]:
    """Return what pyroute2 reads: the fields of the header, and the attributes by their names."""
    header = struct.pack("=IHHII", 16 + len(request.body), request.type, request.flags, 1, 0)
    found = message(header + request.body)
    found.decode()
    fields = {key: value for key, value in found.items() if key not in ("header", "attrs", "event", "state")}
    return {key: value for key, value in fields.items() if value} | _attributes(found)


def _attributes(found: Any) -> dict[str, Any]:
    return {name: _attributes(value) if hasattr(value, "get_attrs") else value for name, value in found["attrs"]}


def messages() -> Iterator[tuple[str, type[nlmsg], Request, dict[str, Any]]]:
    """Yield every kind of request: the function that makes it, what reads it, and what that is to find."""
    mac = bytes.fromhex("020000000001")
    links = link_messages
    bridge = {"IFLA_IFNAME": "lwb-acme", "IFLA_GROUP": GROUP}
    yield (
        "new_bridge",
        ifinfmsg,
        links.new_bridge("lwb-acme", group=GROUP, mac=mac),
        {**bridge, "IFLA_ADDRESS": "02:00:00:00:00:01", "IFLA_LINKINFO": {"IFLA_INFO_KIND": "bridge"}},
    )
    far = {"IFLA_IFNAME": "eth0", "IFLA_GROUP": 7, "IFLA_NET_NS_FD": 9}
    pair = {"IFLA_INFO_KIND": "veth", "IFLA_INFO_DATA": {"VETH_INFO_PEER": far}}
    yield (
        "new_veth",
        ifinfmsg,
        links.new_veth("lwv1", "eth0", group=7, master=5, peer_netns=9),
        {"IFLA_IFNAME": "lwv1", "IFLA_GROUP": 7, "IFLA_MASTER": 5, "IFLA_LINKINFO": pair},
    )
    change = links.Change(up=True, alias="laneway tenant=acme", group=7, master=0, hairpin=True, mac=mac)
    yield (
        "set_link",
        ifinfmsg,
        links.set_link("lwv1", change),
        {
            "flags": 1,
            "change": 1,
            "IFLA_IFNAME": "lwv1",
            "IFLA_GROUP": 7,
            "IFLA_MASTER": 0,
            "IFLA_ADDRESS": "02:00:00:00:00:01",
            "IFLA_IFALIAS": "laneway tenant=acme",
            "IFLA_LINKINFO": {
                "IFLA_INFO_SLAVE_KIND": "bridge",
                "IFLA_INFO_SLAVE_DATA": {"IFLA_BRPORT_MODE": 1},
            },
        },
    )
    yield "ask_for_link", ifinfmsg, links.ask_for_link("eth0"), {"IFLA_IFNAME": "eth0", "IFLA_EXT_MASK": 8}
    yield "delete_link", ifinfmsg, links.delete_link("eth0"), {"IFLA_IFNAME": "eth0"}
    yield "delete_dying", ifinfmsg, links.delete_dying(), {"IFLA_GROUP": links.DYING}
    for text, family, extra in (("192.0.2.1/24", 2, {}), ("2001:db8::1/64", 10, {"flags": 2, "IFA_FLAGS": 2})):
        address = text.partition("/")[0]
        yield (
            "address_request",
            ifaddrmsg,
            links.address_request(links.RTM_NEWADDR, prefix(text), 4),
            {
                "family": family,
                "prefixlen": int(text.rpartition("/")[2]),
                "index": 4,
                "IFA_LOCAL": address,
                "IFA_ADDRESS": address,
                "IFA_PROTO": PROTOCOL,
                **extra,
            },
        )
    yield from routes()
    yield from rules()
    entry = SetEntry("lw-host4", prefix("10.0.0.0/24"), "lwb-acme", 6, 443, prefix("10.1.0.0/16"))
    yield (
        "entry_request",
        ipset_msg,
        set_messages.entry_request(Op.CREATE, entry, FwMark(0x10000, 0xFFFF0000)),
        {
            "nfgen_family": 2,
            "IPSET_ATTR_PROTOCOL": 6,
            "IPSET_ATTR_SETNAME": "lw-host4",
            "IPSET_ATTR_DATA": {
                "IPSET_ATTR_IP_FROM": {"IPSET_ATTR_IPADDR_IPV4": "10.0.0.0"},
                "IPSET_ATTR_CIDR": 24,
                "IPSET_ATTR_PORT_FROM": 443,
                "IPSET_ATTR_PROTO": 6,
                "IPSET_ATTR_IFACE": "lwb-acme",
                "IPSET_ATTR_IP2": {"IPSET_ATTR_IPADDR_IPV4": "10.1.0.0"},
                "IPSET_ATTR_CIDR2": 16,
                "IPSET_ATTR_SKBMARK": (0x10000, 0xFFFF0000),
            },
        },
    )
    yield (
        "_flush",
        nfct_msg,
        conntrack._flush(FwMark(0x10000, 0xFFFF0000)),
        {"CTA_MARK": 0x10000, "CTA_MARK_MASK": 0xFFFF0000},
    )


def routes() -> Iterator[tuple[str, type[nlmsg], Request, dict[str, Any]]]:
    """Yield routes of each kind."""
    default = {"proto": PROTOCOL, "type": 1, "flags": 4, "RTA_TABLE": 20017, "RTA_PRIORITY": 50, "RTA_OIF": 3}
    for to, via, wanted in (
        ("0.0.0.0/0", "192.0.2.1", {"family": 2}),
        ("2001:db8::/32", "2001:db8:1::1", {"family": 10, "dst_len": 32, "RTA_DST": "2001:db8::"}),
    ):
        route = Route(RouteKind.UNICAST, "eth0", prefix(via).address)
        asked = route_messages.route_request(Op.CREATE, RouteKey(HOST, 20017, prefix(to), 50), route, 3)
        yield "route_request", rtmsg, asked, {**default, **wanted, "RTA_GATEWAY": via}
    key = RouteKey(HOST, 100, prefix("10.0.0.0/8"), 0)
    refused = route_messages.route_request(Op.DELETE, key, Route(RouteKind.UNREACHABLE), 0)
    wanted = {"family": 2, "dst_len": 8, "RTA_DST": "10.0.0.0", "table": 100, "RTA_TABLE": 100}
    yield "route_request", rtmsg, refused, {**wanted, "proto": PROTOCOL, "type": 7}


def rules() -> Iterator[tuple[str, type[nlmsg], Request, dict[str, Any]]]:
    """Yield FIB rules of each action."""
    mark = {"FRA_FWMARK": 0x10000, "FRA_FWMASK": 0xFFFF0000}
    for action, number, extra in (
        (RuleAction.LOOKUP, 1, {"FRA_TABLE": 20017}),
        (RuleAction.GOTO, 2, {"FRA_GOTO": 20017}),
        (RuleAction.UNREACHABLE, 7, {}),
    ):
        rule = FibRule(6, 10001, action, FwMark(0x10000, 0xFFFF0000), 20017 if extra else 0, inverted=True)
        wanted = {"family": 10, "action": number, "flags": 2, "FRA_PRIORITY": 10001, "FRA_PROTOCOL": PROTOCOL}
        yield "rule_request", fibmsg, route_messages.rule_request(Op.CREATE, rule), {**wanted, **mark, **extra}


@pytest.mark.parametrize(
    ("message", "request_", "wanted"), [pytest.param(*each[1:], id=each[0]) for each in messages()]
)
def test_pyroute2_reads_what_was_meant(message: type[nlmsg], request_: Request, wanted: dict[str, Any]) -> None:
    assert read(message, request_) == wanted


def test_no_request_is_left_out() -> None:
    made = {
        name
        for module in MODULES
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and function.__annotations__.get("return") == "Request"
    }

    assert made - {each[0] for each in messages()} == {"_deletion"}, "that sends back what the kernel itself wrote"
