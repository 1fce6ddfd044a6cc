"""A policy file becomes what it says."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from laneway.policy.load import PolicyError, load_text
from laneway.policy.model import (
    AUTO,
    ONLINK,
    Allow,
    ClassMatch,
    Expect,
    Gateway,
    HostSettings,
    Ports,
    Publish,
    Service,
    Source,
    TenantRoute,
    TrafficClass,
)

UPLINKS = """
[uplinks.north]
interface = "eth0"
gateways = ["192.0.2.1", "2001:db8:a::1"]

[uplinks.south]
interface = "eth1"
gateways = ["198.51.100.1"]
"""
ACME = (
    UPLINKS
    + """
[tenants.acme]
subnets = ["10.20.0.0/24", "fd20::/64"]
uplinks = ["north", "south"]
"""
)
WEB = (
    ACME
    + """
[tenants.acme.workloads.web]
addresses = ["10.20.0.10", "fd20::10"]
"""
)


def messages(text: str) -> list[str]:
    """Return what is wrong with a policy, in short."""
    with pytest.raises(PolicyError) as error:
        load_text(text)
    return [problem.message for problem in error.value.problems]


def test_nothing_is_a_policy() -> None:
    policy = load_text("")

    assert (policy.host, policy.uplinks, policy.tenants, policy.expects) == (HostSettings(), (), (), ())


def test_host_settings() -> None:
    text = '[host]\nmarks = 0xff0000\nmax_uplinks = 3\ntables = "1000-2000"\npriorities = "500-700"\niptables = "nft"'

    assert load_text(text).host == HostSettings(0xFF0000, 3, (1000, 2000), (500, 700), "nft")


@pytest.mark.parametrize(
    ("line", "gateway4", "gateway6"),
    [
        pytest.param("", ONLINK, ONLINK, id="none"),
        pytest.param("gateways = []", ONLINK, ONLINK, id="empty"),
        pytest.param('gateways = "auto"', AUTO, AUTO, id="auto"),
        pytest.param('gateways = ["auto"]', AUTO, AUTO, id="auto in a list"),
        pytest.param('gateways = ["192.0.2.1"]', ip_address("192.0.2.1"), None, id="IPv4 alone"),
        pytest.param('gateways = ["fe80::1"]', None, ip_address("fe80::1"), id="IPv6 alone, link-local"),
        pytest.param('gateways = ["auto", "192.0.2.1"]', ip_address("192.0.2.1"), AUTO, id="auto for the other"),
    ],
)
def test_gateways(line: str, gateway4: Gateway, gateway6: Gateway) -> None:
    (uplink,) = load_text(f'[uplinks.north]\ninterface = "eth0"\n{line}').uplinks

    assert (uplink.gateway4, uplink.gateway6) == (gateway4, gateway6)


def test_uplinks_masquerade_unless_they_say_otherwise() -> None:
    text = UPLINKS + "masquerade = false"

    assert [uplink.masquerade for uplink in load_text(text).uplinks] == [True, False]


def test_uplinks_and_tenants_come_in_the_order_of_their_names() -> None:
    text = '[uplinks.b]\ninterface = "eth0"\n[uplinks.a]\ninterface = "eth1"\n'
    text += '[tenants.z]\nsubnets = ["10.1.0.0/24"]\nuplinks = ["b"]\n'
    text += '[tenants.y]\nsubnets = ["10.2.0.0/24"]\nuplinks = ["a"]\n'
    policy = load_text(text)

    assert [each.name for each in policy.uplinks] == ["a", "b"]
    assert [each.name for each in policy.tenants] == ["y", "z"]


def test_a_tenant_that_says_little() -> None:
    (acme,) = load_text(ACME).tenants

    assert acme.subnets == (ip_network("10.20.0.0/24"), ip_network("fd20::/64"))
    assert acme.uplinks == ("north", "south")
    assert acme.host_access == (Service("icmp", None),)
    assert (acme.id, acme.snat, acme.dns, acme.workloads, acme.routes, acme.classes, acme.allow) == (
        (None,) + ((),) * 6
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("[]", (), id="nothing"),
        pytest.param('["53/udp"]', (Service("udp", Ports(53, 53)),), id="a port"),
        pytest.param(
            '["8000-8010/tcp", "icmp"]', (Service("tcp", Ports(8000, 8010)), Service("icmp", None)), id="more"
        ),
    ],
)
def test_host_access(line: str, expected: tuple[Service, ...]) -> None:
    (acme,) = load_text(f"{ACME}host_access = {line}").tenants

    assert acme.host_access == expected


def test_own_addresses_are_for_every_uplink_that_carries_them() -> None:
    (acme,) = load_text(f'{ACME}snat = ["2001:db8:a::20", "192.0.2.20"]').tenants

    assert [(name, str(address)) for name, address in acme.snat] == [
        ("north", "192.0.2.20"),
        ("north", "2001:db8:a::20"),
        ("south", "192.0.2.20"),
    ]


def test_own_addresses_by_uplink() -> None:
    (acme,) = load_text(f'{ACME}snat = {{ south = ["198.51.100.20"], north = ["192.0.2.20"] }}').tenants

    assert acme.snat == (("north", ip_address("192.0.2.20")), ("south", ip_address("198.51.100.20")))


@pytest.mark.parametrize(
    ("text", "host", "outside", "inside", "protocol"),
    [
        pytest.param("8080:80", None, Ports(8080, 8080), Ports(80, 80), "tcp", id="tcp when not said"),
        pytest.param("53:5353/udp", None, Ports(53, 53), Ports(5353, 5353), "udp", id="udp"),
        pytest.param("9000-9010:19000-19010/tcp", None, Ports(9000, 9010), Ports(19000, 19010), "tcp", id="ranges"),
        pytest.param("192.0.2.2:1:2", ip_address("192.0.2.2"), Ports(1, 1), Ports(2, 2), "tcp", id="on an address"),
        pytest.param("[2001:db8::2]:1:2", ip_address("2001:db8::2"), Ports(1, 1), Ports(2, 2), "tcp", id="on IPv6"),
        pytest.param("1-1024:1-1024", None, Ports(1, 1024), Ports(1, 1024), "tcp", id="the longest range"),
    ],
)
def test_published_ports(text: str, host: object, outside: Ports, inside: Ports, protocol: object) -> None:
    (acme,) = load_text(f'{WEB}publish = ["{text}"]').tenants
    (publish,) = acme.workloads[0].publish

    source = Source("<policy>", ("tenants", "acme", "workloads", "web", "publish", 0))
    assert publish == Publish(host, outside, inside, protocol, source)  # type: ignore[arg-type]


def test_routes() -> None:
    text = WEB + '[[tenants.acme.routes]]\nto = "172.16.0.0/12"\nvia = "10.20.0.254"\n'
    text += '[[tenants.acme.routes]]\nto = "192.0.2.99"\ntype = "blackhole"'
    (acme,) = load_text(text).tenants
    where = ("tenants", "acme", "routes")

    assert acme.routes == (
        TenantRoute(ip_network("172.16.0.0/12"), ip_address("10.20.0.254"), "unicast", Source("<policy>", (*where, 0))),
        TenantRoute(ip_network("192.0.2.99/32"), None, "blackhole", Source("<policy>", (*where, 1))),
    )


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        pytest.param("{}", ClassMatch(), id="everything"),
        pytest.param(
            '{ protocol = "tcp", ports = [443, "80", "8000-8080"] }',
            ClassMatch("tcp", (Ports(443, 443), Ports(80, 80), Ports(8000, 8080))),
            id="ports",
        ),
        pytest.param(
            '{ to = ["203.0.113.0/24"], from = ["10.20.0.10", "fd20::/64"] }',
            ClassMatch(
                to=(ip_network("203.0.113.0/24"),), from_=(ip_network("10.20.0.10/32"), ip_network("fd20::/64"))
            ),
            id="prefixes",
        ),
        pytest.param('{ dscp = "af11" }', ClassMatch(dscp=10), id="dscp by name"),
        pytest.param('{ dscp = "EF" }', ClassMatch(dscp=46), id="dscp in capitals"),
        pytest.param("{ dscp = 0 }", ClassMatch(dscp=0), id="dscp by number"),
        pytest.param("{ protocol = 6, ports = [1] }", ClassMatch("tcp", (Ports(1, 1),)), id="tcp by number"),
        pytest.param('{ protocol = "89" }', ClassMatch("89"), id="a protocol without a name"),
        pytest.param('{ protocol = "icmp" }', ClassMatch("icmp"), id="icmp"),
    ],
)
def test_what_a_class_matches(match: str, expected: ClassMatch) -> None:
    (acme,) = load_text(f'{ACME}[[tenants.acme.classes]]\nname = "x"\nuplink = "south"\nmatch = {match}').tenants

    assert acme.classes == (
        TrafficClass("x", expected, "south", None, Source("<policy>", ("tenants", "acme", "classes", 0))),
    )


def test_a_match_may_be_a_table_of_its_own() -> None:
    text = (
        ACME + '[[tenants.acme.classes]]\nname = "x"\naction = "drop"\n[tenants.acme.classes.match]\nprotocol = "udp"'
    )
    (acme,) = load_text(text).tenants

    assert (acme.classes[0].match, acme.classes[0].action) == (ClassMatch("udp"), "drop")


def test_classes_keep_the_order_of_the_file() -> None:
    text = ACME + "".join(
        f'[[tenants.acme.classes]]\nname = "{name}"\nmatch = {{}}\naction = "reject"\n' for name in ("z", "a", "m")
    )

    assert [each.name for each in load_text(text).tenants[0].classes] == ["z", "a", "m"]


def test_allowing_a_tenant_and_a_workload() -> None:
    text = WEB + '[tenants.globex]\nsubnets = ["10.30.0.0/24"]\nuplinks = ["north"]\n'
    text += '[[tenants.globex.allow]]\nto = "acme"\nports = ["icmp"]\n'
    text += '[[tenants.globex.allow]]\nto = "acme/web"\nports = ["80/tcp"]\n'
    globex = load_text(text).tenants[1]
    where = ("tenants", "globex", "allow")

    assert globex.allow == (
        Allow("acme", None, (Service("icmp", None),), Source("<policy>", (*where, 0))),
        Allow("acme", "web", (Service("tcp", Ports(80, 80)),), Source("<policy>", (*where, 1))),
    )


def test_expectations() -> None:
    text = WEB + '[[expect]]\nfrom = "acme/web"\nto = "203.0.113.9"\nport = 443\nuplink = "south"\n'
    text += '[[expect]]\nfrom = "2001:DB8:FFFF::5"\narrives = "north"\nto = "2001:db8:a::2"\n'
    text += 'protocol = "icmp"\nresult = "refused"\n'

    assert load_text(text).expects == (
        Expect(
            "acme/web", ip_address("203.0.113.9"), "tcp", 443, "south", "delivered", Source("<policy>", ("expect", 0))
        ),
        Expect(
            "2001:db8:ffff::5",
            ip_address("2001:db8:a::2"),
            "icmp",
            None,
            None,
            "refused",
            Source("<policy>", ("expect", 1)),
            arrives="north",
        ),
    )


@pytest.mark.parametrize(
    "publish",
    [
        pytest.param('"53:53/tcp", "53:53/udp"', id="by protocol"),
        pytest.param('"192.0.2.2:80:80", "192.0.2.3:80:80"', id="by address"),
        pytest.param('"192.0.2.2:80:80", "[2001:db8::2]:80:80"', id="by family"),
        pytest.param('"80-89:80-89", "90-99:90-99"', id="side by side"),
    ],
)
def test_ports_that_do_not_conflict(publish: str) -> None:
    assert len(load_text(f"{WEB}publish = [{publish}]").tenants[0].workloads[0].publish) == 2


def test_one_port_in_each_family_is_no_conflict() -> None:
    text = ACME + '[tenants.acme.workloads.a]\naddresses = ["10.20.0.10"]\npublish = ["80:80"]\n'
    text += '[tenants.acme.workloads.b]\naddresses = ["fd20::10"]\npublish = ["80:80"]\n'

    assert len(load_text(text).tenants[0].workloads) == 2


def test_a_wide_range_conflicts_with_every_port_in_it() -> None:
    ports = ", ".join(f'"192.0.2.{host}:{8000 + host}:80"' for host in range(2, 5))

    found = messages(f'{WEB}publish = ["8000-8100:8000-8100", {ports}]')

    assert [each.split(": ")[1].split(" is ")[0] for each in found] == [
        f"port {8000 + host}/tcp of 192.0.2.{host}" for host in range(2, 5)
    ]


def test_a_route_inside_another_of_the_same_tenant_is_fine() -> None:
    text = WEB + '[[tenants.acme.routes]]\nto = "172.16.0.0/12"\nvia = "10.20.0.254"\n'
    text += '[[tenants.acme.routes]]\nto = "172.16.5.0/24"\nvia = "10.20.0.253"'

    assert len(load_text(text).tenants[0].routes) == 2


def test_overlaps_are_found_behind_a_nested_prefix() -> None:
    text = WEB + '[[tenants.acme.routes]]\nto = "172.16.0.0/12"\nvia = "10.20.0.254"\n'
    text += '[[tenants.acme.routes]]\nto = "172.16.5.0/24"\nvia = "10.20.0.254"\n'
    text += '[tenants.globex]\nsubnets = ["172.16.5.128/25", "172.17.0.0/24", "192.168.0.0/24"]\nuplinks = ["north"]'

    assert messages(text) == [
        "tenant globex: 172.16.5.128/25 overlaps 172.16.5.0/24 of tenant acme",
        "tenant globex: 172.17.0.0/24 overlaps 172.16.0.0/12 of tenant acme",
    ]


@pytest.mark.parametrize("key", ["id", "max_uplinks", "port"])
@pytest.mark.parametrize("value", ["true", "1.0", '"2"', "0xffffffffffffffffffffffff", "-1", "[]", "1979-05-27"])
def test_integers_are_integers_of_some_size(key: str, value: str) -> None:
    place = {
        "id": ACME,
        "max_uplinks": "[host]\n",
        "port": f'{WEB}[[expect]]\nfrom = "acme/web"\nto = "9.9.9.9"\nuplink = "north"\n',
    }

    (message,) = messages(f"{place[key]}{key} = {value}")

    assert key in message


def test_an_integer_of_ten_thousand_digits_is_an_error_like_others() -> None:
    assert messages(f"[host]\nmax_uplinks = 0x{'f' * 10000}") == [
        "host: max_uplinks of this size is not within 1 to 255"
    ]
    assert messages(f"[host]\nmax_uplinks = {'9' * 10000}") == ["a number with too many digits"]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("interface", "interfac"),
        ("gateways", "gatways"),
        ("uplinks =", "uplnks ="),
        ("subnets", "subents"),
        ("addresses", "adresses"),
        ("via", "va"),
        ("match", "mtach"),
        ("protocol", "protcol"),
        ("uplink = ", "uplik = "),
        ("192.0.2.1", "192.0.2.256"),
        ('["192.0.2.1", "2001:db8:a::1"]', '"192.0.2.1"'),
        ("10.20.0.0/24", "10.20.0.0/33"),
    ],
)
def test_one_mistake_is_one_problem_wherever_it_is(right: str, wrong: str) -> None:
    text = WEB + 'publish = ["192.0.2.2:80:80"]\n[[tenants.acme.routes]]\nto = "172.16.0.0/12"\nvia = "10.20.0.254"\n'
    text += '[[tenants.acme.classes]]\nname = "a"\nmatch = { protocol = "tcp", ports = [80] }\nuplink = "south"\n'
    text = text.replace("[tenants.acme]\n", '[tenants.acme]\nsnat = ["192.0.2.20"]\n')

    load_text(text)
    assert len(messages(text.replace(right, wrong, 1))) == 1


def test_one_mistake_is_one_problem() -> None:
    broken = (
        WEB.replace("10.20.0.0/24", "10.20.0.0/33") + '[[tenants.acme.routes]]\nto = "10.0.0.0/8"\nvia = "10.20.0.9"'
    )

    assert messages(broken) == ["tenant acme: 10.20.0.0/33 is not an IPv4 prefix"]
